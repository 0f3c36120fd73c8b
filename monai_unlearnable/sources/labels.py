"""Rules that labels and sample ids keep, whatever file they come from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.errors import SourceError

__all__ = [
    "MAXIMUM_CLASSES",
    "check_class_indices",
    "check_multi_labels",
    "check_names",
    "check_unique",
    "name_classes",
]

MAXIMUM_CLASSES = 10_000
"""More classes than this are taken for a damaged label array."""


def check_class_indices(labels: NDArray[np.integer], *, where: str) -> NDArray[np.int64]:
    """Return ``labels`` as int64 class indices ``(n,)``.

    Raises:
        SourceError: a label is negative or absurdly large; the message names its position.
    """
    outside = np.flatnonzero((labels < 0) | (labels >= MAXIMUM_CLASSES))
    if outside.size:
        at = int(outside[0])
        raise SourceError(
            f"{where}: label {labels[at]} at position {at} is not a class index of 0 to {MAXIMUM_CLASSES - 1}."
        )
    return labels.astype(np.int64)


def check_multi_labels(labels: NDArray[np.integer], *, where: str) -> NDArray[np.int64]:
    """Return ``labels`` ``(n, classes)`` as int64 of 0/1.

    Raises:
        SourceError: some value is neither 0 nor 1; the message names its row and column.
    """
    wrong = np.argwhere((labels != 0) & (labels != 1))
    if len(wrong):
        row, column = (int(one) for one in wrong[0])
        raise SourceError(
            f"{where}: value {labels[row, column]} in row {row}, column {column}: several label columns are a "
            "multi-label task, whose values are 0 or 1. Give one column of class indices for a single-label task."
        )
    return labels.astype(np.int64)


def check_unique(sample_ids: Sequence[str], *, path: Path) -> None:
    """Check that every sample id is there and there once.

    Raises:
        SourceError: there is no image, or two images have the same id.
    """
    if not sample_ids:
        raise SourceError(f"{path}: holds no image.")
    seen: set[str] = set()
    for sample_id in sample_ids:
        if sample_id in seen:
            raise SourceError(f"{path}: sample id {sample_id!r} is there twice; every image needs its own.")
        seen.add(sample_id)


def check_names(names: Sequence[str], *, path: Path) -> None:
    """Check that names can be written into a manifest and shown to a person.

    Raises:
        SourceError: a name is empty or holds control characters or bytes that are not text.
    """
    for name in names:
        if not name or not name.isprintable():
            raise SourceError(f"{path}: the name {name!r} is empty or holds characters that are not printable; rename.")


def name_classes(labels: Sequence[str], *, where: str) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Sort the names of classes, as numbers where all are numbers, and number the labels by them.

    Args:
        labels: name of the class of each image.
        where: the list, for messages.

    Returns:
        The classes, and ``(n,)`` int64 class indices.

    Raises:
        SourceError: there are too many classes.

    Example:
        >>> name_classes(["10", "9", "10"], where="labels.csv")
        (('9', '10'), array([1, 0, 1]))
    """
    names = set(labels)
    if len(names) > MAXIMUM_CLASSES:
        raise SourceError(f"{where}: {len(names)} different labels; at most {MAXIMUM_CLASSES} classes are handled.")
    numbers = all(name.isascii() and name.isdigit() for name in names)
    ordered = tuple(sorted(names, key=lambda name: (len(name), name) if numbers else (0, name)))
    index = {name: at for at, name in enumerate(ordered)}
    return ordered, np.array([index[one] for one in labels], dtype=np.int64)
