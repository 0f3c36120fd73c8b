"""How far the released pixels are from the clean ones, measured on the files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.audit.distances import Differences, difference_of, ssim
from monai_unlearnable.audit.regions import RegionChange, merge_regions, region_changes
from monai_unlearnable.sources.base import Source
from monai_unlearnable.sources.stored_levels import is_floating
from monai_unlearnable.types import StoredValues

__all__ = ["Fidelity", "Spread", "measure_fidelity"]

_LARGEST_BATCH = 64
_LARGEST_BATCH_VALUES = 1 << 22


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
        full_scale: the data range that PSNR and SSIM take, in levels: the smallest ``2**bits - 1``, at least 255, that
            holds all levels of an original (of signed images it counts from the lowest), or what the values of a
            floating-point one span; None where originals have several.
        unit: ``HU`` where every file says so, else ``''``: whatever each file's own values mean.
        max_abs_unit: largest |delta| of an image in that unit (levels times the file's slope).
        mean_abs_unit: mean |delta| of an image in that unit.
        regions: change in the body (of images in HU) and in marked regions, over all images.
    """

    images: int
    unchanged_images: int
    incomparable_images: int
    max_abs_levels: Spread | None
    mean_abs_levels: Spread | None
    changed_share: Spread | None
    psnr_db: Spread | None
    ssim: Spread | None
    full_scale: float | None
    unit: str = ""
    max_abs_unit: Spread | None = None
    mean_abs_unit: Spread | None = None
    regions: tuple[RegionChange, ...] = ()


def measure_fidelity(
    release: Source,
    clean: Source,
    pairs: Sequence[tuple[int, int]],
    *,
    labels: Callable[[int], NDArray[np.integer] | None] | None = None,
    label_names: Mapping[int, str] | None = None,
) -> Fidelity:
    """Compare every released image with its original.

    Args:
        release: the released images.
        clean: their originals.
        pairs: (index in release, index in clean).
        labels: gives for an index of ``clean`` a label volume on the image's grid, ``(*space)``, or None.
        label_names: names of its numbers.

    Raises:
        SourceError: an image cannot be read.
        ValueError: labels lie on another grid than their image.
    """
    comparable = [pair for pair in pairs if release.shape(pair[0]) == clean.shape(pair[1])]
    columns: dict[str, list[float]] = {name: [] for name in (*Differences.__dataclass_fields__, "psnr", "ssim")}
    regions, units, scales = [], set(), set()
    for part in _batches(clean, comparable):
        released = np.stack([release.read(one) for one, _ in part])
        original = np.stack([clean.read(one) for _, one in part])
        full_scales = [_full_scale(one) for one in original]
        scales.update(full_scales)
        for at, (_, index) in enumerate(part):
            view = clean.view(index)
            marked = None if labels is None else labels(index)
            found = difference_of(released[at], original[at], view)
            for name, value in vars(found).items():
                columns[name].append(value)
            columns["psnr"].append(found.psnr_db(full_scales[at]))
            regions.append(region_changes(released[at], original[at], view, labels=marked, names=label_names))
            units.add(view.unit)
        for scale in set(full_scales):
            alike = np.array(full_scales) == scale
            columns["ssim"] += ssim(released[alike], original[alike], peak=scale).tolist()
    return Fidelity(
        images=len(comparable),
        unchanged_images=sum(one == 0 for one in columns["max_abs"]),
        incomparable_images=len(pairs) - len(comparable),
        max_abs_levels=_spread(columns["max_abs"]),
        mean_abs_levels=_spread(columns["mean_abs"]),
        changed_share=_spread(columns["changed_share"]),
        psnr_db=_spread(columns["psnr"]),
        ssim=_spread(columns["ssim"]),
        full_scale=scales.pop() if len(scales) == 1 else None,
        unit=units.pop() if len(units) == 1 else "",
        max_abs_unit=_spread(columns["max_abs_unit"]),
        mean_abs_unit=_spread(columns["mean_abs_unit"]),
        regions=merge_regions(regions),
    )


def _full_scale(image: StoredValues) -> float:
    lowest, brightest = image.min(), image.max()
    if is_floating(image.dtype):
        return float(brightest) - float(lowest) or 1.0
    return float(2 ** (max(int(brightest), 255) - min(int(lowest), 0)).bit_length() - 1)


def _batches(clean: Source, pairs: Sequence[tuple[int, int]]) -> Iterator[Sequence[tuple[int, int]]]:
    """Yield neighbouring pairs of one shape and type, so many as are small together."""
    start = 0
    while start < len(pairs):
        first = pairs[start][1]
        most = min(_LARGEST_BATCH, max(1, _LARGEST_BATCH_VALUES // math.prod(clean.shape(first))))
        stop = start + 1
        while stop < min(len(pairs), start + most) and _alike(clean, first, pairs[stop][1]):
            stop += 1
        yield pairs[start:stop]
        start = stop


def _alike(source: Source, one: int, other: int) -> bool:
    # Stacked with floats, integers would become floats too.
    return source.shape(one) == source.shape(other) and source.dtype(one) == source.dtype(other)


def _spread(values: Sequence[float]) -> Spread | None:
    finite = [one for one in values if np.isfinite(one)]
    return Spread(float(min(finite)), float(np.median(finite)), float(max(finite))) if finite else None
