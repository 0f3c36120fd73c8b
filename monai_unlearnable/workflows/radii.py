"""From a radius as people write it to the budget of each image, and back to words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from monai_unlearnable.budgets import AnyBudget, Budget, LinfBudget, Radius, combine_budgets, parse_radius
from monai_unlearnable.budgets.intensity import RadiusUnit
from monai_unlearnable.errors import BudgetError
from monai_unlearnable.release import ReleaseBudget, ReleaseBudgets
from monai_unlearnable.workflows.intensity import ImageLevels, SourceLevels

__all__ = ["RadiusSpan", "describe_radii", "make_budget", "make_budgets", "release_budgets"]


def make_budgets(radius: str | float, levels: SourceLevels, norm: type[Budget] = LinfBudget) -> AnyBudget:
    """Turn a radius as people write it into the one budget that all images have, or a budget for each.

    Raises:
        BudgetError: the radius is not understood, or does not go with an image; names the first such image and says how
            many there are.
    """
    parsed = parse_radius(radius)
    budgets: dict[str, Budget] = {}
    errors: list[BudgetError] = []
    for image in levels.images:
        try:
            budgets[image.sample_id] = _budget(parsed, image, norm)
        except BudgetError as error:
            errors.append(error)
    if errors:
        more = f" {len(errors) - 1} more of {len(levels.images)} images are refused too." if len(errors) > 1 else ""
        raise BudgetError(f"{errors[0]}{more}") from errors[0]
    return combine_budgets(budgets)


def make_budget(radius: str | float, image: ImageLevels, norm: type[Budget] = LinfBudget) -> Budget:
    """Turn a radius as people write it into the budget of one image.

    A fraction is of the image's full scale (8 bit) or of its robust range (deeper). HU are divided by the size of its
    levels. For L2 a fraction is of the range too: ``1.0`` is the length of one pixel changed over the whole range.

    Raises:
        BudgetError: the radius is not understood, is below one level of this image, or in HU where it has none.
    """
    return _budget(parse_radius(radius), image, norm)


def _budget(radius: Radius, image: ImageLevels, norm: type[Budget]) -> Budget:
    if radius.unit is RadiusUnit.FRACTION and not image.range_levels:
        raise BudgetError(
            f"{image.sample_id}: radius {radius}: the image has no range, because all that is no padding or background "
            "has one level. Give a radius in levels, or take the file out."
        )
    hu_size = image.level_size if image.unit == "HU" else None
    try:
        levels = radius.levels(range_levels=image.range_levels, level_size_hu=hu_size)
        if not math.isfinite(levels * image.level_size):
            raise BudgetError(
                f"{float(levels):g} levels of {image.level_size:g} each are no number that can be told. Its rescale "
                "slope is damaged; take the file out."
            )
        return norm(radius_levels=levels, low_level=image.low_level, high_level=image.high_level)
    except BudgetError as error:
        raise BudgetError(f"{image.sample_id}: {error}") from error


def release_budgets(budgets: AnyBudget, levels: SourceLevels, *, radius_given: str) -> ReleaseBudgets:
    """Return the budget of each image in plain numbers, in levels and in its file's unit."""
    plain = {
        one.sample_id: ReleaseBudget.from_description(
            budgets.of([one.sample_id]).describe(),
            stored_level_size=one.stored_level_size,
            level_size=one.level_size,
            unit=one.unit,
        )
        for one in levels.images
    }
    return ReleaseBudgets.of_images(plain, radius_given=radius_given)


@dataclass(frozen=True, kw_only=True)
class RadiusSpan:
    """Smallest and largest radius of the images of a run.

    Attributes:
        levels: in levels.
        unit_sizes: in the unit of the files, as their headers scale what they store.
        unit: ``HU`` where all files say so, else ''.
        range_shares: as shares of the images' ranges, in [0, 1] and above; None where an image has no range.
    """

    levels: tuple[float, float]
    unit_sizes: tuple[float, float]
    unit: str
    range_shares: tuple[float, float] | None

    @classmethod
    def of(cls, budgets: AnyBudget, levels: SourceLevels) -> RadiusSpan:
        """Collect them."""
        radii = [_radius_of(budgets, one) for one in levels.images]
        pairs = list(zip(radii, levels.images, strict=True))
        units = {one.unit for one in levels.images}
        has_ranges = all(one.range_levels for one in levels.images)
        return cls(
            levels=_span(radii),
            unit_sizes=_span([radius * one.level_size for radius, one in pairs]),
            unit=units.pop() if len(units) == 1 else "",
            range_shares=_span([radius / one.range_levels for radius, one in pairs]) if has_ranges else None,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)


def describe_radii(span: RadiusSpan, *, norm: str) -> str:
    """Say in words how large the radii are, in levels and, where that is another number, in the files' unit.

    Example:
        >>> same = RadiusSpan(levels=(8.0, 8.0), unit_sizes=(8.0, 8.0), unit="", range_shares=(0.03137, 0.03137))
        >>> describe_radii(same, norm="linf")
        '8 levels'
        >>> several = RadiusSpan(levels=(11.0, 27.5), unit_sizes=(11.0, 55.0), unit="HU", range_shares=(0.03, 0.04))
        >>> describe_radii(several, norm="linf")
        '11 to 27.5 levels, 11 to 55 HU (3 to 4 % of the range of each image)'
    """
    text = f"{_words(span.levels)} level{'' if span.levels == (1, 1) else 's'}"
    if span.unit or span.unit_sizes != span.levels:
        text += f", {_words(span.unit_sizes)} {span.unit or 'in the unit of the files'}"
    shares = span.range_shares
    if (
        norm == LinfBudget.norm_name
        and shares is not None
        and (span.levels[0] != span.levels[1] or shares[0] != shares[1])
    ):
        text += f" ({_words((100 * shares[0], 100 * shares[1]), digits=2)} % of the range of each image)"
    return text


def _words(pair: tuple[float, float], *, digits: int = 4) -> str:
    low, high = (f"{one:.{digits}g}" if one < 10**digits else f"{one:.0f}" for one in pair)
    return low if low == high else f"{low} to {high}"


def _radius_of(budgets: AnyBudget, image: ImageLevels) -> float:
    radius = budgets.of([image.sample_id]).radius_levels
    return float(radius)


def _span(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)
