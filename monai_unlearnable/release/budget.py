"""The budget of a released image in plain numbers, and its proof in whole levels.

Nothing here uses the budgets that the deltas were made with: what is proved from the files is proved independently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.errors import ReleaseError
from monai_unlearnable.release.slabs import slabs
from monai_unlearnable.sources.stored_levels import is_floating, whole_levels
from monai_unlearnable.types import StoredValues

__all__ = ["NORMS", "ReleaseBudget", "Span", "largest_level"]

NORMS = ("linf", "l2")


@dataclass(frozen=True)
class Span:
    """The levels that a pixel of a release may have, both ends included."""

    low: int
    high: int


@dataclass(frozen=True, kw_only=True)
class ReleaseBudget:
    """How far a released image may be from its original.

    Attributes:
        norm: ``linf`` (largest change of a pixel) or ``l2`` (Euclidean length over all pixels).
        radius_levels: radius in levels.
        low_level: smallest level that a pixel may have.
        high_level: largest level that a pixel may have.
        stored_level_size: what one level adds to a stored value: 1 for integers.
        radius_in_unit: the radius in the unit that the file's header scales its values to, such as HU.
        unit: ``HU`` where the file says so, else ''.

    Raises:
        ReleaseError: an unknown norm, a radius or level size that is no positive number, or an empty range.

    Example:
        >>> budget = ReleaseBudget(norm="linf", radius_levels=8.0, low_level=0, high_level=255)
        >>> image = np.array([[[3, 100]]], dtype=np.uint8)
        >>> budget.apply(image, np.array([[[-8, 8]]]), where="a.png")
        array([[[-3,  8]]])
    """

    norm: str
    radius_levels: float
    low_level: float
    high_level: float
    stored_level_size: float = 1.0
    radius_in_unit: float | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise ReleaseError(f"norm {self.norm!r}: a release knows {' and '.join(NORMS)}.")
        if not 0 <= self.radius_levels < float("inf"):
            raise ReleaseError(f"radius_levels={self.radius_levels}: must be a finite number of levels.")
        if not self.low_level < self.high_level:
            raise ReleaseError(f"range [{self.low_level:g}, {self.high_level:g}] is empty.")
        if not 0 < self.stored_level_size < float("inf"):
            raise ReleaseError(f"stored_level_size={self.stored_level_size}: must be a finite number above 0.")
        if self.radius_in_unit is None:
            object.__setattr__(self, "radius_in_unit", self.radius_levels * self.stored_level_size)
        elif not 0 <= self.radius_in_unit < float("inf"):
            raise ReleaseError(f"radius_in_unit={self.radius_in_unit}: must be a finite number.")

    @classmethod
    def from_description(
        cls,
        description: Mapping[str, Any],
        *,
        stored_level_size: float = 1.0,
        level_size: float = 1.0,
        unit: str = "",
    ) -> ReleaseBudget:
        """Make it from what ``Budget.describe()`` returns.

        Args:
            description: norm, radius and range of one image.
            stored_level_size: what one level adds to a stored value.
            level_size: size of one level in ``unit``.
            unit: ``HU`` or ''.

        Raises:
            ReleaseError: a field is missing.
        """
        try:
            fields = {name: float(description[name]) for name in ("radius_levels", "low_level", "high_level")}
            sizes = {"stored_level_size": stored_level_size, "radius_in_unit": fields["radius_levels"] * level_size}
            return cls(norm=str(description["norm"]), unit=unit, **fields, **sizes)
        except (KeyError, TypeError) as error:
            raise ReleaseError(f"this budget cannot be released: {error} is missing in {dict(description)}.") from error

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)

    def span(self, dtype: np.dtype[Any]) -> Span:
        """Return the levels that a pixel of this type may have: the budget's range, cut by an integer type's."""
        low, high = int(np.ceil(self.low_level)), int(np.floor(self.high_level))
        if is_floating(dtype):
            return Span(low, high)
        limits = np.iinfo(dtype)
        return Span(max(low, int(limits.min)), min(high, int(limits.max)))

    def apply(self, original: StoredValues, delta: NDArray[np.integer], *, where: str) -> NDArray[np.integer]:
        """Return the delta that the file really gets: ``clip(original + delta) - original``, in its type.

        Args:
            original: stored numbers ``(channel, *space)``; of floats the nearest whole levels count.
            delta: whole levels of the same shape.
            where: names the sample in errors.

        Raises:
            ReleaseError: the shapes differ, the original leaves the range, or the delta the budget.
        """
        if original.shape != delta.shape:
            raise ReleaseError(f"{where}: the image has shape {original.shape}, its delta {delta.shape}.")
        # The nearest level grows with the value, so the levels of both ends are the ends of the levels.
        ends = np.array([original.min(), original.max()], dtype=original.dtype)
        low, high = (int(one) for one in whole_levels(ends, level_size=self.stored_level_size))
        span = self.span(original.dtype)
        if low < span.low or high > span.high:
            raise ReleaseError(
                f"{where}: the original has levels {low} to {high}, outside {span.low} to {span.high}. "
                "Give the range that the images really use."
            )
        applied: NDArray[np.integer] = np.empty_like(delta)  # never larger than the delta, so its type will do
        for part in slabs(original.shape):
            applied[part] = self._clipped(original[part], delta[part], span)
        if not self.holds(applied):
            raise ReleaseError(
                f"{where}: the delta reaches {self.measure(applied):g} levels in {self.norm}, the budget is "
                f"{self.radius_levels:g}. Nothing was written for it."
            )
        return applied

    def holds(self, delta: NDArray[np.integer]) -> bool:
        """Tell whether a delta in whole levels is inside the radius, without rounding anywhere."""
        if self.norm == "linf":
            return largest_level(delta) <= self.radius_levels
        return _sum_of_squares(delta) <= Fraction(self.radius_levels) ** 2

    def measure(self, delta: NDArray[np.integer]) -> float:
        """Return the delta's norm in levels, for people to read."""
        return float(largest_level(delta)) if self.norm == "linf" else float(_sum_of_squares(delta)) ** 0.5

    def faults(self, original: StoredValues, released: StoredValues, delta: NDArray[np.integer]) -> list[str]:
        """Say everything that a released image breaks; nothing where it keeps to this budget.

        Args:
            original: stored numbers, ``(channel, *space)``.
            released: those of the released image, the same shape.
            delta: the whole levels between them.
        """
        found = (
            self.radius_fault(delta),
            self.range_fault(original, delta),
            self.reach_fault(original, released, delta),
        )
        return [one for one in found if one]

    def radius_fault(self, delta: NDArray[np.integer]) -> str:
        """Say how large a delta is that leaves the ball; '' where it does not."""
        if self.holds(delta):
            return ""
        return f"changed by {self.measure(delta):g} levels, the budget is {self.radius_levels:g}"

    def range_fault(self, original: StoredValues, delta: NDArray[np.integer]) -> str:
        """Say which levels of ``original + delta`` leave the range; '' where none does."""
        span, lows, highs = self.span(original.dtype), [], []
        for part in slabs(original.shape):
            levels = self._wide_levels(original[part]) + delta[part]
            lows.append(int(levels.min()))
            highs.append(int(levels.max()))
        low, high = min(lows), max(highs)
        return f"levels {low} to {high} leave {span.low} to {span.high}" if low < span.low or high > span.high else ""

    def reach_fault(self, original: StoredValues, released: StoredValues, delta: NDArray[np.integer]) -> str:
        """Say how many floats moved further than their delta says; '' where none did. Integers are exact."""
        if not is_floating(original.dtype):
            return ""
        beyond = 0
        for part in slabs(original.shape):
            with np.errstate(over="ignore"):
                moved = np.abs(released[part].astype(np.float64) - original[part].astype(np.float64))
            # One part in 2**50 is what the two roundings here may cost; the rule itself is exact.
            reach = np.abs(delta[part].astype(np.float64)) * (self.stored_level_size * (1 + 2.0**-50))
            beyond += int(np.count_nonzero(moved > reach))
        return f"{beyond} values moved further than their delta of whole levels says" if beyond else ""

    def _clipped(self, original: StoredValues, delta: NDArray[np.integer], span: Span) -> NDArray[np.integer]:
        """Return ``clip(original + delta) - original`` of a part of an image, whose levels are inside the range."""
        levels = whole_levels(original, level_size=self.stored_level_size)
        lowest, highest = int(levels.min()) + int(delta.min()), int(levels.max()) + int(delta.max())
        if span.low <= lowest and highest <= span.high:  # nothing there is to be cut
            return delta
        narrow = levels.dtype.itemsize <= 2 and delta.dtype.itemsize <= 2
        wide: NDArray[np.integer] = levels.astype(np.int32 if narrow else np.int64)
        total: NDArray[np.integer] = np.add(wide, delta, dtype=wide.dtype)
        np.clip(total, span.low, span.high, out=total)
        total -= wide
        return total

    def _wide_levels(self, values: StoredValues) -> NDArray[np.int64]:
        return whole_levels(values, level_size=self.stored_level_size).astype(np.int64)


def largest_level(delta: NDArray[np.integer]) -> int:
    """Return the largest |delta|, of any integer type.

    Example:
        >>> largest_level(np.array([[-128, 5]], dtype=np.int8))
        128
    """
    return max(int(delta.max()), -int(delta.min()))


def _sum_of_squares(delta: NDArray[np.integer]) -> int:
    return sum(int(np.square(delta[part], dtype=np.int64).sum()) for part in slabs(delta.shape))
