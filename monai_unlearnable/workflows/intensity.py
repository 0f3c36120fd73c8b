"""One look at every image before anything is computed: readable, what its levels are, and how they spread."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources import Progress, Sample, Source
from monai_unlearnable.sources.dicom import DicomHeader
from monai_unlearnable.sources.float_levels import FloatValues, level_size_of
from monai_unlearnable.sources.image_file import ImageHeader
from monai_unlearnable.sources.intensity import intensity_window
from monai_unlearnable.sources.stored_levels import is_floating, whole_levels
from monai_unlearnable.types import StoredArray, StoredValues

__all__ = ["ImageLevels", "SourceLevels", "survey"]

_LARGEST_EXACT_LEVEL = 1 << 24
"""Deltas are computed in float32, which has every whole number up to here."""


@dataclass(frozen=True, kw_only=True)
class ImageLevels:
    """Levels of one image.

    Attributes:
        sample_id: which image.
        low_level: smallest level that a stored pixel can have.
        high_level: largest level that a stored pixel can have.
        window_low_level: lower end of the window that a network looks through.
        window_high_level: upper end of that window.
        range_levels: width of what a radius given as a fraction is of: the window's, or 0 where all is one level.
        stored_level_size: what one level adds to a stored value: 1 for integers.
        level_size: size of one level in ``unit`` (a CT's RescaleSlope, a NIfTI's scl_slope); where slices of a series
            have several, the largest.
        unit: ``HU`` where the file says so, else ''.
    """

    sample_id: str
    low_level: int
    high_level: int
    window_low_level: float
    window_high_level: float
    range_levels: float
    stored_level_size: float = 1.0
    level_size: float = 1.0
    unit: str = ""

    @property
    def window_levels(self) -> tuple[float, float]:
        """Lower and upper end of the window."""
        return self.window_low_level, self.window_high_level


@dataclass(frozen=True, kw_only=True)
class SourceLevels:
    """Levels of every image of a source.

    Attributes:
        images: one for each image, in the source's order.
        data_sha256: hash of every image's id, label, shape and pixels.
    """

    images: tuple[ImageLevels, ...]
    data_sha256: str

    @property
    def common_window_levels(self) -> tuple[float, float] | None:
        """The window that all images have; None where they have several."""
        windows = {one.window_levels for one in self.images}
        return windows.pop() if len(windows) == 1 else None

    @property
    def windows_levels(self) -> tuple[tuple[float, float], ...] | None:
        """The window of each image; None where all have the same."""
        return None if self.common_window_levels is not None else tuple(one.window_levels for one in self.images)

    @property
    def stored_level_sizes(self) -> tuple[float, ...]:
        """What one level adds to a stored value of each image."""
        return tuple(one.stored_level_size for one in self.images)


def survey(source: Source, *, level_size: float | None = None, progress: Progress | None = None) -> SourceLevels:
    """Read every image once, and find out what its levels are.

    The window is that of :func:`~monai_unlearnable.sources.intensity.intensity_window`: the full scale of 8-bit images,
    the robust range of each deeper one. An image of one level is looked at over all levels that its file can hold.

    Args:
        source: the images.
        level_size: what one level adds to a stored value of floating-point images; None for 1, which only those have
            that hold whole numbers.
        progress: called with (images done, all images).

    Raises:
        SourceError: an image cannot be read, holds levels that its file or this package cannot hold, or floats that are
            not whole and no level size is given; a level size is given and no image is floating-point; or every image
            shows one level only.
    """
    if level_size is not None and not any(is_floating(source.dtype(index)) for index in range(len(source))):
        raise SourceError(
            f"{source.path}: a level size of {level_size:g} is given, but no image is floating-point: a level of whole "
            "numbers is 1. Leave the level size out."
        )
    content = hashlib.sha256()
    images: list[ImageLevels] = []
    for index, sample in enumerate(source):
        images.append(_look(source, index, sample.image, level_size))
        content.update(f"{sample.sample_id}|{_label_text(sample)}|{sample.image.shape}|".encode())
        content.update(np.ascontiguousarray(sample.image).tobytes())
        if progress is not None:
            progress(index + 1, len(source))
    if not any(one.range_levels for one in images):
        raise SourceError(
            f"{source.path}: every image is padding, or its foreground has one level; there is nothing to protect."
        )
    return SourceLevels(images=tuple(images), data_sha256=content.hexdigest())


def _label_text(sample: Sample) -> str:
    """Return the label, or the hash of a mask."""
    if sample.label.ndim > 1:
        return hashlib.sha256(np.ascontiguousarray(sample.label, dtype="<i8").tobytes()).hexdigest()
    return str(sample.label.tolist())


def _look(source: Source, index: int, image: StoredValues, asked: float | None) -> ImageLevels:
    sample_id, header = source.sample_ids[index], source.header(index)
    size = 1.0
    if is_floating(image.dtype):
        size = level_size_of(cast(FloatValues, image), asked=asked, where=sample_id)
        _check_exact(image, size, sample_id)
    levels = whole_levels(image, level_size=size)
    low, high = _range(header)
    _check_inside(levels, low, high, sample_id)
    window = intensity_window(levels, header, hidden=source.untouchable(index))
    window_low, window_high = (float(low), float(high)) if window is None else window
    return ImageLevels(
        sample_id=sample_id,
        low_level=low,
        high_level=high,
        window_low_level=window_low,
        window_high_level=window_high,
        range_levels=0.0 if window is None else window_high - window_low,
        stored_level_size=size,
        level_size=size * max(_level_sizes(header)),
        unit=header.unit,
    )


def _range(header: ImageHeader) -> tuple[int, int]:
    return max(header.low_level, -_LARGEST_EXACT_LEVEL), min(header.high_level, _LARGEST_EXACT_LEVEL)


def _level_sizes(header: ImageHeader) -> Sequence[float]:
    return header.level_sizes if isinstance(header, DicomHeader) else (header.level_size,)


def _check_exact(values: StoredValues, level_size: float, sample_id: str) -> None:
    largest = float(np.abs(values.astype(np.float64)).max())
    if largest / level_size >= _LARGEST_EXACT_LEVEL:
        raise SourceError(
            f"{sample_id}: holds values up to {largest:g} in size, which are {largest / level_size:.3g} levels of "
            f"{level_size:g}; {_LARGEST_EXACT_LEVEL - 1} are handled. Give a level size of at least "
            f"{2 * largest / _LARGEST_EXACT_LEVEL:.2g}, or take the file out."
        )


def _check_inside(levels: StoredArray, low: int, high: int, sample_id: str) -> None:
    lowest, highest = int(levels.min()), int(levels.max())
    if lowest < low or highest > high:
        raise SourceError(
            f"{sample_id}: has levels {lowest} to {highest}; {low} to {high} are what its file can hold (of DICOM: "
            "BitsStored) and what is handled. Take it out."
        )
