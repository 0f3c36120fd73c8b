"""What recipes with a surrogate share: networks, what they see, their training, and deltas computed with them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from monai.engines import SupervisedTrainer
from monai.transforms import Compose
from torch import nn

from monai_unlearnable.budgets import AnyBudget
from monai_unlearnable.dense_networks import small_unet
from monai_unlearnable.engines import PrepareViews, ProtectionEngine, SaveProtection
from monai_unlearnable.networks import small_resnet
from monai_unlearnable.perturbations import (
    Combined,
    ErrorMinimizing,
    MemberObjective,
    Objective,
    ObjectiveLoss,
    PatternFamily,
    Perturbation,
    TargetedAdversarial,
    in_region,
    on_grid,
)
from monai_unlearnable.sources import Source, Task
from monai_unlearnable.surrogates import (
    InOrder,
    IntensityWindow,
    MemberLoss,
    NetworkEnsemble,
    ReaderWays,
    ResampleTo,
    Surrogate,
    usual_ways,
    whole_ways,
)
from monai_unlearnable.workflows.context import ImageFacts, RecipeContext, objective_for
from monai_unlearnable.workflows.fineness import check_blocks, check_low_pass, in_blocks, wave_blocks
from monai_unlearnable.workflows.plain_recipe import NetworkFactory, Recipe

__all__ = [
    "NetworkFactory",
    "Recipe",
    "SurrogateRecipe",
    "preprocessing_for",
    "training_loss",
]


@dataclass(frozen=True, kw_only=True)
class SurrogateRecipe(Recipe):
    """What the two methods with a surrogate share.

    Attributes:
        networks: each builds a network from ``spatial_dims``, ``in_channels`` and ``num_classes``; deltas work on all
            of them at once. Of images with labels.
        dense_networks: the same of images with masks: to logits of every voxel.
        channels_last: lay weights and pictures out channels-last, which takes about two thirds of the time.
        surrogate_size_px: size that the surrogate sees; None for the native grid (images of one size only).
        learning_rate: of the surrogate's SGD.
        momentum: of the surrogate's SGD.
        weight_decay: of the surrogate's SGD.
        surrogate_batch_size: images in a surrogate step.
        dense_batch_size: the same of images with masks, of which each says more.
        dense_ways: the ways in which readers may load images with masks: builds a MONAI chain from ``spatial_dims``.
            Surrogates are trained, and deltas computed, in expectation over them; of small images the usual ways
            become :func:`~monai_unlearnable.surrogates.whole_ways`. None for the preprocessing alone.
        kept_patterns: patterns of the classes that keep a share of the radius, for the method to have the rest; None
            for the method alone.
        kept_share: that share.
        faint_share: share of the radius that the faint class uses, where a method or a pattern has one (see
            :meth:`RecipeContext.shares`).
        block_size_px: deltas, and the patterns below them, are even over blocks of so many stored pixels a side (see
            :class:`~monai_unlearnable.perturbations.OnGrid`); None for deltas as fine as the surrogate's view.
        low_pass_share: share of the waves along each axis that deltas keep, from the longest, in the place of blocks;
            the patterns below them are drawn in blocks that they can show. None for all.
        steps: delta steps in a pass.
        step_share: length of a delta step as a share of the radius.
    """

    said_if_given: ClassVar[tuple[str, ...]] = ("low_pass_share",)
    networks: tuple[NetworkFactory, ...] = (small_resnet,)
    dense_networks: tuple[NetworkFactory, ...] = (small_unet,)
    channels_last: bool = True
    surrogate_size_px: int | None = None
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4
    surrogate_batch_size: int = 64
    dense_batch_size: int = 8
    dense_ways: Callable[..., Compose] | None = usual_ways
    kept_patterns: PatternFamily | None = None
    kept_share: float = 0.5
    faint_share: float = 0.25
    block_size_px: int | None = None
    low_pass_share: float | None = None
    steps: int = 20
    step_share: float = 0.1

    def seen_at(self, size_px: int | None) -> SurrogateRecipe:
        """Let the surrogate look at this size, unless the recipe says which; see :meth:`Recipe.seen_at`."""
        size_px = size_px if self.surrogate_size_px is None else self.surrogate_size_px
        return replace(self, surrogate_size_px=size_px).with_patterns(lambda patterns: patterns.seen_at(size_px))

    def check_images(self, images: Source) -> None:
        """Refuse images that one block or one wave covers; see :meth:`Recipe.check_images`."""
        super().check_images(images)
        check_blocks(images, self.block_size_px)
        check_low_pass(images, self.low_pass_share, block_size_px=self.block_size_px)

    def seen_whole(self, *, spatial_dims: int) -> SurrogateRecipe:
        """Let the surrogate see images whole, unless it resamples them; see :meth:`Recipe.seen_whole`."""
        if self.surrogate_size_px is not None:
            return self
        ways = whole_ways if self.dense_ways is usual_ways else self.dense_ways
        fitted = replace(self, dense_ways=ways)
        return fitted.with_patterns(lambda patterns: patterns.seen_whole(spatial_dims=spatial_dims))

    def with_patterns(self, change: Callable[[PatternFamily], PatternFamily]) -> SurrogateRecipe:
        """Return the recipe with each of its patterns changed."""
        return replace(self, kept_patterns=self.kept_patterns and change(self.kept_patterns))

    @abstractmethod
    def perturbation(
        self, facts: ImageFacts, *, budget: AnyBudget, seed: int = 0
    ) -> ErrorMinimizing | TargetedAdversarial:
        """Return the method for images of this kind."""

    def perturbation_of(self, context: RecipeContext) -> ErrorMinimizing | TargetedAdversarial:
        """Return the method for the images of a run."""
        return self.perturbation(context.facts, budget=context.budget, seed=context.seed)

    def surrogate(self, facts: ImageFacts, *, seed: int = 0, device: str | torch.device = "cpu") -> Surrogate:
        """Build a surrogate whose weights follow from the seed alone."""
        with torch.random.fork_rng():
            torch.manual_seed(seed % 2**63)
            members = [
                build(spatial_dims=facts.spatial_dims, in_channels=facts.channels, num_classes=facts.num_classes)
                for build in self.builders(facts.task)
            ]
        preprocessing = preprocessing_for(facts, self.surrogate_size_px)
        network = NetworkEnsemble(members) if self.several(facts.task) else members[0]
        ways = self.ways(facts, seed=seed)
        return Surrogate(network, preprocessing, channels_last=self.channels_last, ways=ways).to(device)

    def ways(self, facts: ImageFacts, *, seed: int = 0) -> ReaderWays | None:
        """Return the ways in which readers may load images of this kind; None where those of masks alone are known."""
        if facts.task is not Task.SEGMENTATION or self.dense_ways is None:
            return None
        return ReaderWays(self.dense_ways(spatial_dims=facts.spatial_dims), seed=seed % 2**32)

    def builders(self, task: Task) -> tuple[NetworkFactory, ...]:
        """Return what builds the surrogate's networks for a task."""
        return self.dense_networks if task is Task.SEGMENTATION else self.networks

    def several(self, task: Task) -> bool:
        """Whether the surrogate is an ensemble."""
        return len(self.builders(task)) != 1

    def objective(self, facts: ImageFacts) -> Objective:
        """Return what the surrogate's logits are measured by."""
        objective = objective_for(facts.task)
        return MemberObjective(objective) if self.several(facts.task) else objective

    def trainer(self, context: RecipeContext, surrogate: Surrogate, *, clean: bool = False) -> SupervisedTrainer:
        """Return a stock trainer of the surrogate, on the clean images or on the protected ones of the moment."""
        optimizer = torch.optim.SGD(
            surrogate.parameters(), lr=self.learning_rate, momentum=self.momentum, weight_decay=self.weight_decay
        )
        task = context.source.task
        loss = training_loss(task)
        return SupervisedTrainer(
            device=context.device,
            max_epochs=1,
            train_data_loader=context.view_loader(
                surrogate,
                batch_size=self.dense_batch_size if task is Task.SEGMENTATION else self.surrogate_batch_size,
                clean=clean,
                largest_patch_values=self.largest_patch_values,
            ),
            network=surrogate,
            optimizer=optimizer,
            loss_function=MemberLoss(loss) if self.several(task) else loss,
            prepare_batch=PrepareViews(),
            decollate=False,
            train_handlers=list(context.trainer_handlers),
        )

    def coarse(self, patterns: PatternFamily) -> PatternFamily:
        """Return patterns of the blocks that deltas have, or that their waves can show."""
        return in_blocks(patterns, self.block_size_px or wave_blocks(self.low_pass_share))

    def _method(self, context: RecipeContext) -> Perturbation:
        method = on_grid(self.perturbation_of(context), self.surrogate_size_px, self.block_size_px, self.low_pass_share)
        if self.kept_patterns is None:
            return method
        pattern = context.synthetic(self.coarse(self.kept_patterns), faint_share=self.faint_share)
        return Combined(pattern=pattern, rest=method, share=self.kept_share)

    def engine(
        self,
        context: RecipeContext,
        surrogate: Surrogate,
        trainer: SupervisedTrainer,
        *,
        max_epochs: int,
        handlers: Sequence[Any],
    ) -> tuple[ProtectionEngine, SaveProtection]:
        """Return the engine with saving attached after the other handlers of a pass."""
        items = {"surrogate": surrogate, "optimizer": trainer.optimizer, "trainer": trainer}
        save = SaveProtection(context.checkpoint, store=context.store, save_dict=items)
        engine = ProtectionEngine(
            device=context.device,
            max_epochs=max_epochs,
            train_data_loader=self.loader(context),
            perturbation=in_region(self._method(context), self.region),
            store=context.store,
            surrogate=surrogate,
            key=context.key,
            decollate=False,
            train_handlers=[*handlers, save, *context.handlers],
        )
        return engine, save


def preprocessing_for(facts: ImageFacts, size_px: int | None) -> nn.Module:
    """Return what a network sees images of this kind through; ``size_px`` None keeps their grid."""
    low, high = facts.window_levels or (-1.0, 1.0)  # own windows are mapped there before the preprocessing
    window = IntensityWindow(low_level=low, high_level=high)
    return window if size_px is None else InOrder(window, ResampleTo(size_px=size_px))


def training_loss(task: Task) -> nn.Module:
    """Return the loss that a network is trained with for a task: cross-entropy, with Dice where labels are masks."""
    if task is Task.SEGMENTATION:
        return ObjectiveLoss(objective_for(task))
    return nn.BCEWithLogitsLoss() if task is Task.MULTI_LABEL else nn.CrossEntropyLoss()
