"""The budgets of a whole release: each of them once, and which of them an image has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field

from monai_unlearnable.errors import ReleaseError
from monai_unlearnable.release.budget import ReleaseBudget

__all__ = ["ReleaseBudgets"]


@dataclass(frozen=True, kw_only=True)
class ReleaseBudgets:
    """Every budget of a release.

    Attributes:
        distinct: the budgets, each once, all of one norm.
        radius_given: the radius as the user gave it, such as ``8/255``.
        index_by_id: which of them each image has, by sample id; empty where there is only one, or nobody knows.

    Raises:
        ReleaseError: there is none, or their norms differ.

    Example:
        >>> flat, deep = (ReleaseBudget(norm="linf", radius_levels=r, low_level=0, high_level=255) for r in (8, 9))
        >>> budgets = ReleaseBudgets.of_images({"a": flat, "b": deep, "c": flat}, radius_given="8/255")
        >>> len(budgets.distinct), budgets.index("c"), budgets.of("b").radius_levels
        (2, 0, 9)
    """

    distinct: tuple[ReleaseBudget, ...]
    radius_given: str = ""
    index_by_id: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len({one.norm for one in self.distinct}) != 1:
            raise ReleaseError(f"{len(self.distinct)} budgets: a release has at least one, and all of one norm.")

    @classmethod
    def of_images(cls, budgets: Mapping[str, ReleaseBudget], *, radius_given: str = "") -> ReleaseBudgets:
        """Collect the budgets of images, by sample id; they are numbered by what they are, and not as images come.

        Their numbers are published, and must not tell the order of the files before they were renamed.

        Raises:
            ReleaseError: there is none, or their norms differ.
        """
        places = {one: place for place, one in enumerate(sorted(set(budgets.values()), key=astuple))}
        index = {sample_id: places[one] for sample_id, one in budgets.items()}
        return cls(distinct=tuple(places), radius_given=radius_given, index_by_id=index)

    @property
    def norm(self) -> str:
        """The norm of all of them."""
        return self.distinct[0].norm

    def index(self, sample_id: str) -> int:
        """Return which of the budgets an image has.

        Raises:
            ReleaseError: there are several, and the image has none of them.
        """
        if len(self.distinct) == 1 and not self.index_by_id:
            return 0
        try:
            return self.index_by_id[sample_id]
        except KeyError:
            raise ReleaseError(f"{sample_id}: there is no budget for this image.") from None

    def of(self, sample_id: str) -> ReleaseBudget:
        """Return the budget of an image.

        Raises:
            ReleaseError: there are several, and the image has none of them.
        """
        return self.distinct[self.index(sample_id)]
