"""Authorised use: does a model of clean images still work on released ones?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

import torch

from monai_unlearnable.audit.dense_scores import score_overlaps
from monai_unlearnable.audit.outcomes import baseline_learned
from monai_unlearnable.audit.scores import headline
from monai_unlearnable.sources.base import Task
from monai_unlearnable.types import ClassMaps, Labels, Logits

__all__ = ["AuthorisedUse", "UseScores", "compare_answers"]


@dataclass(frozen=True)
class UseScores:
    """What one model says of released images and of their originals, none of which it was trained on.

    Attributes:
        on_clean: headline score on the originals.
        on_released: the same on the released images.
        agreement: how far its answers to both are the same: the share of images with the same class; of several labels
            the share of all yes and no (at 0.5); of masks the mean Dice of both predictions, None where no prediction
            shows any structure.
        majority: headline score of a reader who never looks at one of these images.
        images: how many there are.
    """

    on_clean: float
    on_released: float
    agreement: float | None
    majority: float
    images: int


def compare_answers(
    clean: Logits | ClassMaps,
    released: Logits | ClassMaps,
    labels: Labels,
    *,
    task: Task,
    class_count: int,
    majority: float,
) -> UseScores:
    """Compare what a model says of originals with what it says of released images.

    Args:
        clean: logits ``(n, classes)`` of the originals, or of segmentation the class of every pixel ``(n, *space)``.
        released: the same of the released images, in the same order.
        labels: what is true.
        task: what a label is.
        class_count: classes or label columns.
        majority: score of a reader who never looks.

    Raises:
        SourceError: labels allow no score.

    Example:
        >>> clean, released = torch.tensor([[2.0, 1.0], [0.0, 1.0]]), torch.tensor([[2.0, 1.0], [3.0, 1.0]])
        >>> found = compare_answers(
        ...     clean, released, torch.tensor([0, 1]), task=Task.SINGLE_LABEL, class_count=2, majority=0.5
        ... )
        >>> found.on_clean, found.on_released, found.agreement
        (1.0, 0.5, 0.5)
    """
    if task is Task.SEGMENTATION:
        scores = [score_overlaps(one, labels, class_count=class_count)[0] for one in (clean, released)]
        agreement = _same_masks(released, clean, class_count=class_count)
    else:
        scores = [headline(one, labels, task) for one in (clean, released)]
        said = [one.argmax(dim=1) if task is Task.SINGLE_LABEL else one > 0 for one in (clean, released)]
        agreement = float((said[0] == said[1]).double().mean())
    return UseScores(scores[0], scores[1], agreement, majority, len(labels))


def _same_masks(one: ClassMaps, other: ClassMaps, *, class_count: int) -> float | None:
    if not bool(torch.any(one > 0)) and not bool(torch.any(other > 0)):
        return None
    return score_overlaps(one, other, class_count=class_count)[1]


@dataclass(frozen=True)
class AuthorisedUse:
    """What models of clean images say of released ones, of one recipe.

    Attributes:
        victim: name of the recipe.
        task: what a label is.
        seeds: of the trainings.
        runs: what each of them found.
    """

    victim: str
    task: Task
    seeds: tuple[int, ...]
    runs: tuple[UseScores, ...]

    @property
    def learned(self) -> bool:
        """Whether the models are good enough on originals for the rest to mean anything."""
        majority = mean(one.majority for one in self.runs)
        return baseline_learned(mean(one.on_clean for one in self.runs), task=self.task, majority=majority)

    @property
    def agreement(self) -> float | None:
        """Mean agreement over the seeds where there is one."""
        return _mean([one.agreement for one in self.runs])

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        return {
            "victim": self.victim,
            "learned": self.learned,
            "on_clean_mean": mean(one.on_clean for one in self.runs),
            "on_released_mean": mean(one.on_released for one in self.runs),
            "agreement_mean": self.agreement,
            "majority_mean": mean(one.majority for one in self.runs),
            "runs": [{"seed": seed, **asdict(one)} for seed, one in zip(self.seeds, self.runs, strict=True)],
        }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [one for one in values if one is not None]
    return mean(known) if known else None
