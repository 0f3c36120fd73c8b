"""Error-minimizing deltas against a linear surrogate: one pass, no alternation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch

from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations.base import PerturbationBatch, StepHook, SurrogateModel
from monai_unlearnable.perturbations.error_minimizing import ErrorMinimizing
from monai_unlearnable.perturbations.objectives import Objective, UnsaturatedObjective
from monai_unlearnable.perturbations.synthetic import combinations_of
from monai_unlearnable.types import Deltas

__all__ = ["LinearErrorMinimizing"]


@dataclass(frozen=True, kw_only=True)
class LinearErrorMinimizing(ErrorMinimizing):
    """Error-minimizing steps against a linear network that was trained on the clean images.

    A linear network is fitted in seconds, and its gradient with respect to an image depends on little but the label:
    one pass of steps gives the images of a class nearly the same delta, which networks read before what the images show
    (perturbation-induced linearization). What makes :class:`ErrorMinimizing` slow, training the surrogate again and
    again on the images of the moment, is left out. For labels of whole images: the surrogate maps images to class
    logits, as :func:`~monai_unlearnable.networks.small_linear` does.

    A clean image lies midway between the deltas, where a victim goes by what it shows after all. As those of
    :class:`~monai_unlearnable.perturbations.Synthetic`, the deltas of one class may be fainter, so that clean images
    are taken for it: on BreastMNIST at 8/255 that lowered a victim's accuracy from 0.55 to 0.31 (one seed).

    Attributes:
        objective: by default one that does not vanish where a linear network tells the clean images already.
        steps: descent steps; 30 steps of a tenth of the radius cross the whole ball.
        shares: the share of the radius that the deltas of each class (of each combination of labels, counted as a
            binary number whose lowest digit is the first label) use; None for all of it.

    Raises:
        BudgetError: at construction, when a share is not above 0 and at most 1.

    Example:
        >>> from monai_unlearnable.budgets import LinfBudget
        >>> LinearErrorMinimizing(budget=LinfBudget(radius_levels=8)).steps
        30
    """

    name: ClassVar[str] = "linear_error_minimizing"
    steps: int = 30
    objective: Objective = field(default_factory=UnsaturatedObjective)
    shares: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shares is not None and not all(0 < one <= 1 for one in self.shares):
            raise BudgetError(f"shares={self.shares}: the share of each class is above 0 and at most 1.")

    def improve(
        self,
        batch: PerturbationBatch,
        *,
        surrogate: SurrogateModel | None = None,
        on_step: StepHook | None = None,
    ) -> Deltas:
        """Lower the loss of the true labels; see :meth:`Perturbation.improve`.

        Raises:
            BudgetError: labels are masks, or there is no share for one.
        """
        if batch.label.ndim > 2:
            raise BudgetError(
                f"{self.name} is for labels of whole images, and these are masks. Use error_minimizing, or synthetic."
            )
        budget = self.budget.of(batch.sample_ids, device=batch.image.device)
        if self.shares is not None:
            budget = budget.times(self._shares_of(batch, self.shares))
        method = ErrorMinimizing.improve
        return method(replace(self, budget=budget, shares=None), batch, surrogate=surrogate, on_step=on_step)

    @staticmethod
    def _shares_of(batch: PerturbationBatch, shares: tuple[float, ...]) -> torch.Tensor:
        label = batch.label_of_deltas()
        index = label if label.ndim == 1 else combinations_of(label)
        outside = index[(index < 0) | (index >= len(shares))]
        if len(outside):
            raise BudgetError(f"label {int(outside[0])} has no share: there are {len(shares)}.")
        return torch.tensor(shares, dtype=torch.float64, device=index.device)[index]

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return super().describe() | {"shares": None if self.shares is None else list(self.shares)}
