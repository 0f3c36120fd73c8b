"""Low-pass filters of deltas, which leave what survives compression, blur and resampling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from monai_unlearnable.types import Deltas

__all__ = ["LEAST_WAVES", "kept_waves", "low_pass"]

LEAST_WAVES = 2
"""Along its longest axis a delta keeps at least so many waves; the first one is its mean."""


def kept_waves(space: Sequence[int], share: float) -> tuple[int, ...]:
    """Return how many of the lowest waves each axis of an image keeps: this share of them, and the mean in any case.

    Args:
        space: size of the image along each axis.
        share: above 0, at most 1.

    Example:
        >>> kept_waves((28, 28, 1), 0.5)
        (14, 14, 1)
    """
    return tuple(max(1, round(share * size)) for size in space)


def low_pass(deltas: Deltas, waves: Sequence[int]) -> Deltas:
    """Keep the lowest waves of deltas: the first coefficients of their type-II cosine transform along each axis.

    (Guo et al., UAI 2019, section 3.) ``x <- C^T C x`` along each axis with the orthonormal ``C[k, n] = cos(pi k (2 n +
    1) / 2 N)``, of which the rows ``k < waves`` are kept. Wave ``k`` has ``k`` halves along an image, however finely
    that is sampled, so an image and what is resampled from it lose the same. Applied twice it changes nothing more.

    Args:
        deltas: ``(batch, channel, *space)``, levels.
        waves: how many of them each axis of space keeps; all where there are no more.

    Returns:
        Of the shape of ``deltas``; its values may exceed their largest by a little.

    Example:
        >>> checkerboard = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).tile(1, 1, 4, 4)
        >>> round(float(low_pass(checkerboard, (4, 4)).abs().max()), 2)
        0.25
    """
    for axis, kept in enumerate(waves, start=2):
        size = deltas.shape[axis]
        if kept < size:
            cosines = _cosines(size, kept).to(deltas)
            deltas = (deltas.movedim(axis, -1) @ cosines.T @ cosines).movedim(-1, axis)
    return deltas


@lru_cache(maxsize=16)  # every step of a descent asks for the same
def _cosines(size: int, kept: int) -> Tensor:
    """Return the first rows of the orthonormal transform, ``(kept, size)``."""
    wave = torch.arange(kept, dtype=torch.float64)[:, None]
    position = (2 * torch.arange(size, dtype=torch.float64) + 1) / (2 * size)
    cosines = torch.cos(math.pi * wave * position) * math.sqrt(2 / size)
    cosines[0] /= math.sqrt(2)
    return cosines
