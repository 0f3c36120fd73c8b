"""How error-minimizing deltas against a linear surrogate are set up as an engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from monai_unlearnable.budgets import AnyBudget
from monai_unlearnable.engines import ProtectionEngine, SaveProtection, TrainSurrogate
from monai_unlearnable.errors import SourceError
from monai_unlearnable.networks import small_linear
from monai_unlearnable.perturbations import LinearErrorMinimizing, MemberObjective, Objective, UnsaturatedObjective
from monai_unlearnable.sources import Source, Task
from monai_unlearnable.workflows.context import ImageFacts, RecipeContext
from monai_unlearnable.workflows.recipe_base import NetworkFactory, SurrogateRecipe

__all__ = ["LinearErrorMinimizingRecipe"]


@dataclass(frozen=True, kw_only=True)
class LinearErrorMinimizingRecipe(SurrogateRecipe):
    """Train a linear surrogate on the clean images, then one pass that lowers its loss of the true labels.

    For labels of whole images: see :class:`~monai_unlearnable.perturbations.LinearErrorMinimizing`. Images that arrive
    later get deltas of the whole radius, whatever their class.

    Attributes:
        surrogate_epochs: epochs of clean training.
        steps: delta steps.
    """

    name: ClassVar[str] = LinearErrorMinimizing.name
    networks: tuple[NetworkFactory, ...] = (small_linear,)
    surrogate_epochs: int = 30
    steps: int = 30

    def objective(self, facts: ImageFacts) -> Objective:
        """Return a loss that images which the surrogate is sure of have, too."""
        objective = UnsaturatedObjective()
        return MemberObjective(objective) if self.several(facts.task) else objective

    def perturbation(self, facts: ImageFacts, *, budget: AnyBudget, seed: int = 0) -> LinearErrorMinimizing:
        """Return the method for images of this kind; nothing in it is random."""
        return LinearErrorMinimizing(
            budget=budget, steps=self.steps, step_share=self.step_share, objective=self.objective(facts)
        )

    def perturbation_of(self, context: RecipeContext) -> LinearErrorMinimizing:
        """Return the method for the images of a run, with a fainter class."""
        method = self.perturbation(context.facts, budget=context.budget)
        return replace(method, shares=context.shares(faint_share=self.faint_share))

    def check_images(self, images: Source) -> None:
        """Refuse masks; see :meth:`Recipe.check_images`."""
        super().check_images(images)
        if images.task is Task.SEGMENTATION:
            raise SourceError(
                f"{images.path}: its labels are masks, and {self.name} is for labels of whole images: a linear network "
                "of the image tells no voxel from another. Take another method."
            )

    def build(self, context: RecipeContext) -> tuple[ProtectionEngine, SaveProtection]:
        """Return an engine of one pass."""
        surrogate = self.surrogate(context.facts, seed=context.seed, device=context.device)
        trainer = self.trainer(context, surrogate, clean=True)
        train = TrainSurrogate(trainer, epochs=self.surrogate_epochs, every=None)
        return self.engine(context, surrogate, trainer, max_epochs=1, handlers=[train])
