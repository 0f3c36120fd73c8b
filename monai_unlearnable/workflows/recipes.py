"""How each method is set up as an engine: surrogate, its training, passes and stop rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, cast

from monai_unlearnable.budgets import AnyBudget
from monai_unlearnable.engines import (
    ProtectionEngine,
    SaveProtection,
    StartFrom,
    StopWhenFitted,
    TrainSurrogate,
)
from monai_unlearnable.networks import small_densenet, small_resnet
from monai_unlearnable.perturbations import (
    Autoregressive,
    ComplementTarget,
    ErrorMinimizing,
    NextClassTarget,
    PatternFamily,
    Region,
    Salient,
    Stripes,
    Synthetic,
    TargetedAdversarial,
    TargetMap,
    in_region,
)
from monai_unlearnable.perturbations.synthetic import check_channel_signs
from monai_unlearnable.sources import Source, Task
from monai_unlearnable.workflows.context import ImageFacts, RecipeContext
from monai_unlearnable.workflows.fineness import check_blocks, in_blocks
from monai_unlearnable.workflows.recipe_base import (
    NetworkFactory,
    Recipe,
    SurrogateRecipe,
)

__all__ = [
    "AutoregressiveRecipe",
    "ErrorMinimizingRecipe",
    "Recipe",
    "RecipeContext",
    "SurrogateRecipe",
    "SyntheticRecipe",
    "TargetedAdversarialRecipe",
    "target_for",
]


@dataclass(frozen=True, kw_only=True)
class SyntheticRecipe(Recipe):
    """Patterns; no surrogate, one pass.

    Attributes:
        patterns: what the patterns look like. None for stripes: of two phases, so that no direction takes them off;
            where labels are masks, for which there is no such direction, of one phase.
        faint_share: share of the radius that the faint class's pattern uses (see :meth:`RecipeContext.shares`).
        block_size_px: draw the patterns on a grid of blocks of so many stored pixels a side (see
            :class:`~monai_unlearnable.perturbations.Coarse`); None for the grid of pixels.
        channel_signs: 1 for each channel that carries the patterns, -1 for their opposite; None for all alike, where
            labels are masks for the opposite in every other one.
    """

    name: ClassVar[str] = Synthetic.name
    said_if_given: ClassVar[tuple[str, ...]] = ("block_size_px", "channel_signs")
    patterns: PatternFamily | None = None
    faint_share: float = 0.25
    block_size_px: int | None = None
    channel_signs: tuple[int, ...] | None = None

    def check_images(self, images: Source) -> None:
        """Refuse images that one block covers, or that have other channels; see :meth:`Recipe.check_images`."""
        super().check_images(images)
        check_blocks(images, self.block_size_px)
        if self.channel_signs is not None:
            check_channel_signs(self.channel_signs, images.shape(0)[0])

    def for_task(self, task: Task) -> SyntheticRecipe:
        """Choose the patterns where none are, and their blocks; see :meth:`Recipe.for_task`."""
        return replace(self, patterns=self._patterns_for(task), block_size_px=None)

    def seen_at(self, size_px: int | None) -> SyntheticRecipe:
        """Draw the patterns at the size that networks will look at; see :meth:`Recipe.seen_at`."""
        return replace(self, patterns=self.patterns and self.patterns.seen_at(size_px))

    def seen_whole(self, *, spatial_dims: int) -> SyntheticRecipe:
        """Draw a checkerboard in volumes where no other patterns are chosen; see :meth:`Recipe.seen_whole`."""
        return replace(self, patterns=self.patterns and self.patterns.seen_whole(spatial_dims=spatial_dims))

    def build(self, context: RecipeContext) -> tuple[ProtectionEngine, SaveProtection]:
        """Return an engine of one pass."""
        save = SaveProtection(context.checkpoint, store=context.store, save_dict={})
        pattern = context.synthetic(
            self._patterns_for(context.source.task), faint_share=self.faint_share, channel_signs=self.channel_signs
        )
        engine = ProtectionEngine(
            device=context.device,
            max_epochs=1,
            train_data_loader=self.loader(context),
            perturbation=in_region(pattern, self.region),
            store=context.store,
            key=context.key,
            train_handlers=[save, *context.handlers],
        )
        return engine, save

    def _patterns_for(self, task: Task) -> PatternFamily:
        patterns = self.patterns
        if patterns is None:
            patterns = Stripes() if task is Task.SEGMENTATION else Stripes(phases=2)
        return in_blocks(patterns, self.block_size_px)


@dataclass(frozen=True, kw_only=True)
class AutoregressiveRecipe(SyntheticRecipe):
    """Synthetic deltas by an autoregressive process for each class, different in every image; no surrogate, one pass.

    Attributes:
        patterns: the textures.
    """

    name: ClassVar[str] = "autoregressive"
    patterns: PatternFamily | None = field(default_factory=Autoregressive)


@dataclass(frozen=True, kw_only=True)
class ErrorMinimizingRecipe(SurrogateRecipe):
    """Alternate surrogate training on protected images with error-minimizing passes over all deltas.

    Deltas start from a synthetic pattern of each class, in the place of zero: among the minima of equation 1 the
    descent then finds one that surrogates fit by the pattern and not by what the images show.

    Attributes:
        start: the pattern to start from; None starts from zero.
        max_rounds: largest number of rounds.
        min_rounds: rounds that are made in any case.
        surrogate_epochs: epochs of the surrogate's training in a round. A surrogate that has hardly learnt the starting
            pattern leads the deltas away from it.
        stop_error: surrogate error on the protected images at which the rounds end.
        dense_stop_error: the same where labels are masks: 1 - Dice.
        dense_enough_loss: where labels are masks, images whose loss is at most this keep their deltas: once a surrogate
            has learnt the starting pattern, more steps take it off for hardly any gain.
    """

    name: ClassVar[str] = ErrorMinimizing.name
    networks: tuple[NetworkFactory, ...] = (small_resnet, small_densenet)
    start: PatternFamily | None = field(default_factory=Stripes)
    max_rounds: int = 10
    min_rounds: int = 3
    surrogate_epochs: int = 5
    stop_error: float = 0.01
    dense_stop_error: float = 0.05
    dense_enough_loss: float | None = 0.25

    def with_patterns(self, change: Callable[[PatternFamily], PatternFamily]) -> ErrorMinimizingRecipe:
        """Change the starting pattern, too; see :meth:`SurrogateRecipe.with_patterns`."""
        fitted = cast(ErrorMinimizingRecipe, super().with_patterns(change))
        return replace(fitted, start=self.start and change(self.start))

    @classmethod
    def for_classes(cls) -> ErrorMinimizingRecipe:
        """One delta for each class: one step a round, until the error is 10 % (Huang et al., ICLR 2021), 30 rounds."""
        return cls(class_wise=True, steps=1, stop_error=0.10, max_rounds=30)

    def perturbation(self, facts: ImageFacts, *, budget: AnyBudget, seed: int = 0) -> ErrorMinimizing:
        """Return the method for images of this kind; nothing in it is random."""
        return ErrorMinimizing(
            budget=budget,
            steps=self.steps,
            step_share=self.step_share,
            objective=self.objective(facts),
            enough_loss=self.dense_enough_loss if facts.task is Task.SEGMENTATION else None,
            keep_best=self.ways(facts) is None,
        )

    @property
    def _region_of_start(self) -> Region | None:
        # Nothing has been looked at yet: what is salient comes later, and takes the rest of the pattern off.
        return None if isinstance(self.region, Salient) else self.region

    def build(self, context: RecipeContext) -> tuple[ProtectionEngine, SaveProtection]:
        """Return the alternating engine."""
        surrogate = self.surrogate(context.facts, seed=context.seed, device=context.device)
        trainer = self.trainer(context, surrogate)
        handlers: list[Any] = [
            TrainSurrogate(trainer, epochs=self.surrogate_epochs),
            StopWhenFitted(
                self.dense_stop_error if context.source.task is Task.SEGMENTATION else self.stop_error,
                min_epochs=self.min_rounds,
            ),
        ]
        if self.start is not None:
            start = context.synthetic(self.coarse(self.start), faint_share=self.faint_share)
            handlers.insert(0, StartFrom(in_region(start, self._region_of_start)))
        return self.engine(context, surrogate, trainer, max_epochs=self.max_rounds, handlers=handlers)


def target_for(facts: ImageFacts) -> TargetMap:
    """Return the usual target: the next class, of masks everywhere; every label's opposite where there are several."""
    return ComplementTarget() if facts.task is Task.MULTI_LABEL else NextClassTarget(facts.num_classes)


@dataclass(frozen=True, kw_only=True)
class TargetedAdversarialRecipe(SurrogateRecipe):
    """Train a surrogate on the clean images, then one pass of targeted deltas.

    Against one network by default: an ensemble has to share the radius, and what the deltas gain against another family
    they lose against the first.

    Attributes:
        surrogate_epochs: epochs of clean training.
        steps: delta steps of one restart.
        restarts: starts; the best result is kept.
    """

    name: ClassVar[str] = TargetedAdversarial.name
    surrogate_epochs: int = 40
    steps: int = 50
    restarts: int = 1

    def perturbation(self, facts: ImageFacts, *, budget: AnyBudget, seed: int = 0) -> TargetedAdversarial:
        """Return the method for images of this kind."""
        return TargetedAdversarial(
            budget=budget,
            target=target_for(facts),
            steps=self.steps,
            step_share=self.step_share,
            restarts=self.restarts,
            seed=seed % 2**63,
            objective=self.objective(facts),
            keep_best=self.ways(facts) is None,
        )

    def build(self, context: RecipeContext) -> tuple[ProtectionEngine, SaveProtection]:
        """Return an engine of one pass."""
        surrogate = self.surrogate(context.facts, seed=context.seed, device=context.device)
        trainer = self.trainer(context, surrogate, clean=True)
        handlers = [TrainSurrogate(trainer, epochs=self.surrogate_epochs, every=None)]
        return self.engine(context, surrogate, trainer, max_epochs=1, handlers=handlers)
