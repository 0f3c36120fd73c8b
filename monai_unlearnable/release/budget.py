"""The budget of a release in plain numbers, and its proof in whole levels.

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
from monai_unlearnable.types import StoredArray

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
        radius_given: the radius as the user gave it, such as ``8/255``.

    Raises:
        ReleaseError: an unknown norm, a radius that is not a positive number, or an empty range.

    Example:
        >>> budget = ReleaseBudget(norm="linf", radius_levels=8.0, low_level=0, high_level=255, radius_given="8/255")
        >>> image = np.array([[[3, 100]]], dtype=np.uint8)
        >>> budget.apply(image, np.array([[[-8, 8]]]), where="a.png")
        array([[[-3,  8]]])
    """

    norm: str
    radius_levels: float
    low_level: float
    high_level: float
    radius_given: str = ""

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise ReleaseError(f"norm {self.norm!r}: a release knows {' and '.join(NORMS)}.")
        if not 0 <= self.radius_levels < float("inf"):
            raise ReleaseError(f"radius_levels={self.radius_levels}: must be a finite number of levels.")
        if not self.low_level < self.high_level:
            raise ReleaseError(f"range [{self.low_level:g}, {self.high_level:g}] is empty.")

    @classmethod
    def from_description(cls, description: Mapping[str, Any], *, radius_given: str = "") -> ReleaseBudget:
        """Make it from what ``Budget.describe()`` returns.

        Raises:
            ReleaseError: a field is missing.
        """
        try:
            fields = {name: float(description[name]) for name in ("radius_levels", "low_level", "high_level")}
            return cls(norm=str(description["norm"]), radius_given=radius_given, **fields)
        except (KeyError, TypeError) as error:
            raise ReleaseError(f"this budget cannot be released: {error} is missing in {dict(description)}.") from error

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)

    def span(self, dtype: np.dtype[np.integer]) -> Span:
        """Return the levels that a pixel of this type may have: the budget's range, cut by the type's."""
        limits = np.iinfo(dtype)
        low, high = int(np.ceil(self.low_level)), int(np.floor(self.high_level))
        return Span(max(low, int(limits.min)), min(high, int(limits.max)))

    def apply(self, original: StoredArray, delta: NDArray[np.integer], *, where: str) -> NDArray[np.integer]:
        """Return the delta that the file really gets: ``clip(original + delta) - original``, in its type.

        Args:
            original: stored integers ``(channel, *space)``, uint8 or uint16.
            delta: whole levels of the same shape.
            where: names the sample in errors.

        Raises:
            ReleaseError: the shapes differ, the original leaves the range, or the delta the budget.
        """
        if original.shape != delta.shape:
            raise ReleaseError(f"{where}: the image has shape {original.shape}, its delta {delta.shape}.")
        low, high, span = int(original.min()), int(original.max()), self.span(original.dtype)
        if low < span.low or high > span.high:
            raise ReleaseError(
                f"{where}: the original has levels {low} to {high}, outside {span.low} to {span.high}. "
                "Give the range that the images really use."
            )
        applied: NDArray[np.integer] = np.empty_like(delta)  # never larger than the delta, so its type will do
        for part in slabs(original.shape):
            wide = original[part].astype(np.int64)
            applied[part] = np.clip(wide + delta[part], span.low, span.high) - wide
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


def largest_level(delta: NDArray[np.integer]) -> int:
    """Return the largest |delta|, of any integer type.

    Example:
        >>> largest_level(np.array([[-128, 5]], dtype=np.int8))
        128
    """
    return max(int(delta.max()), -int(delta.min()))


def _sum_of_squares(delta: NDArray[np.integer]) -> int:
    return sum(int(np.square(delta[part], dtype=np.int64).sum()) for part in slabs(delta.shape))
