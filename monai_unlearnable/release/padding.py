"""Padding stays as it is, and nothing else becomes padding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.sources.base import Source
from monai_unlearnable.sources.stored_levels import add_delta
from monai_unlearnable.types import StoredValues

__all__ = ["off_padding"]


def off_padding(
    source: Source, index: int, original: StoredValues, applied: NDArray[np.integer]
) -> NDArray[np.integer]:
    """Set a delta to 0 where the original is padding, and where its sum would be taken for padding.

    Args:
        source: says what is padding.
        index: which of its images.
        original: stored numbers of that image, ``(channel, *space)``.
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
