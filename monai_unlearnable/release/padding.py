"""Padding stays as it is, and nothing else becomes padding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.sources.base import Source
from monai_unlearnable.types import StoredArray

__all__ = ["add_delta", "off_padding"]


def off_padding(source: Source, index: int, original: StoredArray, applied: NDArray[np.integer]) -> NDArray[np.integer]:
    """Set a delta to 0 where the original is padding, and where its sum would be taken for padding.

    Args:
        source: says what is padding.
        index: which of its images.
        original: stored integers of that image, ``(channel, *space)``.
        applied: whole levels of the same shape.

    Raises:
        SourceError: the image cannot be read.
    """
    hidden = source.untouchable(index)
    if hidden is None:
        return applied
    kept: NDArray[np.integer] = np.where(hidden, applied.dtype.type(0), applied)
    landed = source.untouchable(index, add_delta(original, kept))
    return kept if landed is None else np.where(landed, applied.dtype.type(0), kept)


def add_delta(original: StoredArray, applied: NDArray[np.integer]) -> StoredArray:
    """Return ``original + applied`` in the original's type; the caller has seen to it that it fits.

    Example:
        >>> add_delta(np.array([[7]], dtype=np.uint8), np.array([[-3]]))
        array([[4]], dtype=uint8)
    """
    total = np.empty_like(original)
    np.add(original, applied, out=total, dtype=np.int64, casting="unsafe")  # wide in NumPy's small buffer only
    return total
