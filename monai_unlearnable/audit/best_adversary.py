"""The most that any victim got out of a release, and how much of what plain training gains that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

from monai_unlearnable.audit.outcomes import RecipeOutcome

__all__ = ["BestAdversary", "find_best_adversary"]


@dataclass(frozen=True)
class BestAdversary:
    """The most that any of the victims got out of a release.

    Attributes:
        name: of its recipe.
        score: mean score of those that were trained on the release.
        clean: the same of clean files, under the same countermeasure.
        plain: best mean score of victims that learned from clean files without any countermeasure; None where none did.
        majority: score of a reader who never looks at an image.
    """

    name: str
    score: float
    clean: float
    plain: float | None
    majority: float

    @property
    def regained_share(self) -> float | None:
        """Share of the clean gap that it regains: ``(score - majority) / (plain - majority)``.

        Below 0 where it is worse than not looking; None where plain training did not learn from clean files.
        """
        gap = 0.0 if self.plain is None else self.plain - self.majority
        return (self.score - self.majority) / gap if gap > 0 else None

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        return {**asdict(self), "regained_share": self.regained_share}


def find_best_adversary(outcomes: Sequence[RecipeOutcome]) -> BestAdversary | None:
    """Return the victim that got most out of the release, of those that learn anything; None if none does.

    Who is trained on a clean part alone got nothing out of it.
    """
    learned = [one for one in outcomes if one.learned and one.recipe.sees_release]
    if not learned:
        return None
    best = max(learned, key=lambda one: mean(run.score for run in one.released))
    plain = [mean(run.score for run in one.clean) for one in learned if one.recipe.is_plain and one.clean_learned]
    return BestAdversary(
        name=best.recipe.name,
        score=mean(one.score for one in best.released),
        clean=mean(one.score for one in best.clean),
        plain=max(plain, default=None),
        majority=best.majority,
    )
