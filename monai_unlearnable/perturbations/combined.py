"""Two methods that share a radius: a pattern of each class, and another method on top of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from monai_unlearnable.budgets import AnyBudget, Budget, ImageBudgets
from monai_unlearnable.budgets.base import as_list
from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations.base import Perturbation, PerturbationBatch, StepHook, SurrogateModel
from monai_unlearnable.types import Deltas

__all__ = ["Combined"]


@dataclass(frozen=True, kw_only=True)
class Combined(Perturbation):
    """The sum of a pattern inside a share of the radius and another method's delta inside the rest of it.

    Both norms keep the sum inside the budget (the triangle inequality). The pattern follows from label, seed and image
    alone, so what a store holds is their sum, and the other method's part is what is left without the pattern: a run
    that was interrupted needs nothing more. The other method sees images that carry the pattern already.

    Attributes:
        pattern: a method without a surrogate whose deltas are always the same, such as
            :class:`~monai_unlearnable.perturbations.Synthetic`; its own budget is not looked at.
        rest: the other method, with the whole budget.
        share: share of the radius that the pattern has, above 0 and below 1.

    Raises:
        BudgetError: at construction, when the pattern needs a surrogate, the share is out of its range, or one of the
            methods would have less than one level.
    """

    name: ClassVar[str] = "combined"
    pattern: Perturbation
    rest: Perturbation
    share: float = 0.5

    def __post_init__(self) -> None:
        if self.pattern.needs_surrogate:
            raise BudgetError(f"{self.pattern.name} needs a surrogate; a kept pattern follows from labels alone.")
        if not 0 < self.share < 1:
            raise BudgetError(f"share={self.share}: a pattern has a share of the radius above 0 and below 1.")
        budget = self.budget
        radii = budget.radii_levels if isinstance(budget, ImageBudgets) else as_list(budget.radius_levels)
        for radius in radii:
            if 0 < radius * min(self.share, 1 - self.share) < 1:
                raise BudgetError(
                    f"a radius of {radius:g} levels, shared by two methods in shares of {self.share:g} and "
                    f"{1 - self.share:g}, leaves one of them less than one level. Use a larger radius, or one method."
                )

    @property
    def needs_surrogate(self) -> bool:  # type: ignore[override]
        """Whether the other method does."""
        return self.rest.needs_surrogate

    @property
    def budget(self) -> AnyBudget:  # type: ignore[override]
        """The whole budget."""
        return self.rest.budget

    @property
    def objective(self) -> Any:
        """The other method's objective; None where it has none."""
        return getattr(self.rest, "objective", None)

    def with_budget(self, budget: AnyBudget) -> Combined:
        """Return both with another budget to share."""
        return replace(self, rest=self.rest.with_budget(budget))

    def improve(
        self,
        batch: PerturbationBatch,
        *,
        surrogate: SurrogateModel | None = None,
        on_step: StepHook | None = None,
    ) -> Deltas:
        """Improve what the other method has added to the pattern; see :meth:`Perturbation.improve`."""
        whole: Budget = self.budget.of(batch.sample_ids, device=batch.image.device)
        bare = replace(batch, delta=torch.zeros_like(batch.delta))
        pattern = self.pattern.with_budget(whole.times(self.share)).improve(bare)
        # An empty store holds no sum yet: without the pattern, what is left would be its opposite.
        begun = batch.delta.flatten(1).any(1).reshape(-1, *[1] * (batch.delta.ndim - 1))
        own = torch.where(begun, batch.delta - pattern, torch.zeros_like(pattern))
        under = replace(batch, image=batch.apply(pattern, whole), delta=own)
        rest = self.rest.with_budget(whole.times(1 - self.share))
        found = rest.improve(under, surrogate=surrogate, on_step=on_step)
        return batch.project(pattern + found, self.budget_of(batch))

    def describe(self) -> dict[str, Any]:
        """Return the other method's settings and the pattern's as JSON values."""
        kept = {name: value for name, value in self.pattern.describe().items() if name != "budget"}
        return self.rest.describe() | {"kept": kept, "kept_share": self.share}
