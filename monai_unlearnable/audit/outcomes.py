"""What the trainings of one victim found, and what that says of a release."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum
from statistics import mean, stdev
from typing import Any

from monai_unlearnable.audit.training import TrainingResult
from monai_unlearnable.audit.trivial import TrivialScore
from monai_unlearnable.audit.victims import VictimRecipe
from monai_unlearnable.sources.base import Task

__all__ = [
    "DENSE_LEARNED",
    "DENSE_LIMIT",
    "LEARNED_MARGIN",
    "MULTI_LABEL_LIMIT",
    "NotApplied",
    "RecipeOutcome",
    "Verdict",
    "baseline_learned",
]

MULTI_LABEL_LIMIT = 0.60
"""Largest macro AUROC of a protected multi-label release; for single labels the limit is the majority class."""

DENSE_LIMIT = 0.15
"""Largest mean IoU of a protected segmentation release."""

DENSE_LEARNED = 0.30
"""Smallest mean IoU of a clean segmentation baseline for a verdict to mean anything."""

LEARNED_MARGIN = 0.05
"""How far above the limit (for segmentation: the best trivial predictor) a clean baseline must be for a verdict."""


class Verdict(str, Enum):
    """What a recipe's victims say about a release."""

    PROTECTED = "protected"
    NOT_PROTECTED = "not protected"
    NO_VERDICT = "no verdict"
    REFERENCE = "sees no released image"


@dataclass(frozen=True)
class RecipeOutcome:
    """All trainings of one recipe.

    Attributes:
        recipe: the victim.
        task: what a label is.
        majority: score of a reader who never looks at an image; of segmentation the best of ``trivial``.
        seeds: seed of each training.
        released: victims trained on released files, one for each seed.
        clean: the same trained on clean files.
        trivial: what one answer for every pixel scores, of segmentation.
    """

    recipe: VictimRecipe
    task: Task
    majority: float
    seeds: tuple[int, ...]
    released: tuple[TrainingResult, ...]
    clean: tuple[TrainingResult, ...]
    trivial: tuple[TrivialScore, ...] = ()

    @property
    def limit(self) -> float:
        """Largest mean score of a protected release."""
        return _limit(self.task, self.majority)

    @property
    def clean_learned(self) -> bool:
        """Whether the clean baseline is far enough above the limit, or above the best trivial predictor."""
        return baseline_learned(mean(one.score for one in self.clean), task=self.task, majority=self.majority)

    @property
    def learned(self) -> bool:
        """Whether the figure means anything: the victim learned from clean images, or at least from released ones."""
        score = mean(one.score for one in self.released)
        return self.clean_learned or baseline_learned(score, task=self.task, majority=self.majority)

    @property
    def verdict(self) -> Verdict:
        """Protected: the mean released score is at or below the limit, and the clean baseline learned.

        Who learned from the release shows that it is not protected, whatever the same training makes of clean images.
        Who is trained on a clean part alone says nothing of the release, but what others who have that part add to it.
        """
        if not self.recipe.sees_release:
            return Verdict.REFERENCE
        if not self.learned:
            return Verdict.NO_VERDICT
        kept = mean(one.score for one in self.released) <= self.limit + 1e-9
        return Verdict.PROTECTED if kept else Verdict.NOT_PROTECTED

    def to_json(self) -> dict[str, Any]:
        """Return settings, every run, their summary and the verdict as JSON values."""
        return {
            "recipe": self.recipe.describe(),
            "majority": self.majority,
            "limit": self.limit,
            "released": _summary(self.released),
            "clean": _summary(self.clean),
            "trivial": [asdict(one) for one in self.trivial],
            "verdict": self.verdict.value,
            "runs": [
                {"trained_on": kind, "seed": seed, **_run(result)}
                for kind, results in (("released", self.released), ("clean", self.clean))
                for seed, result in zip(self.seeds, results, strict=True)
            ],
        }


def baseline_learned(score: float, *, task: Task, majority: float) -> bool:
    """Return whether a clean baseline is far enough above the limit, or above the best trivial predictor.

    Args:
        score: its mean headline score.
        task: what a label is.
        majority: score of a reader who never looks at an image.

    Example:
        >>> [baseline_learned(one, task=Task.SINGLE_LABEL, majority=0.7) for one in (0.74, 0.76)]
        [False, True]
    """
    if task is Task.SEGMENTATION:
        return score >= max(majority + LEARNED_MARGIN, DENSE_LEARNED)
    limit = _limit(task, majority)
    return score >= min(limit + LEARNED_MARGIN, (1 + limit) / 2)


def _limit(task: Task, majority: float) -> float:
    if task is Task.SEGMENTATION:
        return DENSE_LIMIT
    return majority if task is Task.SINGLE_LABEL else MULTI_LABEL_LIMIT


@dataclass(frozen=True)
class NotApplied:
    """A victim whose countermeasure is none for these images, or lets no training end. It says nothing of the release.

    Attributes:
        recipe: the victim.
        reason: why not.
        diverged: it was trained, but its loss did not stay finite.
    """

    recipe: VictimRecipe
    reason: str
    diverged: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return both as JSON values."""
        return {"recipe": self.recipe.describe(), "reason": self.reason}


def _run(result: TrainingResult) -> dict[str, Any]:
    """Return one training; predicted masks are drawn in the page, and stay out of the figures."""
    return {name: value for name, value in asdict(result).items() if name != "predictions"}


def _summary(results: tuple[TrainingResult, ...]) -> dict[str, float | None]:
    scores = [one.score for one in results]
    balanced = [one.balanced_accuracy for one in results if one.balanced_accuracy is not None]
    return {
        "mean": mean(scores),
        "std": stdev(scores) if len(scores) > 1 else None,
        "min": min(scores),
        "max": max(scores),
        "peak_mean": mean(one.peak for one in results),
        "balanced_accuracy_mean": mean(balanced) if balanced else None,
        "seconds_mean": mean(one.seconds for one in results),
    }
