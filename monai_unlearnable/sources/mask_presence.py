"""Which classes the masks of a segmentation set show, found by reading each of them once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.base import Progress
from monai_unlearnable.sources.mask_classes import MaskClasses, present_classes
from monai_unlearnable.sources.skipped import OnError

__all__ = ["FoundClasses", "MaskOptions", "check_class_names", "find_classes", "seen_classes"]


@dataclass(frozen=True, kw_only=True)
class MaskOptions:
    """How the masks of a segmentation set are taken.

    Attributes:
        on_error: whether a mask that cannot be used is fatal, or its image left out.
        allow_empty: take masks that show nothing but background, as those of healthy people; otherwise such a mask is
            one that cannot be used.
        progress: called after each mask with (masks read, all masks).
    """

    on_error: OnError = OnError.STOP
    allow_empty: bool = False
    progress: Progress | None = None


@dataclass(frozen=True, eq=False)
class FoundClasses:
    """What the masks of a set show.

    Attributes:
        class_names: those that were declared; else the numbers from 0 to the largest that was found.
        labels: ``(n, classes)`` int64 0/1, which classes each mask shows; all 0 where it cannot be used.
        problems: why a mask cannot be used, by the index of its image.
    """

    class_names: tuple[str, ...]
    labels: NDArray[np.int64]
    problems: dict[int, str]


def find_classes(
    masks: Sequence[str],
    read: Callable[[int], MaskClasses],
    *,
    declared: tuple[str, ...],
    options: MaskOptions,
    where: Path,
) -> FoundClasses:
    """Read every mask once and note its classes.

    Args:
        masks: name of each mask.
        read: reads the mask of an image.
        declared: names of the classes; () where nothing declares them.
        options: how masks are taken.
        where: folder of the set, for messages.

    Raises:
        SourceError: a mask cannot be used and ``on_error`` is STOP, or no mask of the set shows anything, or masks
            contradict each other.
    """
    present: dict[int, tuple[int, ...]] = {}
    problems: dict[int, str] = {}
    bright: list[int] = []
    for index, mask in enumerate(masks):
        try:
            found = read(index)
            present[index] = _present(found, mask, options, where)
            bright += [index] if found.is_dark_and_bright else []
        except SourceError as error:
            if options.on_error is OnError.STOP:
                raise
            problems[index] = str(error).replace(f"{where}/", "")
        if options.progress is not None:
            options.progress(index + 1, len(masks))
    _check_one_meaning(masks, present, bright, where=where)
    names = declared or tuple(map(str, range(1 + max((one[-1] for one in present.values()), default=0))))
    labels = np.zeros((len(masks), len(names)), dtype=np.int64)
    for index, classes in present.items():
        labels[index, list(classes)] = 1
    if present and not declared:
        names, labels = seen_classes(names, labels, where=where)
    return FoundClasses(names, labels, problems)


def seen_classes(
    names: tuple[str, ...], labels: NDArray[np.int64], *, where: Path
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Leave out the classes above the largest that a mask shows.

    Args:
        names: name of each class.
        labels: ``(n, classes)`` int64 0/1.
        where: folder of the set, for messages.

    Raises:
        SourceError: no mask shows anything but background.

    Example:
        >>> seen_classes(("0", "1", "2"), np.array([[1, 1, 0]]), where=Path("set"))
        (('0', '1'), array([[1, 1]]))
    """
    count = int(np.flatnonzero(labels.any(axis=0)).max(initial=0)) + 1
    if count < 2:
        raise SourceError(f"{where}: none of its masks shows anything but background; there is nothing to segment.")
    return names[:count], labels[:, :count]


def check_class_names(names: Sequence[str], *, where: str) -> tuple[str, ...]:
    """Return the names of declared classes.

    Raises:
        SourceError: there is no class beside the background, or two have one name.
    """
    twice = next((one for one in names if list(names).count(one) > 1), None)
    if twice is not None:
        raise SourceError(f"{where}: the class name {twice[:80]!r} is there twice; every class needs its own.")
    if len(names) < 2:
        raise SourceError(f"{where}: declares {len(names)} classes; a mask needs the background and another one.")
    return tuple(names)


def _present(found: MaskClasses, mask: str, options: MaskOptions, where: Path) -> tuple[int, ...]:
    present = present_classes(found.indices)
    if present == (0,) and not options.allow_empty:
        raise SourceError(
            f"{where}/{mask}: shows nothing but background. If the set has such images, allow empty masks "
            "(allow_empty_masks=True); else correct the mask or take its image out."
        )
    return present


def _check_one_meaning(
    masks: Sequence[str], present: dict[int, tuple[int, ...]], bright: list[int], *, where: Path
) -> None:
    """Check that masks of dark and bright pixels do not lie beside masks of several classes."""
    several = next((index for index, classes in present.items() if classes[-1] > 1), None)
    if bright and several is not None:
        shown = ", ".join(map(str, present[several][:8]))
        raise SourceError(
            f"{where}/{masks[several]}: holds the classes {shown}, while {masks[bright[0]]} is dark and bright, which "
            "tells two classes apart. Save all masks as class indices 0, 1, 2, ..., or all as 0 and 255."
        )
