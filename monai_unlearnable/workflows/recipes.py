"""How each method is set up as an engine: surrogate, its training, passes and stop rule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from monai.data import DataLoader
from monai.engines import SupervisedTrainer
from torch import nn

from monai_unlearnable.budgets import Budget
from monai_unlearnable.engines import (
    PrepareClean,
    PrepareProtected,
    ProtectionEngine,
    SaveProtection,
    StopWhenFitted,
    TrainSurrogate,
)
from monai_unlearnable.networks import small_resnet
from monai_unlearnable.perturbations import (
    ComplementTarget,
    ErrorMinimizing,
    MultiLabelObjective,
    NextClassTarget,
    Objective,
    SingleLabelObjective,
    Synthetic,
    TargetedAdversarial,
    TargetMap,
)
from monai_unlearnable.sources import Source, Task
from monai_unlearnable.sources.dataset import ShapeBatches, SourceDataset
from monai_unlearnable.stores import ClassKey, MappedStore, SampleKey
from monai_unlearnable.surrogates import IntensityWindow, ResampleTo, Surrogate

__all__ = ["ErrorMinimizingRecipe", "Recipe", "RecipeContext", "SyntheticRecipe", "TargetedAdversarialRecipe"]

NetworkFactory = Callable[..., nn.Module]


@dataclass(frozen=True, kw_only=True)
class RecipeContext:
    """What every recipe is given.

    Attributes:
        source: the images.
        budget: how large a delta may be.
        store: where the deltas go.
        seed: seed of networks, orders and patterns.
        checkpoint: private folder for checkpoints.
        device: where to compute.
        window_levels: levels that become -1 and 1 for the surrogate; None for the budget's range.
        handlers: more handlers for the engine.
        trainer_handlers: handlers for the surrogate's trainer.
    """

    source: Source
    budget: Budget
    store: MappedStore
    seed: int
    checkpoint: Path
    device: torch.device
    window_levels: tuple[float, float] | None = None
    handlers: Sequence[Any] = ()
    trainer_handlers: Sequence[Any] = ()

    @property
    def num_classes(self) -> int:
        """Classes, or label columns."""
        return len(self.source.class_names)

    @property
    def objective(self) -> Objective:
        """The loss that fits the labels."""
        return MultiLabelObjective() if self.source.task is Task.MULTI_LABEL else SingleLabelObjective()

    @property
    def key(self) -> SampleKey | ClassKey:
        """Own deltas when the store is keyed by sample id, else class-wise ones."""
        return SampleKey() if self.source.sample_ids[0] in self.store else ClassKey()

    def loader(self, *, batch_size: int, shuffle: bool) -> DataLoader:
        """Return batches of the source's images in levels."""
        batches = ShapeBatches(self.source, batch_size=batch_size, shuffle=shuffle, seed=self.seed)
        return DataLoader(SourceDataset(self.source), batch_sampler=batches, num_workers=0)


@dataclass(frozen=True, kw_only=True)
class Recipe(ABC):
    """A method with all its settings.

    Attributes:
        class_wise: one delta for each class in the place of one for each image.
        batch_size: images in a batch of the engine.
    """

    name: ClassVar[str]
    class_wise: bool = False
    batch_size: int = 128

    @abstractmethod
    def build(self, context: RecipeContext) -> tuple[ProtectionEngine, SaveProtection]:
        """Return the engine, and the handler that can resume it."""

    def describe(self) -> dict[str, Any]:
        """Return all settings as JSON values; a factory by its dotted name."""
        return {"method": self.name} | {
            key: f"{value.__module__}.{value.__qualname__}" if callable(value) else value
            for key, value in asdict(self).items()
        }


@dataclass(frozen=True, kw_only=True)
class SyntheticRecipe(Recipe):
    """Block patterns; no surrogate, one pass.

    Attributes:
        blocks_per_axis: blocks along each axis.
        faint_share: share of the radius that the rarest class's pattern uses (single-label sets).
    """

    name: ClassVar[str] = Synthetic.name
    blocks_per_axis: int = 7
    faint_share: float = 0.25

    def build(self, context: RecipeContext) -> tuple[ProtectionEngine, SaveProtection]:
        """Return an engine of one pass."""
        multi = context.source.task is Task.MULTI_LABEL
        counts = [] if multi else np.bincount(context.source.labels, minlength=context.num_classes).tolist()
        method = Synthetic(
            budget=context.budget,
            num_classes=context.num_classes,
            seed=context.seed,
            blocks_per_axis=self.blocks_per_axis,
            shares=None if multi else Synthetic.shares_for(counts, faint_share=self.faint_share),
        )
        save = SaveProtection(context.checkpoint, store=context.store, save_dict={})
        engine = ProtectionEngine(
            device=context.device,
            max_epochs=1,
            train_data_loader=context.loader(batch_size=self.batch_size, shuffle=False),
            perturbation=method,
            store=context.store,
            key=context.key,
            train_handlers=[save, *context.handlers],
        )
        return engine, save


@dataclass(frozen=True, kw_only=True)
class SurrogateRecipe(Recipe):
    """What the two methods with a surrogate share.

    Attributes:
        network: builds the surrogate's network from ``spatial_dims``, ``in_channels`` and ``num_classes``.
        surrogate_size_px: size that the surrogate sees; None for the native grid (images of one size only).
        learning_rate: of the surrogate's SGD.
        momentum: of the surrogate's SGD.
        weight_decay: of the surrogate's SGD.
        surrogate_batch_size: images in a surrogate step.
        steps: delta steps in a pass.
        step_share: length of a delta step as a share of the radius.
    """

    network: NetworkFactory = field(default=small_resnet)
    surrogate_size_px: int | None = None
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4
    surrogate_batch_size: int = 64
    steps: int = 20
    step_share: float = 0.1

    def surrogate(self, context: RecipeContext) -> Surrogate:
        """Build a surrogate whose weights follow from the seed alone."""
        shape = context.source.shape(0)
        with torch.random.fork_rng():
            torch.manual_seed(context.seed % 2**63)
            network = self.network(spatial_dims=len(shape) - 1, in_channels=shape[0], num_classes=context.num_classes)
        low, high = context.window_levels or (context.budget.low_level, context.budget.high_level)
        window = IntensityWindow(low_level=low, high_level=high)
        size = self.surrogate_size_px
        preprocessing = window if size is None else nn.Sequential(window, ResampleTo(size_px=size))
        return Surrogate(network, preprocessing).to(context.device)

    def trainer(
        self, context: RecipeContext, surrogate: Surrogate, *, prepare: Any, epoch_length: int | None
    ) -> SupervisedTrainer:
        """Return a stock trainer of the surrogate."""
        optimizer = torch.optim.SGD(
            surrogate.parameters(), lr=self.learning_rate, momentum=self.momentum, weight_decay=self.weight_decay
        )
        loss: nn.Module = nn.BCEWithLogitsLoss() if context.source.task is Task.MULTI_LABEL else nn.CrossEntropyLoss()
        return SupervisedTrainer(
            device=context.device,
            max_epochs=1,
            train_data_loader=context.loader(batch_size=self.surrogate_batch_size, shuffle=True),
            network=surrogate,
            optimizer=optimizer,
            loss_function=loss,
            prepare_batch=prepare,
            epoch_length=epoch_length,
            decollate=False,
            train_handlers=list(context.trainer_handlers),
        )

    def engine(
        self,
        context: RecipeContext,
        surrogate: Surrogate,
        trainer: SupervisedTrainer,
        perturbation: ErrorMinimizing | TargetedAdversarial,
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
            train_data_loader=context.loader(batch_size=self.batch_size, shuffle=False),
            perturbation=perturbation,
            store=context.store,
            surrogate=surrogate,
            key=context.key,
            decollate=False,
            train_handlers=[*handlers, save, *context.handlers],
        )
        return engine, save


@dataclass(frozen=True, kw_only=True)
class ErrorMinimizingRecipe(SurrogateRecipe):
    """Alternate surrogate training on protected images with error-minimizing passes over all deltas.

    Attributes:
        max_rounds: largest number of rounds.
        min_rounds: rounds that are made in any case.
        training_batches: surrogate steps in a round.
        stop_error: surrogate error on the protected images at which the rounds end.
    """

    name: ClassVar[str] = ErrorMinimizing.name
    max_rounds: int = 10
    min_rounds: int = 3
    training_batches: int = 10
    stop_error: float = 0.01

    def build(self, context: RecipeContext) -> tuple[ProtectionEngine, SaveProtection]:
        """Return the alternating engine."""
        surrogate = self.surrogate(context)
        prepare = PrepareProtected(context.store, context.key, context.budget)
        trainer = self.trainer(context, surrogate, prepare=prepare, epoch_length=self.training_batches)
        method = ErrorMinimizing(
            budget=context.budget, steps=self.steps, step_share=self.step_share, objective=context.objective
        )
        handlers = [TrainSurrogate(trainer), StopWhenFitted(self.stop_error, min_epochs=self.min_rounds)]
        return self.engine(context, surrogate, trainer, method, max_epochs=self.max_rounds, handlers=handlers)


@dataclass(frozen=True, kw_only=True)
class TargetedAdversarialRecipe(SurrogateRecipe):
    """Train a surrogate on the clean images, then one pass of targeted deltas.

    Attributes:
        surrogate_epochs: epochs of clean training.
        steps: delta steps of one restart.
        restarts: starts; the best result is kept.
    """

    name: ClassVar[str] = TargetedAdversarial.name
    surrogate_epochs: int = 40
    steps: int = 50
    restarts: int = 1

    def build(self, context: RecipeContext) -> tuple[ProtectionEngine, SaveProtection]:
        """Return an engine of one pass."""
        surrogate = self.surrogate(context)
        trainer = self.trainer(context, surrogate, prepare=PrepareClean(), epoch_length=None)
        multi = context.source.task is Task.MULTI_LABEL
        target: TargetMap = ComplementTarget() if multi else NextClassTarget(context.num_classes)
        method = TargetedAdversarial(
            budget=context.budget,
            target=target,
            steps=self.steps,
            step_share=self.step_share,
            restarts=self.restarts,
            seed=context.seed % 2**63,
            objective=context.objective,
        )
        handlers = [TrainSurrogate(trainer, epochs=self.surrogate_epochs, every=None)]
        return self.engine(context, surrogate, trainer, method, max_epochs=1, handlers=handlers)
