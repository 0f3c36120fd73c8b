"""A method that changes a part of each image only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from monai_unlearnable.budgets import AnyBudget, MaskedBudget
from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations.base import Perturbation, PerturbationBatch, StepHook, SurrogateModel
from monai_unlearnable.perturbations.regions import Region
from monai_unlearnable.types import Deltas

__all__ = ["InRegion", "in_region"]


@dataclass(frozen=True, kw_only=True)
class InRegion(Perturbation):
    """Keeps the deltas of a method inside a region of each image; every other voxel stays as it is.

    Attributes:
        perturbation: the method.
        region: which voxels may change.
    """

    name: ClassVar[str] = "in_region"
    perturbation: Perturbation
    region: Region

    @property
    def needs_surrogate(self) -> bool:  # type: ignore[override]
        """Whether the method looks at one; salient voxels need such a method."""
        return self.perturbation.needs_surrogate

    @property
    def budget(self) -> AnyBudget:  # type: ignore[override]
        """The method's budget."""
        return self.perturbation.budget

    def with_budget(self, budget: AnyBudget) -> InRegion:
        """Return the method with another budget, in the same region."""
        return replace(self, perturbation=self.perturbation.with_budget(budget))

    @property
    def objective(self) -> Any:
        """The method's objective; None where it has none."""
        return getattr(self.perturbation, "objective", None)

    def improve(
        self,
        batch: PerturbationBatch,
        *,
        surrogate: SurrogateModel | None = None,
        on_step: StepHook | None = None,
    ) -> Deltas:
        """Improve the deltas inside the region; see :meth:`Perturbation.improve`.

        Raises:
            BudgetError: several images share a delta, or the region needs what there is not.
        """
        if batch.owner is not None:
            raise BudgetError("a delta that images share has no region of one image: give each image its own delta.")
        mask = self.region(batch, surrogate=surrogate, objective=self.objective)
        budget = MaskedBudget.of_mask(self.budget.of(batch.sample_ids, device=batch.image.device), mask)
        return self.perturbation.with_budget(budget).improve(batch, surrogate=surrogate, on_step=on_step)

    def describe(self) -> dict[str, Any]:
        """Return the method's settings and the region's as JSON values."""
        return self.perturbation.describe() | {"region": repr(self.region)}


def in_region(perturbation: Perturbation, region: Region | None) -> InRegion | Perturbation:
    """Return the method inside a region; None for the whole image."""
    return perturbation if region is None else InRegion(perturbation=perturbation, region=region)
