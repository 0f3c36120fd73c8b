"""How far one released image is from its original; volumes part by part, because copies of them are large."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.metrics import SSIMMetric
from numpy.typing import NDArray
from torch import Tensor

from monai_unlearnable.sources.image_view import ImageView
from monai_unlearnable.types import StoredValues

__all__ = ["Differences", "absolute_difference", "difference_of", "ssim"]

_LARGEST_WINDOW_PX = 11
_SIGMA = 1.5
_PART_VALUES = 1 << 22


@dataclass(frozen=True)
class Differences:
    """Distances of one pair of images.

    Attributes:
        max_abs: largest |delta| in levels.
        mean_abs: mean |delta| in levels.
        mean_squared: mean squared delta in levels.
        changed_share: share of values that differ, in [0, 1].
        max_abs_unit: largest |delta| in the file's own unit.
        mean_abs_unit: mean |delta| in that unit.
    """

    max_abs: float
    mean_abs: float
    mean_squared: float
    changed_share: float
    max_abs_unit: float
    mean_abs_unit: float

    def psnr_db(self, peak: float) -> float:
        """Return the peak signal-to-noise ratio ``10 log10(peak^2 / mean squared delta)``; infinite without a change.

        Args:
            peak: the data range, in levels.
        """
        return 10 * math.log10(peak**2 / self.mean_squared) if self.mean_squared else math.inf


def difference_of(released: StoredValues, original: StoredValues, view: ImageView) -> Differences:
    """Measure one pair.

    Args:
        released: stored integers, ``(channel, *space)``.
        original: the same shape.
        view: what a level is in the file's own unit.

    Example:
        >>> found = difference_of(np.array([[[3, 1]]]), np.array([[[1, 1]]]), ImageView(slopes=(0.5,)))
        >>> found.max_abs, found.mean_squared, found.mean_abs_unit, round(found.psnr_db(255), 2)
        (2.0, 2.0, 0.5, 45.12)
    """
    slope, _ = view.scale(original.shape)
    largest, sums = [0.0, 0.0], np.zeros(4)
    step = max(1, _PART_VALUES * original.shape[1] // original.size)
    for start in range(0, original.shape[1], step):
        part = (slice(None), slice(start, start + step))
        delta = absolute_difference(released[part], original[part])
        in_unit = delta * np.abs(slope[part])
        largest = [max(largest[0], float(delta.max())), max(largest[1], float(in_unit.max()))]
        squares = float(np.square(delta.astype(np.float64)).sum())
        sums += np.array([delta.sum(), squares, np.count_nonzero(delta), in_unit.sum()], dtype=np.float64)
    mean, squared, share, unit = (float(one) / original.size for one in sums)
    return Differences(largest[0], mean, squared, share, largest[1], unit)


def absolute_difference(released: StoredValues, original: StoredValues) -> NDArray[Any]:
    """Return ``|released - original|`` without overflow: int64 of integers, float64 of floats; in the same shape.

    Example:
        >>> absolute_difference(np.array([3], dtype=np.uint8), np.array([255], dtype=np.uint8))
        array([252])
    """
    wide = np.float64 if released.dtype.kind == "f" else np.int64
    difference: NDArray[Any] = np.subtract(released, original, dtype=wide)
    np.abs(difference, out=difference)
    return difference


def ssim(released: StoredValues, original: StoredValues, *, peak: float) -> NDArray[np.float64]:
    """Structural similarity of each image as MONAI's ``SSIMMetric`` has it: Gaussian window, sigma 1.5, 11 px at most.

    Args:
        released: ``(n, channel, *space)`` in levels.
        original: the same shape.
        peak: the data range, in levels.

    Returns:
        ``(n,)``, 1 for equal images; NaN where a side is shorter than 3 pixels.
    """
    shortest = min(released.shape[2:])
    window = min(_LARGEST_WINDOW_PX, shortest - (shortest + 1) % 2)
    if window < 3:
        return np.full(len(released), np.nan)
    # The windows' centres are shared out among the parts, so their weighted mean is that of the whole.
    centres = released.shape[2] - window + 1
    step = min(centres, max(1, _PART_VALUES * released.shape[2] // released.size))
    total = np.zeros(len(released))
    for start in range(0, centres, step):
        count = min(step, centres - start)
        part = (slice(None), slice(None), slice(start, start + count + window - 1))
        x, y = (torch.from_numpy(one[part].astype(np.float32)) for one in (released, original))
        values = _picture_ssim(x, y, peak, window) if released.ndim == 4 else _volume_ssim(x, y, peak, window)
        total += count * values.double().numpy()
    return np.asarray(total / centres)


def _picture_ssim(released: Tensor, original: Tensor, peak: float, window: int) -> Tensor:
    metric = SSIMMetric(spatial_dims=2, data_range=peak, win_size=window)
    return torch.as_tensor(metric(released, original)).reshape(len(released))


def _volume_ssim(released: Tensor, original: Tensor, peak: float, window: int) -> Tensor:
    """Do what ``SSIMMetric`` does one axis after the other: 3 x 11 weights for a voxel in the place of 11 x 11 x 11."""
    x, y = (one.reshape(-1, 1, *one.shape[2:]) for one in (released, original))
    stacked = torch.cat([x, y, x * x, y * y, x * y])
    for axis in (2, 3, 4):
        stacked = _weighted(stacked, _gaussian(window), axis)
    mean_x, mean_y, square_x, square_y, product = stacked.chunk(5)
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    variances = square_x - mean_x**2 + square_y - mean_y**2
    contrast = (2 * (product - mean_x * mean_y) + c2) / (variances + c2)
    values = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1) * contrast
    return values.reshape(len(released), -1).mean(dim=1)


def _weighted(images: Tensor, weights: list[float], axis: int) -> Tensor:
    size = images.shape[axis] - len(weights) + 1
    total = images.narrow(axis, 0, size) * weights[0]
    for at, weight in enumerate(weights[1:], start=1):
        total.add_(images.narrow(axis, at, size), alpha=weight)
    return total


def _gaussian(window: int) -> list[float]:
    distances = torch.arange(window, dtype=torch.float32) - (window - 1) / 2
    weights = torch.exp(-((distances / _SIGMA) ** 2) / 2)
    return [float(one) for one in weights / weights.sum()]
