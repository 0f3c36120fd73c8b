"""How large one level is in the file's own unit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

__all__ = ["Rescale", "frame_groups", "read_linear_rescale", "read_rescale"]


@dataclass(frozen=True)
class Rescale:
    """Size and unit of a level.

    Attributes:
        level_sizes: for each frame the size of a level, in ``unit``, above zero.
        unit: ``HU`` where the file says so, else ``''``.
    """

    level_sizes: tuple[float, ...]
    unit: str

    @property
    def level_size(self) -> float:
        """The largest of :attr:`level_sizes`: a radius divided by it is a budget that no frame exceeds."""
        return max(self.level_sizes)


def read_rescale(dataset: Dataset, *, frames: int) -> Rescale:
    """Read ``RescaleSlope`` of the image, or of each frame of an enhanced multi-frame image.

    A CT with rescale attributes is in HU unless ``RescaleType`` says otherwise. Where a lookup table stands for the
    rescale attributes (``ModalityLUTSequence``) a level has no fixed size: 1.0 without unit.

    Raises:
        ValueError: a slope is no number, zero or not finite.
    """
    shared = _transformation(_items(dataset, "SharedFunctionalGroupsSequence")[:1])
    groups = _items(dataset, "PerFrameFunctionalGroupsSequence")
    sizes, units = [], set()
    for frame in range(frames):
        found = _transformation(groups[frame : frame + 1]) or shared or dataset
        sizes.append(_level_size(found))
        units.add(_unit(found, str(dataset.get("Modality", ""))))
    return Rescale(tuple(sizes), units.pop() if len(units) == 1 else "")


def frame_groups(dataset: Dataset, *, frames: int) -> tuple[tuple[Dataset, ...], ...]:
    """Return for each frame where its functional groups stand: its own first, then those that all frames share."""
    shared, own = (_items(dataset, f"{whose}FunctionalGroupsSequence") for whose in ("Shared", "PerFrame"))
    return tuple((*own[frame : frame + 1], *shared[:1]) for frame in range(frames))


def read_linear_rescale(dataset: Dataset, *, frames: int) -> tuple[tuple[float, float], ...]:
    """Read for each frame ``RescaleSlope`` with its sign and ``RescaleIntercept``; 1.0 and 0.0 where there are none.

    Raises:
        ValueError: a slope is no number, zero or not finite.
    """
    found = []
    for groups in frame_groups(dataset, frames=frames):
        source = _transformation(groups) or dataset
        size = _level_size(source)
        negative = source.get("RescaleSlope") not in (None, "") and float(source.RescaleSlope) < 0
        found.append((-size if negative else size, _intercept(source)))
    return tuple(found)


def _intercept(dataset: Dataset) -> float:
    try:
        value = float(dataset.get("RescaleIntercept") or 0)
    except (TypeError, ValueError):
        return 0.0
    return value if math.isfinite(value) else 0.0


def _items(dataset: Dataset, keyword: str) -> Sequence[Dataset]:
    return dataset.get(keyword) or ()


def _transformation(groups: Sequence[Dataset]) -> Dataset | None:
    for group in groups:
        for item in _items(group, "PixelValueTransformationSequence")[:1]:
            return item
    return None


def _level_size(dataset: Dataset) -> float:
    value = dataset.get("RescaleSlope")
    if value is None or value == "":
        return 1.0
    try:
        size = abs(float(value))
    except (TypeError, ValueError) as error:
        raise ValueError(f"RescaleSlope is {str(value)[:60]!r}; it must be one number.") from error
    if not math.isfinite(size) or size == 0:
        raise ValueError(f"RescaleSlope is {value}; it must be finite and not zero.")
    return size


def _unit(dataset: Dataset, modality: str) -> str:
    slope, kind = dataset.get("RescaleSlope"), str(dataset.get("RescaleType") or "").strip()
    if slope is None or slope == "":
        return ""
    return "HU" if kind == "HU" or (modality.strip() == "CT" and kind == "") else ""
