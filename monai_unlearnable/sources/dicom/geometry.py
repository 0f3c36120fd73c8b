"""Put the slices of a series in order by where they lie in the patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.dicom.slices import SliceFacts

__all__ = ["SliceOrder", "order_slices"]

_SERIES = "SeriesInstanceUID"
_SAME_PLACE_MM = 1e-3
_SAME_DIRECTION = 1e-4
_EVEN_SPACING = 0.01


@dataclass(frozen=True)
class SliceOrder:
    """The slices of a series in their order.

    Attributes:
        slices: in order.
        positions_mm: for each slice how far along the normal it lies; None where InstanceNumber gave the order.
        notices: what is odd and no error, in whole sentences.
    """

    slices: tuple[SliceFacts, ...]
    positions_mm: tuple[float, ...] | None
    notices: tuple[str, ...]


def order_slices(slices: Sequence[SliceFacts], *, folder: Path) -> SliceOrder:
    """Order slices along the normal of their plane (row direction x column direction), ascending.

    Only where no file has a geometry the order is that of InstanceNumber. File names never count.

    Raises:
        SourceError: the files disagree in what one series shares, two lie in the same place, or nothing orders them.
    """
    first = slices[0]
    for other in slices[1:]:
        for (what, value), (_, other_value) in zip(first.same, other.same, strict=True):
            if value != other_value:
                held = f"The folder holds {_series_count(slices)} series. " if what == _SERIES else ""
                raise SourceError(
                    f"{folder}: {first.path.name} and {other.path.name} are not slices of one image: {what} is "
                    f"{value!r} and {other_value!r}. {held}Put each series into a folder of its own."
                )
    placed = [one.position is not None and one.orientation is not None for one in slices]
    if all(placed):
        return _by_position(slices, folder)
    if any(placed):
        raise SourceError(
            f"{folder}: {slices[placed.index(True)].path.name} says where it lies and "
            f"{slices[placed.index(False)].path.name} does not (ImagePositionPatient, ImageOrientationPatient). "
            "Take one kind out."
        )
    return _by_number(slices, folder)


def _series_count(slices: Sequence[SliceFacts]) -> int:
    return len({dict(one.same)[_SERIES] for one in slices})


def _by_position(slices: Sequence[SliceFacts], folder: Path) -> SliceOrder:
    directions, positions = _stacked(slices)
    for one, direction in zip(slices, directions, strict=True):
        if not np.allclose(direction, directions[0], rtol=0, atol=_SAME_DIRECTION):
            raise SourceError(
                f"{folder}: {slices[0].path.name} and {one.path.name} are not parallel: ImageOrientationPatient is "
                f"{directions[0].ravel().tolist()} and {direction.ravel().tolist()}. Take one kind out."
            )
    along = positions @ np.cross(*directions[0])
    order = np.argsort(along, kind="stable")
    gaps = np.diff(along[order])
    for index in np.flatnonzero(gaps < _SAME_PLACE_MM)[:1]:
        pair = [slices[order[index]], slices[order[index + 1]]]
        raise SourceError(
            f"{folder}: {pair[0].path.name} and {pair[1].path.name} lie in the same place "
            f"(ImagePositionPatient {positions[order[index]].tolist()} and {positions[order[index + 1]].tolist()}). "
            "Put each volume into a folder of its own."
        )
    ordered = tuple(slices[index] for index in order)
    return SliceOrder(ordered, tuple(float(one) for one in along[order]), _spacing_notices(ordered, gaps))


def _stacked(slices: Sequence[SliceFacts]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    directions = [one.orientation for one in slices if one.orientation is not None]
    return np.stack(directions), np.stack([one.position for one in slices if one.position is not None])


def _spacing_notices(ordered: Sequence[SliceFacts], gaps: NDArray[np.float64]) -> tuple[str, ...]:
    if len(gaps) == 0:
        return ()
    usual = float(np.median(gaps))
    odd = np.flatnonzero(np.abs(gaps - usual) > _EVEN_SPACING * usual)
    if len(odd) == 0:
        return ()
    at = odd[0]
    return (
        f"Slices are not evenly spaced: {len(odd)} of {len(gaps)} gaps differ from {usual:.4g} mm, the first is "
        f"{gaps[at]:.4g} mm between {ordered[at].path.name} and {ordered[at + 1].path.name}. Slices may be missing.",
    )


def _by_number(slices: Sequence[SliceFacts], folder: Path) -> SliceOrder:
    numbers: dict[int, SliceFacts] = {}
    for one in slices:
        if one.instance_number is None:
            raise SourceError(
                f"{folder}: {one.path.name} has neither a place (ImagePositionPatient, ImageOrientationPatient) "
                "nor an InstanceNumber, so its place in the series is unknown. Take it out."
            )
        if one.instance_number in numbers:
            raise SourceError(
                f"{folder}: {numbers[one.instance_number].path.name} and {one.path.name} both have InstanceNumber "
                f"{one.instance_number} and no place in the patient, so their order is unknown. Take one out."
            )
        numbers[one.instance_number] = one
    notice = "No slice says where it lies in the patient; InstanceNumber gives the order."
    notices = () if len(slices) == 1 else (notice,)
    return SliceOrder(tuple(numbers[number] for number in sorted(numbers)), None, notices)
