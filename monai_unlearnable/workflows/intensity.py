"""One look at every image before anything is computed: readable, of one depth, and how its levels spread."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from monai_unlearnable.budgets import Budget, LinfBudget, parse_radius
from monai_unlearnable.budgets.intensity import RadiusUnit
from monai_unlearnable.errors import BudgetError, SourceError
from monai_unlearnable.sources import Progress, Sample, Source
from monai_unlearnable.workflows.file_facts import FileFacts, read_file_facts
from monai_unlearnable.workflows.level_counts import LevelCounts

__all__ = ["IntensityRange", "make_budget", "survey"]


@dataclass(frozen=True)
class IntensityRange:
    """Levels of a source.

    Attributes:
        low_level: smallest level that a stored pixel of every file can have.
        high_level: largest level that a stored pixel of every file can have.
        window_low_level: lower end of the window that a network looks through.
        window_high_level: upper end of that window; a radius given as a fraction is of the window's width.
        data_sha256: hash of every image's id, label, shape and pixels.
        level_size_hu: size of one level in HU; None where not every file has the same.
        no_hu_reason: why not, with the name of an image; else ''.
    """

    low_level: int
    high_level: int
    window_low_level: float
    window_high_level: float
    data_sha256: str
    level_size_hu: float | None = None
    no_hu_reason: str = ""

    @property
    def window_width_levels(self) -> float:
        """Width of the window."""
        return self.window_high_level - self.window_low_level


def survey(source: Source, *, progress: Progress | None = None) -> IntensityRange:
    """Read every image once.

    The levels that a pixel can have are those that every header allows. For uint8 images the window is all of them, 0
    to 255. Deeper files rarely use their full scale, so theirs is the robust range: percentiles 0.5 and 99.5 of all
    foreground pixels of the source. Foreground is what lies above level 0 for unsigned images, and above the lowest
    level that occurs for signed ones and those in HU, where 0 is a level like any other. Padding does not count.

    Args:
        source: the images.
        progress: called with (images done, all images).

    Raises:
        SourceError: an image cannot be read, the images are of different integer types, have levels that not every
            file can hold, or are all of one level.
    """
    content = hashlib.sha256()
    dtype, facts = source.dtype(0), read_file_facts(source)
    counts = LevelCounts()
    for index, sample in enumerate(source):
        _check_image(source, sample, facts)
        hidden = source.untouchable(index)
        counts.add(sample.image if hidden is None else sample.image[~hidden])
        content.update(f"{sample.sample_id}|{sample.label.tolist()}|{sample.image.shape}|".encode())
        content.update(np.ascontiguousarray(sample.image).tobytes())
        if progress is not None:
            progress(index + 1, len(source))
    if not len(counts.levels):
        raise SourceError(f"{source.path}: every pixel of every image is padding; there is nothing to protect.")
    above = int(counts.levels[0]) if dtype.kind == "i" or facts.is_hu else 0
    full = (float(facts.low_level), float(facts.high_level))
    low, high = full if dtype == np.uint8 else counts.robust_range(above=above)
    if not low < high:
        raise SourceError(
            f"{source.path}: the foreground of every image has level {low:g}; there is nothing to protect."
        )
    return IntensityRange(
        facts.low_level, facts.high_level, low, high, content.hexdigest(), facts.level_size_hu, facts.no_hu_reason
    )


def make_budget(radius: str | float, levels: IntensityRange, norm: type[Budget] = LinfBudget) -> Budget:
    """Turn a radius as people write it into a budget of a source.

    For L2 a fraction is of the window's width too: ``1.0`` is the length of one pixel changed over the whole window.

    Raises:
        BudgetError: the radius is not understood, below one level, or in HU where not every file has the same HU.
    """
    parsed = parse_radius(radius)
    if parsed.unit is RadiusUnit.HU and levels.no_hu_reason:
        raise BudgetError(f"radius {parsed}: {levels.no_hu_reason}. Use levels or a fraction.")
    return norm(
        radius_levels=parsed.levels(range_levels=levels.window_width_levels, level_size_hu=levels.level_size_hu),
        low_level=levels.low_level,
        high_level=levels.high_level,
    )


def _check_image(source: Source, sample: Sample, facts: FileFacts) -> None:
    dtype = source.dtype(0)
    if sample.image.dtype != dtype:
        raise SourceError(
            f"{sample.sample_id}: is {sample.image.dtype}, {source.sample_ids[0]} is {dtype}. Images of one "
            "release need one depth, because a radius in levels means another thing for each: protect them apart."
        )
    low, high = int(sample.image.min()), int(sample.image.max())
    if low < facts.low_level or high > facts.high_level:
        raise SourceError(
            f"{sample.sample_id}: has levels {low} to {high}; {facts.low_level} to {facts.high_level} are what every "
            "file of the source can hold (of DICOM: BitsStored) and what is handled. Protect it apart."
        )
