"""Error-minimizing deltas: images that look already learnt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from monai_unlearnable.budgets import AnyBudget, Budget
from monai_unlearnable.budgets.base import LevelNumber
from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations.base import Perturbation, PerturbationBatch, StepHook, SurrogateModel
from monai_unlearnable.perturbations.descent import descend
from monai_unlearnable.perturbations.objectives import Objective, SingleLabelObjective
from monai_unlearnable.types import Deltas

__all__ = ["ErrorMinimizing"]


@dataclass(frozen=True, kw_only=True)
class ErrorMinimizing(Perturbation):
    """The inner minimum of ``min_theta E[min_delta L(f(x + delta), y)]``.

    (Liu et al. 2023, eq. 1; Huang et al., ICLR 2021.) One call descends the surrogate's loss for its true labels; the
    engine alternates it with the surrogate's own training on the protected images. Works with one delta for each image
    or one for each class.

    Attributes:
        budget: how large a delta may be.
        steps: descent steps in one call (20 for deltas of their own, 1 for class-wise ones in the literature).
        step_share: length of a step as a share of the radius (0.1 in the literature); never below one level, so
            that a step survives the rounding between passes.
        objective: the loss that is lowered.
        enough_loss: images whose loss is at most this are left as they are; None works on all.
        keep_best: of the deltas of a call the best one is kept; False for the last, where the surrogate looks at images
            in another way at every step and a low loss may be luck.
    """

    name: ClassVar[str] = "error_minimizing"
    needs_surrogate: ClassVar[bool] = True
    budget: AnyBudget
    steps: int = 20
    step_share: float = 0.1
    objective: Objective = field(default_factory=SingleLabelObjective)
    enough_loss: float | None = None
    keep_best: bool = True

    def __post_init__(self) -> None:
        require_steps(self.steps, self.step_share)

    def improve(
        self,
        batch: PerturbationBatch,
        *,
        surrogate: SurrogateModel | None = None,
        on_step: StepHook | None = None,
    ) -> Deltas:
        """Lower the loss of the true labels; see :meth:`Perturbation.improve`."""
        model, budget = require_surrogate(surrogate, self.name), self.budget_of(batch)
        delta, _ = descend(
            lambda image: self.objective.loss(model(image), batch.label),
            batch,
            budget,
            steps=self.steps,
            step_size_levels=step_levels(budget, self.step_share),
            enough=self.enough_loss,
            keep_best=self.keep_best,
            on_step=on_step,
        )
        return delta

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return {
            "method": self.name,
            "steps": self.steps,
            "step_share": self.step_share,
            "objective": type(self.objective).__name__,
            "enough_loss": self.enough_loss,
            "keep_best": self.keep_best,
            "budget": self.budget.describe(),
        }


def step_levels(budget: Budget, step_share: float) -> LevelNumber:
    """Length of a step in levels: a share of the radius, at least one level (0 for a radius of 0)."""
    if isinstance(budget.radius_levels, Tensor):
        return torch.minimum((step_share * budget.radius_levels).clamp(min=1.0), budget.radius_levels)
    return min(max(1.0, step_share * budget.radius_levels), budget.radius_levels)


def require_steps(steps: int, step_share: float) -> None:
    """Refuse step settings that cannot work.

    Raises:
        BudgetError: names the setting and its value.
    """
    if steps < 1:
        raise BudgetError(f"steps={steps}: a descent takes at least 1 step.")
    if not 0 < step_share <= 1:
        raise BudgetError(f"step_share={step_share}: a step is a share of the radius, above 0 and at most 1.")


def require_surrogate(surrogate: SurrogateModel | None, name: str) -> SurrogateModel:
    """Return the surrogate, or say that the method needs one.

    Raises:
        ValueError: there is none.
    """
    if surrogate is None:
        raise ValueError(
            f"{name} computes deltas against a surrogate: give surrogate=Surrogate(network, preprocessing)."
        )
    return surrogate
