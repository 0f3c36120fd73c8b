"""One look at every image before anything is computed: readable, of one depth, and how its levels spread."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources import Progress, Source

__all__ = ["IntensityRange", "survey"]

_LOW_PERCENTILE, _HIGH_PERCENTILE = 0.5, 99.5


@dataclass(frozen=True)
class IntensityRange:
    """Levels of a source.

    Attributes:
        low_level: smallest level that a stored pixel can have.
        high_level: largest level that a stored pixel can have.
        window_low_level: lower end of the window that a network looks through.
        window_high_level: upper end of that window; a radius given as a fraction is of the window's width.
        data_sha256: hash of every image's id, label, shape and pixels.
    """

    low_level: int
    high_level: int
    window_low_level: float
    window_high_level: float
    data_sha256: str

    @property
    def window_width_levels(self) -> float:
        """Width of the window."""
        return self.window_high_level - self.window_low_level


def survey(source: Source, *, progress: Progress | None = None) -> IntensityRange:
    """Read every image once.

    For 8-bit images the window is the full scale, 0 to 255. Deeper files rarely use their full scale, so theirs is
    the robust range: percentiles 0.5 and 99.5 of all foreground pixels (level above 0) of the source.

    Args:
        source: the images.
        progress: called with (images done, all images).

    Raises:
        SourceError: an image cannot be read, the images are of different integer types, or all of one level.
    """
    content = hashlib.sha256()
    dtype = source.dtype(0)
    counts = np.zeros(np.iinfo(dtype).max + 1, dtype=np.int64)
    for index, sample in enumerate(source):
        if sample.image.dtype != dtype:
            raise SourceError(
                f"{sample.sample_id}: is {sample.image.dtype}, {source.sample_ids[0]} is {dtype}. Images of one "
                "release need one depth, because a radius in levels means another thing for each: protect them apart."
            )
        counts += np.bincount(sample.image.ravel(), minlength=len(counts))
        content.update(f"{sample.sample_id}|{sample.label.tolist()}|{sample.image.shape}|".encode())
        content.update(np.ascontiguousarray(sample.image).tobytes())
        if progress is not None:
            progress(index + 1, len(source))
    top = int(np.iinfo(dtype).max)
    low, high = (0.0, float(top)) if dtype == np.uint8 else _robust_range(counts)
    if not low < high:
        raise SourceError(
            f"{source.path}: the foreground of every image has level {low:g}; there is nothing to protect."
        )
    return IntensityRange(0, top, low, high, content.hexdigest())


def _robust_range(counts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[float, float]:
    foreground = counts.copy()
    foreground[0] = 0
    cumulative = np.cumsum(foreground)
    if cumulative[-1] == 0:
        return 0.0, 0.0
    low, high = (
        float(np.searchsorted(cumulative, cumulative[-1] * p / 100)) for p in (_LOW_PERCENTILE, _HIGH_PERCENTILE)
    )
    return low, high
