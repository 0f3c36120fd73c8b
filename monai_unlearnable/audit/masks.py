"""Masks of a source as a victim learns them: numbered by one order of classes, on the victim's grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.base import Source

__all__ = ["MOST_CLASSES", "mask_by_name", "resized_mask"]

MOST_CLASSES = 256
"""Class maps are kept as bytes."""


def mask_by_name(source: Source, index: int, class_names: Sequence[str]) -> NDArray[np.int64]:
    """Read the mask of an image, numbered by an order of classes that holds the source's own.

    Args:
        source: a segmentation source.
        index: which image.
        class_names: the order of classes, the background first.

    Returns:
        Class of every voxel, ``(*space)`` int64.

    Raises:
        SourceError: the mask cannot be read, lies on another grid than its image, or holds a class without a name.
    """
    mask, where = source.label(index), f"{source.path}: {source.sample_ids[index]!r}"
    space = source.shape(index)[1:]
    if mask.shape != space:
        raise SourceError(f"{where}: its mask has shape {mask.shape}, the image {space}; both need the same grid.")
    lowest, highest = int(mask.min()), int(mask.max())
    if lowest < 0 or highest >= len(source.class_names):
        raise SourceError(
            f"{where}: its mask holds classes {lowest} to {highest}, but there are names for 0 to "
            f"{len(source.class_names) - 1} only; name every class."
        )
    numbers = np.array([class_names.index(one) for one in source.class_names], dtype=np.int64)
    return np.ascontiguousarray(numbers[mask])


def resized_mask(mask: NDArray[np.int64], *, size_px: int | None) -> NDArray[np.int64]:
    """Give a mask the victim's size, the nearest pixel (``nearest-exact``) for each new one; None keeps its own.

    Example:
        >>> resized_mask(np.array([[0, 0, 2, 2]] * 4), size_px=2).tolist()
        [[0, 2], [0, 2]]
    """
    if size_px is None:
        return mask
    # Class numbers are small: exact in float32.
    numbers = torch.from_numpy(mask.astype(np.float32))[None, None]
    resized = functional.interpolate(numbers, size=(size_px,) * mask.ndim, mode="nearest-exact")
    return resized[0, 0].numpy().astype(np.int64)
