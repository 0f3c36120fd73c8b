"""How far the released pixels are from the clean ones, measured on the files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from monai.metrics import SSIMMetric
from numpy.typing import NDArray

from monai_unlearnable.sources.base import Source
from monai_unlearnable.types import StoredArray

__all__ = ["Fidelity", "Spread", "measure_fidelity", "psnr_db", "ssim"]

_LARGEST_WINDOW_PX = 11
_LARGEST_BATCH = 64


@dataclass(frozen=True)
class Spread:
    """Smallest, middle and largest value over the images."""

    minimum: float
    median: float
    maximum: float


@dataclass(frozen=True)
class Fidelity:
    """Distances between released images and their originals, over all pairs of one shape.

    Attributes:
        images: number of pairs that were compared.
        unchanged_images: pairs that are equal in every pixel.
        incomparable_images: pairs of different shapes, left out of everything here.
        max_abs_levels: largest |delta| of an image, in levels.
        mean_abs_levels: mean |delta| of an image, in levels.
        changed_share: share of an image's values that differ, in [0, 1].
        psnr_db: peak signal-to-noise ratio in dB; unchanged images (infinite) left out, None if all are.
        ssim: structural similarity; None where images are smaller than 3 pixels.
        full_scale: the peak that PSNR and SSIM take, in levels; of signed images it counts from their lowest level.
    """

    images: int
    unchanged_images: int
    incomparable_images: int
    max_abs_levels: Spread | None
    mean_abs_levels: Spread | None
    changed_share: Spread | None
    psnr_db: Spread | None
    ssim: Spread | None
    full_scale: float


def measure_fidelity(release: Source, clean: Source, pairs: Sequence[tuple[int, int]]) -> Fidelity:
    """Compare every released image with its original.

    Args:
        release: the released images.
        clean: their originals.
        pairs: (index in release, index in clean).

    Raises:
        SourceError: an image cannot be read.
    """
    comparable = [pair for pair in pairs if release.shape(pair[0]) == clean.shape(pair[1])]
    full_scale = _full_scale(clean.read(index) for _, index in comparable)
    columns: dict[str, list[float]] = {"largest": [], "mean": [], "changed": [], "psnr": [], "ssim": []}
    for released, original in _batches(release, clean, comparable):
        delta = np.abs(released.astype(np.int64) - original.astype(np.int64)).reshape(len(released), -1)
        columns["largest"] += delta.max(axis=1).tolist()
        columns["mean"] += delta.mean(axis=1).tolist()
        columns["changed"] += (delta > 0).mean(axis=1).tolist()
        columns["psnr"] += psnr_db(released, original, peak=full_scale).tolist()
        columns["ssim"] += ssim(released, original, peak=full_scale).tolist()
    return Fidelity(
        images=len(comparable),
        unchanged_images=sum(one == 0 for one in columns["largest"]),
        incomparable_images=len(pairs) - len(comparable),
        max_abs_levels=_spread(columns["largest"]),
        mean_abs_levels=_spread(columns["mean"]),
        changed_share=_spread(columns["changed"]),
        psnr_db=_spread(columns["psnr"]),
        ssim=_spread(columns["ssim"]),
        full_scale=full_scale,
    )


def psnr_db(released: StoredArray, original: StoredArray, *, peak: float) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio ``10 log10(peak^2 / mean squared delta)`` of each image.

    Args:
        released: ``(n, channel, *space)`` in levels.
        original: the same shape.
        peak: largest level.

    Returns:
        ``(n,)`` in dB; infinite where an image did not change.
    """
    delta = released.astype(np.float64) - original.astype(np.float64)
    squared = (delta**2).reshape(len(delta), -1).mean(axis=1)
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(peak**2 / squared), dtype=np.float64)


def ssim(released: StoredArray, original: StoredArray, *, peak: float) -> NDArray[np.float64]:
    """Structural similarity of each image by MONAI's ``SSIMMetric``, Gaussian window (sigma 1.5, 11 px at most).

    Args:
        released: ``(n, channel, *space)`` in levels.
        original: the same shape.
        peak: largest level.

    Returns:
        ``(n,)``, 1 for equal images; NaN where a side is shorter than 3 pixels.
    """
    shortest = min(released.shape[2:])
    window = min(_LARGEST_WINDOW_PX, shortest - (shortest + 1) % 2)
    if window < 3:
        return np.full(len(released), np.nan)
    metric = SSIMMetric(spatial_dims=released.ndim - 2, data_range=peak, win_size=window)
    values = metric(torch.from_numpy(released.astype(np.float32)), torch.from_numpy(original.astype(np.float32)))
    return values.double().reshape(len(released)).numpy()  # type: ignore[union-attr]


def _full_scale(images: Iterable[StoredArray]) -> float:
    lowest, brightest = 0, int(np.iinfo(np.uint8).max)
    for one in images:
        lowest, brightest = min(lowest, int(one.min())), max(brightest, int(one.max()))
    return float(2 ** (brightest - lowest).bit_length() - 1)


def _batches(
    release: Source, clean: Source, pairs: Sequence[tuple[int, int]]
) -> Iterator[tuple[StoredArray, StoredArray]]:
    """Stack neighbouring pairs of one shape."""
    start = 0
    while start < len(pairs):
        shape = clean.shape(pairs[start][1])
        stop = start + 1
        while stop < min(len(pairs), start + _LARGEST_BATCH) and clean.shape(pairs[stop][1]) == shape:
            stop += 1
        part = pairs[start:stop]
        yield np.stack([release.read(one) for one, _ in part]), np.stack([clean.read(one) for _, one in part])
        start = stop


def _spread(values: Sequence[float]) -> Spread | None:
    finite = [one for one in values if np.isfinite(one)]
    return Spread(float(min(finite)), float(np.median(finite)), float(max(finite))) if finite else None
