"""What an audit found, as values and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from importlib import resources
from statistics import mean, stdev
from typing import Any

import jsonschema

from monai_unlearnable.audit.facts import ReleaseFacts
from monai_unlearnable.audit.fidelity import Fidelity
from monai_unlearnable.audit.scores import headline_name
from monai_unlearnable.audit.selfchecks import Check
from monai_unlearnable.audit.training import TrainingResult
from monai_unlearnable.audit.trivial import TrivialScore
from monai_unlearnable.audit.victims import VictimRecipe
from monai_unlearnable.sources.base import Task

__all__ = [
    "DENSE_LEARNED",
    "DENSE_LIMIT",
    "LEARNED_MARGIN",
    "MULTI_LABEL_LIMIT",
    "AuditReport",
    "BestAdversary",
    "NotApplied",
    "RecipeOutcome",
    "Verdict",
    "validate_report",
]

MULTI_LABEL_LIMIT = 0.60
"""Largest macro AUROC of a protected multi-label release; for single labels the limit is the majority class."""

DENSE_LIMIT = 0.15
"""Largest mean IoU of a protected segmentation release."""

DENSE_LEARNED = 0.30
"""Smallest mean IoU of a clean segmentation baseline for a verdict to mean anything."""

LEARNED_MARGIN = 0.05
"""How far above the limit (for segmentation: the best trivial predictor) a clean baseline must be for a verdict."""

SCHEMA_VERSION = 4


class Verdict(str, Enum):
    """What a recipe's victims say about a release."""

    PROTECTED = "protected"
    NOT_PROTECTED = "not protected"
    NO_VERDICT = "no verdict"


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
        if self.task is Task.SEGMENTATION:
            return DENSE_LIMIT
        return self.majority if self.task is Task.SINGLE_LABEL else MULTI_LABEL_LIMIT

    @property
    def clean_learned(self) -> bool:
        """Whether the clean baseline is far enough above the limit, or above the best trivial predictor."""
        learned = mean(one.score for one in self.clean)
        if self.task is Task.SEGMENTATION:
            return learned >= max(self.majority + LEARNED_MARGIN, DENSE_LEARNED)
        return learned >= min(self.limit + LEARNED_MARGIN, (1 + self.limit) / 2)

    @property
    def verdict(self) -> Verdict:
        """Protected: the mean released score is at or below the limit, and the clean baseline learned."""
        if not self.clean_learned:
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


@dataclass(frozen=True)
class NotApplied:
    """A victim whose countermeasure is none for these images. It says nothing about the release.

    Attributes:
        recipe: the victim.
        reason: why not.
    """

    recipe: VictimRecipe
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return both as JSON values."""
        return {"recipe": self.recipe.describe(), "reason": self.reason}


@dataclass(frozen=True)
class BestAdversary:
    """The most that any of the victims got out of a release.

    Attributes:
        name: of its recipe.
        score: mean score of those that were trained on the release.
        clean: the same of clean files, under the same countermeasure.
        plain: best mean score of victims that were trained on clean files without any countermeasure.
        majority: score of a reader who never looks at an image.
    """

    name: str
    score: float
    clean: float
    plain: float
    majority: float

    @property
    def regained_share(self) -> float | None:
        """Share of the clean gap that it regains: ``(score - majority) / (plain - majority)``; None without a gap."""
        gap = self.plain - self.majority
        return (self.score - self.majority) / gap if gap > 0 else None

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        return {**asdict(self), "regained_share": self.regained_share}


@dataclass(frozen=True)
class AuditReport:
    """Everything that an audit found.

    Attributes:
        task: what a label is.
        class_names: a name for each class or label column.
        counts: numbers of images: released, clean, trained_on, tested_on.
        test_origin: where the test images come from.
        facts: what the release says about itself.
        outcomes: one for each recipe.
        fidelity: distances between released and clean files.
        checks: what must hold for the report to mean what it says.
        machine: where it was computed.
        not_applied: victims whose countermeasure is none for these images.
    """

    task: Task
    class_names: tuple[str, ...]
    counts: Mapping[str, int]
    test_origin: str
    facts: ReleaseFacts
    outcomes: tuple[RecipeOutcome, ...]
    fidelity: Fidelity
    checks: tuple[Check, ...]
    machine: Mapping[str, Any]
    not_applied: tuple[NotApplied, ...] = ()

    @property
    def best_adversary(self) -> BestAdversary | None:
        """The victim that got most out of the release, of those that learn from clean images; None if none does."""
        learned = [one for one in self.outcomes if one.clean_learned]
        if not learned:
            return None
        best = max(learned, key=lambda one: mean(run.score for run in one.released))
        plain = [one for one in learned if one.recipe.is_plain] or learned
        return BestAdversary(
            name=best.recipe.name,
            score=mean(one.score for one in best.released),
            clean=mean(one.score for one in best.clean),
            plain=max(mean(run.score for run in one.clean) for one in plain),
            majority=best.majority,
        )

    @property
    def held(self) -> bool:
        """Whether every check held and every recipe's verdict is "protected"."""
        return all(one.held for one in self.checks) and all(one.verdict is Verdict.PROTECTED for one in self.outcomes)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values that the shipped schema accepts."""
        best = self.best_adversary
        content = {
            "schema_version": SCHEMA_VERSION,
            "held": self.held,
            "task": self.task.value,
            "headline": headline_name(self.task),
            "class_names": list(self.class_names),
            "counts": dict(self.counts),
            "test_origin": self.test_origin,
            "release": asdict(self.facts),
            "recipes": [one.to_json() for one in self.outcomes],
            "not_applied": [one.to_json() for one in self.not_applied],
            "best_adversary": None if best is None else best.to_json(),
            "fidelity": asdict(self.fidelity),
            "checks": [asdict(one) for one in self.checks],
            "machine": dict(self.machine),
        }
        plain: dict[str, Any] = json.loads(json.dumps(content, allow_nan=False))
        validate_report(plain)
        return plain


def validate_report(content: object) -> None:
    """Check a parsed ``audit.json`` against the schema that the package ships.

    Raises:
        jsonschema.ValidationError: it breaks the schema.
    """
    text = resources.files(__package__).joinpath("audit.schema.json").read_text(encoding="utf-8")
    jsonschema.Draft202012Validator(json.loads(text)).validate(content)


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
