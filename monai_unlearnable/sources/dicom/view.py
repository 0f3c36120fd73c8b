"""How a DICOM image is shown: rescaled values, pixel spacing, its place in the patient, MONOCHROME1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from monai_unlearnable.sources.dicom.rescale import frame_groups, read_linear_rescale, read_rescale
from monai_unlearnable.sources.image_view import ImageView, Placement, place

__all__ = ["SliceView", "read_frames_view", "read_slice_view", "series_view"]

_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")


@dataclass(frozen=True, kw_only=True)
class SliceView:
    """How one slice of a series is shown.

    Attributes:
        slope: size of a level with its sign, in ``unit``.
        intercept: value of level 0.
        inverted: the smallest value is white.
    """

    slope: float
    intercept: float
    inverted: bool


def read_slice_view(dataset: Dataset) -> SliceView:
    """Read the view of a file with one frame; what cannot be understood is left out.

    Raises:
        ValueError: a slope is no number, zero or not finite.
    """
    slope, intercept = read_linear_rescale(dataset, frames=1)[0]
    return SliceView(slope=slope, intercept=intercept, inverted=_inverted(dataset))


def read_frames_view(dataset: Dataset, *, frames: int) -> ImageView:
    """Read the view of one file, of one frame or several.

    Raises:
        ValueError: a slope is no number, zero or not finite.
    """
    linear = read_linear_rescale(dataset, frames=frames)
    return ImageView(
        slopes=_merged([one for one, _ in linear], frames),
        intercepts=_merged([one for _, one in linear], frames),
        unit=read_rescale(dataset, frames=frames).unit,
        inverted=_inverted(dataset),
        placement=_placement(dataset, frames=frames),
    )


def series_view(slices: Sequence[SliceView], *, unit: str, affine: NDArray[np.float64] | None) -> ImageView:
    """Join the views of slices that lie in their order.

    Args:
        slices: the slices.
        unit: unit of all of them.
        affine: ``(4, 4)``, from indices to millimetres; None where the slices do not say where they lie.
    """
    return ImageView(
        slopes=tuple(one.slope for one in slices),
        intercepts=tuple(one.intercept for one in slices),
        unit=unit,
        inverted=slices[0].inverted,
        placement=None if affine is None else place(affine[:3, :3].T),
    )


def _merged(numbers: list[float], frames: int) -> tuple[float, ...]:
    """One frame is no axis of space, so it has one number only."""
    return tuple(numbers) if frames > 1 else tuple(numbers[:1])


def _inverted(dataset: Dataset) -> bool:
    return str(dataset.get("PhotometricInterpretation", "")).strip() == "MONOCHROME1"


def _placement(dataset: Dataset, *, frames: int) -> Placement | None:
    groups = frame_groups(dataset, frames=frames)
    measures = _first(groups[0], "PixelMeasuresSequence") or dataset
    plane = _first(groups[0], "PlaneOrientationSequence") or dataset
    spacing, orientation = _spacing(measures), _numbers(plane, "ImageOrientationPatient", 6)
    if spacing is None:
        return None
    directed = orientation is not None
    row, column = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]) if orientation is None else (orientation[:3], orientation[3:])
    steps = [spacing[0] * np.array(column), spacing[1] * np.array(row)]
    if frames == 1:
        return place(steps, directed=directed)
    ends = [_numbers(_first(groups[at], "PlanePositionSequence"), "ImagePositionPatient", 3) for at in (0, -1)]
    if ends[0] is None or ends[1] is None or not directed:
        return None
    return place([(np.array(ends[1]) - np.array(ends[0])) / (frames - 1), *steps])


def _first(groups: Sequence[Dataset], keyword: str) -> Dataset | None:
    for group in groups:
        for item in group.get(keyword) or ():
            return item if isinstance(item, Dataset) else None
    return None


def _spacing(dataset: Dataset) -> tuple[float, float] | None:
    for keyword in _SPACINGS:
        found = _numbers(dataset, keyword, 2)
        if found is not None and min(found) > 0:
            return found[0], found[1]
    return None


def _numbers(dataset: Dataset | None, keyword: str, count: int) -> list[float] | None:
    value: Any = None if dataset is None else dataset.get(keyword)
    try:
        numbers = [float(one) for one in value]
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == count and bool(np.isfinite(numbers).all()) else None
