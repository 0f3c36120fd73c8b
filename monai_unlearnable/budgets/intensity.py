"""Radii as people write them, turned into levels."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from monai_unlearnable.errors import BudgetError

__all__ = ["Radius", "RadiusUnit", "parse_radius"]


class RadiusUnit(str, Enum):
    """What a radius counts."""

    FRACTION = "fraction"
    LEVEL = "level"
    HU = "HU"


_UNITS = {"": RadiusUnit.FRACTION, "level": RadiusUnit.LEVEL, "levels": RadiusUnit.LEVEL, "hu": RadiusUnit.HU}
# As many digits as a float writes; more of them, or a large exponent, would only cost memory.
_NUMBER = r"(\d{1,20}(?:\.\d{1,20})?(?:[eE][+-]?\d{1,2})?)"
_PATTERN = re.compile(rf"\s*{_NUMBER}\s*(?:/\s*{_NUMBER})?\s*([A-Za-z]*)\s*", re.ASCII)


@dataclass(frozen=True)
class Radius:
    """A radius with its unit.

    Attributes:
        value: the number, exact.
        unit: a fraction of the image's intensity range, whole levels of the file, or Hounsfield units.

    Example:
        >>> parse_radius("8/255").levels(range_levels=255)
        8.0
        >>> parse_radius("8/255").levels(range_levels=65535)
        2056.0
        >>> parse_radius("10 HU").levels(range_levels=4095, level_size_hu=0.5)
        20.0
    """

    value: Fraction
    unit: RadiusUnit

    def levels(self, *, range_levels: float, level_size_hu: float | None = None) -> float:
        """Return the radius in levels.

        Args:
            range_levels: width of the intensity range that a fraction is of, in levels (255 for 8-bit images; 0 for an
                image of one level).
            level_size_hu: size of one level in HU (a CT's RescaleSlope); None where the file has no HU.

        Raises:
            BudgetError: the radius is smaller than one level, or is in HU where a level has no size in HU.
        """
        if self.unit is RadiusUnit.HU and level_size_hu is None:
            raise BudgetError(f"radius {self}: these images have no rescale to HU. Use levels or a fraction.")
        if level_size_hu is not None and not (math.isfinite(level_size_hu) and level_size_hu):
            raise BudgetError(f"level_size_hu={level_size_hu}: a level has a finite size in HU other than 0.")
        if self.unit is RadiusUnit.HU and level_size_hu is not None:
            levels = float(self.value / Fraction(abs(level_size_hu)))
        elif self.unit is RadiusUnit.FRACTION:
            levels = float(self.value * Fraction(range_levels))
        else:
            levels = float(self.value)
        if levels < 1:
            smallest = ""
            if range_levels:
                smallest = f"{float(1 / Fraction(range_levels)):.3g} of the range (1/{range_levels:g}), which is "
            raise BudgetError(
                f"radius {self} is {levels:.3g} levels of a range of {range_levels:g}: smaller than one level, so "
                f"nothing could be written. The smallest radius here is {smallest}1 level."
            )
        return levels

    def __str__(self) -> str:
        value = str(self.value) if self.value.denominator in (1,) else f"{float(self.value):.6g}"
        return {RadiusUnit.FRACTION: f"{value} of the range", RadiusUnit.LEVEL: f"{value} level"}.get(
            self.unit, f"{value} HU"
        )


def parse_radius(text: str | float) -> Radius:
    """Read ``8/255`` (fraction of the intensity range), ``0.03``, ``8 levels`` or ``10 HU``.

    Raises:
        BudgetError: the text is no radius, is not positive, or is a fraction above 1.
    """
    match = _PATTERN.fullmatch(str(text))
    unit = _UNITS.get(match.group(3).lower()) if match else None
    if match is None or unit is None:
        raise BudgetError(f"radius {str(text)!r} is not understood. Write 8/255, 0.03, '8 levels' or '10 HU'.")
    denominator = Fraction(match.group(2) or 1)
    if denominator == 0:
        raise BudgetError(f"radius {str(text)!r} divides by {match.group(2)}.")
    value = Fraction(match.group(1)) / denominator
    if value <= 0:
        raise BudgetError(f"radius {str(text)!r} must be greater than 0.")
    if unit is RadiusUnit.FRACTION and value > 1:
        levels = match.group(1)
        raise BudgetError(
            f"radius {str(text)!r} is more than the whole intensity range, of which a number without a unit is a "
            f"fraction. For so many levels write '{levels} levels', or {levels}/255 where the range is 255."
        )
    return Radius(value, unit)
