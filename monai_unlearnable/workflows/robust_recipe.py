"""How robust error-minimizing is set up: an adversarially trained surrogate that looks through countermeasures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from monai.engines import SupervisedTrainer
from monai.transforms import Compose

from monai_unlearnable.budgets import AnyBudget
from monai_unlearnable.countermeasures import AdversarialSteps, AdversarialTraining
from monai_unlearnable.engines import ProtectionEngine, SaveProtection
from monai_unlearnable.errors import BudgetError
from monai_unlearnable.networks import small_resnet
from monai_unlearnable.perturbations import RobustErrorMinimizing
from monai_unlearnable.surrogates import RandUniformShiftd, ReaderWays, Surrogate, usual_countermeasures
from monai_unlearnable.workflows.context import ImageFacts, RecipeContext
from monai_unlearnable.workflows.recipe_base import NetworkFactory
from monai_unlearnable.workflows.recipes import ErrorMinimizingRecipe
from monai_unlearnable.workflows.view_limits import find_view_limits, view_radii

__all__ = ["RobustErrorMinimizingRecipe"]

_KEY = "image"


@dataclass(frozen=True, kw_only=True)
class RobustErrorMinimizingRecipe(ErrorMinimizingRecipe):
    """Error-minimizing against a surrogate that is trained adversarially and looks through countermeasures.

    Attributes:
        adversarial_share: radius of the surrogate's adversarial training, and of the uniform draw in a delta step, as a
            share of the deltas' own radius (one half in Fu et al., ICLR 2022).
        adversarial_steps: steps of the surrogate's adversarial training.
        countermeasures: what images undergo before the surrogate sees them: builds a MONAI chain from
            ``spatial_dims``. None for nothing.
        view_radius: the deltas' radius as the surrogate sees it, where a window is -1 to 1; a run finds it in its
            images. At 0 nothing is drawn, as for images that arrive later.
    """

    name: ClassVar[str] = RobustErrorMinimizing.name
    networks: tuple[NetworkFactory, ...] = (small_resnet,)
    adversarial_share: float = 0.5
    adversarial_steps: int = 3
    countermeasures: Callable[..., Compose] | None = usual_countermeasures
    view_radius: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.adversarial_share <= 1 or self.adversarial_steps < 1:
            raise BudgetError(
                f"adversarial_share={self.adversarial_share}, adversarial_steps={self.adversarial_steps}: a share of "
                "the radius from 0 to 1, and at least 1 step."
            )

    @property
    def adversarial_radius(self) -> float:
        """Radius of the surrogate's adversarial training, in units in which a window is -1 to 1."""
        return self.adversarial_share * self.view_radius

    def perturbation(self, facts: ImageFacts, *, budget: AnyBudget, seed: int = 0) -> RobustErrorMinimizing:
        """Return the method for images of this kind; see :meth:`ErrorMinimizingRecipe.perturbation`."""
        plain = super().perturbation(facts, budget=budget, seed=seed)
        return RobustErrorMinimizing(
            budget=plain.budget,
            steps=plain.steps,
            step_share=plain.step_share,
            objective=plain.objective,
            enough_loss=plain.enough_loss,
        )

    def ways(self, facts: ImageFacts, *, seed: int = 0) -> ReaderWays:
        """Return the usual ways to load images, then countermeasures, then the uniform draw of delta steps."""
        usual = super().ways(facts, seed=seed)
        chain = [] if usual is None else list(usual.chain.transforms)
        if self.countermeasures is not None:
            chain += self.countermeasures(spatial_dims=facts.spatial_dims).transforms
        # Weights learn from adversarial images of that radius: with a draw on top they would learn from twice as much.
        # The steps that make these images do look through the draw, as delta steps do.
        draw = Compose([RandUniformShiftd(_KEY, radius=self.adversarial_radius)]) if self.adversarial_radius else None
        return ReaderWays(Compose(chain), only_asked=draw, seed=seed % 2**32)

    def trainer(self, context: RecipeContext, surrogate: Surrogate, *, clean: bool = False) -> SupervisedTrainer:
        """Return a trainer that makes every batch adversarial; see :meth:`SurrogateRecipe.trainer`."""
        trainer = super().trainer(context, surrogate, clean=clean)
        if self.adversarial_radius:
            steps = AdversarialSteps(radius=self.adversarial_radius, steps=self.adversarial_steps, low=-1.0, high=1.0)
            AdversarialTraining(steps, seed=context.seed % 2**31).attach(trainer)
        return trainer

    def build(self, context: RecipeContext) -> tuple[ProtectionEngine, SaveProtection]:
        """Return the alternating engine."""
        if not self.view_radius:
            _, largest = view_radii(find_view_limits(context))
            if largest:
                return replace(self, view_radius=largest).build(context)
        return super().build(context)
