"""How much the values of an image changed in the body, and in each region that somebody marked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.audit.distances import absolute_difference
from monai_unlearnable.audit.windows import BODY_HU, HU
from monai_unlearnable.sources.image_view import ImageView
from monai_unlearnable.types import StoredValues

__all__ = ["RegionChange", "merge_regions", "region_changes"]

_BODY_NUMBER = -1


@dataclass(frozen=True)
class RegionChange:
    """How much one region changed, in the file's own unit.

    Attributes:
        name: what it is.
        voxels: how many values it has.
        mean_abs: mean |delta| over them.
        max_abs: largest |delta| of them.
    """

    name: str
    voxels: int
    mean_abs: float
    max_abs: float


def region_changes(
    released: StoredValues,
    clean: StoredValues,
    view: ImageView,
    *,
    labels: NDArray[np.integer] | None = None,
    names: Mapping[int, str] | None = None,
) -> tuple[RegionChange, ...]:
    """Measure the body of a CT in HU (what is above -500 HU in the original), and every labelled region.

    Args:
        released: stored integers, ``(channel, *space)``.
        clean: those of the original, the same shape.
        view: what a level is in the file's own unit.
        labels: ``(*space)``, a number for each voxel on the same grid; 0 is no region.
        names: names of the numbers (default: ``label 1``, ...).

    Returns:
        The body first (only of images in HU), then the labels in ascending order. Empty regions are left out.

    Raises:
        ValueError: the labels lie on another grid, or one is below 0.

    Example:
        >>> clean, view = np.array([[[0, 40], [60, -900]]]), ImageView(slopes=(2.0,), unit="HU")
        >>> labels = np.array([[0, 7], [7, 0]])
        >>> for one in region_changes(clean + [[[1, 2], [-4, 9]]], clean, view, labels=labels):
        ...     print(one.name, one.voxels, round(one.mean_abs, 2), one.max_abs)
        whole body (above -500 HU) 3 4.67 8.0
        label 7 2 6.0 8.0
    """
    if labels is not None and labels.shape != clean.shape[1:]:
        raise ValueError(f"labels are of shape {labels.shape}, the image's grid is {clean.shape[1:]}.")
    if labels is not None and labels.min() < 0:
        raise ValueError(f"labels go down to {labels.min()}; 0 is no region and every region has a number above it.")
    slope, intercept = view.scale(clean.shape)
    tally = _Tally()
    for at in range(clean.shape[1]):  # volumes are large, so one slice after the other
        change = absolute_difference(released[:, at], clean[:, at]) * np.abs(slope[:, at])
        if view.unit == HU:
            tally.add(_BODY_NUMBER, change[clean[:, at] * slope[:, at] + intercept[:, at] > BODY_HU])
        if labels is not None:
            for number in np.unique(labels[at]):
                if number:
                    tally.add(int(number), change[np.broadcast_to(labels[at] == number, change.shape)])
    known = {_BODY_NUMBER: f"whole body (above {BODY_HU:g} HU)", **(names or {})}
    return tuple(tally.change(one, known.get(one, f"label {one}")) for one in sorted(tally.voxels))


def merge_regions(images: Iterable[tuple[RegionChange, ...]]) -> tuple[RegionChange, ...]:
    """Join the regions of several images by name: the mean over all voxels, the largest of all.

    Example:
        >>> merge_regions([(RegionChange("liver", 1, 4.0, 4.0),), (RegionChange("liver", 3, 8.0, 9.0),)])
        (RegionChange(name='liver', voxels=4, mean_abs=7.0, max_abs=9.0),)
    """
    found: dict[str, list[RegionChange]] = defaultdict(list)
    for regions in images:
        for one in regions:
            found[one.name].append(one)
    merged = []
    for name, parts in found.items():
        voxels = sum(one.voxels for one in parts)
        mean = sum(one.mean_abs * one.voxels for one in parts) / voxels
        merged.append(RegionChange(name, voxels, mean, max(one.max_abs for one in parts)))
    return tuple(merged)


class _Tally:
    def __init__(self) -> None:
        self.voxels: dict[int, int] = defaultdict(int)
        self.sums: dict[int, float] = defaultdict(float)
        self.largest: dict[int, float] = defaultdict(float)

    def add(self, number: int, change: NDArray[np.float64]) -> None:
        if change.size:
            self.voxels[number] += change.size
            self.sums[number] += float(change.sum())
            self.largest[number] = max(self.largest[number], float(change.max()))

    def change(self, number: int, name: str) -> RegionChange:
        return RegionChange(name, self.voxels[number], self.sums[number] / self.voxels[number], self.largest[number])
