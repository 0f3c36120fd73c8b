"""Targeted adversarial deltas: images that look like another class to a clean model."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch

from monai_unlearnable.budgets import AnyBudget
from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations.base import Perturbation, PerturbationBatch, StepHook, SurrogateModel
from monai_unlearnable.perturbations.descent import descend
from monai_unlearnable.perturbations.error_minimizing import require_steps, require_surrogate, step_levels
from monai_unlearnable.perturbations.objectives import Objective, SingleLabelObjective, TargetMap
from monai_unlearnable.types import Deltas, Labels

__all__ = ["TargetedAdversarial"]


@dataclass(frozen=True, kw_only=True)
class TargetedAdversarial(Perturbation):
    """Class-targeted adversarial examples against a model trained on clean images.

    ``min_delta L(f(x + delta), target(y))`` (Liu et al. 2023, section III; Fowl et al., NeurIPS 2021, section 4): a
    model trained on the release learns the target's features under the image's own label, and is wrong on clean images.

    Attributes:
        budget: how large a delta may be.
        target: which label each image is made to look like.
        steps: descent steps of one restart.
        step_share: length of a step as a share of the radius; never below one level.
        restarts: starts: the deltas so far, then random ones; the best result of all is kept.
        seed: seed of the random starts, together with the sample ids of the batch.
        objective: the loss that is lowered towards the target.
        keep_best: of the deltas of a restart the best one is kept; False for the last, where the surrogate looks at
            images in another way at every step and a low loss may be luck.
    """

    name: ClassVar[str] = "targeted_adversarial"
    needs_surrogate: ClassVar[bool] = True
    budget: AnyBudget
    target: TargetMap
    steps: int = 50
    step_share: float = 0.1
    restarts: int = 1
    seed: int = 0
    objective: Objective = field(default_factory=SingleLabelObjective)
    keep_best: bool = True

    def __post_init__(self) -> None:
        require_steps(self.steps, self.step_share)
        if self.restarts < 1:
            raise BudgetError(f"restarts={self.restarts}: at least 1 start is needed.")

    def improve(
        self,
        batch: PerturbationBatch,
        *,
        surrogate: SurrogateModel | None = None,
        on_step: StepHook | None = None,
    ) -> Deltas:
        """Lower the loss of the target labels; see :meth:`Perturbation.improve`."""
        model, budget = require_surrogate(surrogate, self.name), self.budget_of(batch)
        target = self._target_of(batch.label)
        generator = torch.Generator(batch.image.device).manual_seed(self._seed_of(batch))
        best = batch.delta
        best_loss: torch.Tensor | None = None
        for restart in range(self.restarts):
            start = batch.delta if restart == 0 else budget.random(batch.delta, generator=generator)
            delta, loss = descend(
                lambda image: self.objective.loss(model(image), target),
                replace(batch, delta=start),
                budget,
                steps=self.steps,
                step_size_levels=step_levels(budget, self.step_share),
                keep_best=self.keep_best,
                on_step=on_step,
            )
            if best_loss is None:
                best, best_loss = delta, loss
            else:
                better = (loss < best_loss).reshape(-1, *[1] * (delta.ndim - 1))
                best, best_loss = torch.where(better, delta, best), torch.minimum(loss, best_loss)
        return best

    def _target_of(self, label: Labels) -> Labels:
        """Return the targets; voxels that count for nothing still do."""
        ignored = self.objective.ignore_label
        target = self.target(label)
        return target if ignored is None else torch.where(label == ignored, label, target)

    def _seed_of(self, batch: PerturbationBatch) -> int:
        """Return a seed that another batch does not have."""
        patches = "" if batch.patches is None else f" {batch.patches.regions}"
        name = f"{self.seed} {batch.sample_ids}{patches}"
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return {
            "method": self.name,
            "target": repr(self.target) if hasattr(self.target, "num_classes") else type(self.target).__name__,
            "steps": self.steps,
            "step_share": self.step_share,
            "restarts": self.restarts,
            "objective": type(self.objective).__name__,
            "keep_best": self.keep_best,
            "budget": self.budget.describe(),
        }
