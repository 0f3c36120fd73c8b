"""The generator method: trained with its surrogates, or taken from an earlier run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from monai.engines import SupervisedTrainer
from torch import Tensor, nn

from monai_unlearnable.budgets import AnyBudget, LinfBudget
from monai_unlearnable.dense_networks import small_unet
from monai_unlearnable.engines import (
    GeneratorWithSurrogates,
    PrepareGeneratorViews,
    ProtectionEngine,
    RenewSurrogates,
    SaveProtection,
    TrainGenerator,
    ViewLimits,
)
from monai_unlearnable.errors import BudgetError
from monai_unlearnable.networks import small_densenet, small_resnet
from monai_unlearnable.perturbations import (
    Checks,
    GeneratedDeltas,
    PatternedGenerator,
    PatternFamily,
    Salient,
    Stripes,
    in_region,
    small_generator,
)
from monai_unlearnable.sources import Task
from monai_unlearnable.surrogates import Surrogate
from monai_unlearnable.workflows.context import ImageFacts, RecipeContext
from monai_unlearnable.workflows.kept_generator import KeptGenerator
from monai_unlearnable.workflows.recipe_base import NetworkFactory, Recipe, preprocessing_for, training_loss
from monai_unlearnable.workflows.view_limits import find_view_limits, view_radii

__all__ = ["GeneratorRecipe"]

_SEEDS = 2**63


@dataclass(frozen=True, kw_only=True)
class GeneratorRecipe(Recipe):
    """Train a generator and surrogates to lower one loss (min-min), then one forward pass for each image.

    Attributes:
        generator_network: builds the generator from ``spatial_dims``, ``in_channels`` of an image and ``num_classes``.
        networks: each builds a surrogate; those of the pool are of each in turn. Of images with labels.
        dense_networks: the same of images with masks.
        channels_last: lay weights and pictures out channels-last, which takes about two thirds of the time.
        surrogate_size_px: size that networks see; None for the native grid (images of one size only).
        epochs: of the training.
        pool: number of surrogates, of different ages, that take turns; a step costs the same whatever it is.
        surrogate_steps: a surrogate starts anew after so many of its own steps.
        young_share: for that share of its steps the generator does not follow a surrogate.
        generator_learning_rate: of the generator's AdamW, without weight decay.
        surrogate_learning_rate: of the surrogates' AdamW.
        surrogate_weight_decay: of the surrogates' AdamW.
        surrogate_batch_size: images in a step.
        dense_batch_size: the same of images with masks.
        flip: flip images and deltas together in training.
        shift_share: shift them by up to this share of each axis; of small volumes, which networks see whole, none.
        kept_share: share of the radius that the patterns of the classes keep; the network has the rest.
        faint_share: of these patterns, how strong that of the faint class is (see
            :meth:`RecipeContext.shares`; columns of several labels are equally strong).
        generator_ledger: ledger of an earlier run whose generator is used: nothing is trained. Task, classes, channels
            and radius must be those of that run; networks look at images as they did there.
    """

    name: ClassVar[str] = GeneratedDeltas.name
    generator_network: NetworkFactory = small_generator
    networks: tuple[NetworkFactory, ...] = (small_resnet, small_densenet)
    dense_networks: tuple[NetworkFactory, ...] = (small_unet,)
    channels_last: bool = True
    surrogate_size_px: int | None = None
    epochs: int = 15
    pool: int = 3
    surrogate_steps: int = 300
    young_share: float = 0.4
    generator_learning_rate: float = 5e-4
    surrogate_learning_rate: float = 1e-3
    surrogate_weight_decay: float = 5e-4
    surrogate_batch_size: int = 64
    dense_batch_size: int = 8
    flip: bool = True
    shift_share: float = 0.125
    kept_share: float = 0.7
    faint_share: float = 0.25
    generator_ledger: str | Path | None = None

    def __post_init__(self) -> None:
        if self.class_wise:
            raise BudgetError("class_wise=True: a generator looks at each image, so each has a delta of its own.")
        if isinstance(self.region, Salient):
            raise BudgetError("salient voxels are those that a surrogate looks at, and a generator's pass has none.")
        if self.pool < 1:
            raise BudgetError(f"pool={self.pool}: a generator is trained with at least 1 surrogate.")

    def seen_at(self, size_px: int | None) -> GeneratorRecipe:
        """Let the networks look at this size, unless the recipe says which; see :meth:`Recipe.seen_at`."""
        if self.generator_ledger is not None:
            kept = KeptGenerator.read(self.generator_ledger)
            kept.require_size(size_px)
            return replace(self, surrogate_size_px=kept.seen_px)
        return self if self.surrogate_size_px is not None else replace(self, surrogate_size_px=size_px)

    def seen_whole(self, *, spatial_dims: int) -> GeneratorRecipe:
        """Do not shift volumes that networks see whole; see :meth:`Recipe.seen_whole`."""
        still = spatial_dims == 3 and self.surrogate_size_px is None
        return replace(self, shift_share=0.0) if still else self

    def describe(self) -> dict[str, Any]:
        """Return the settings that count as JSON values; an earlier run's generator by the hash of its file."""
        settings = super().describe()
        if self.generator_ledger is None:
            return settings
        used = [one.name for one in fields(Recipe)]
        used += ["method", "generator_network", "channels_last", "surrogate_size_px"]
        sha256 = KeptGenerator.read(self.generator_ledger).sha256
        return {name: settings[name] for name in used} | {"generator_sha256": sha256}

    def build_generator(self, facts: ImageFacts, *, seed: int = 0, device: str | torch.device = "cpu") -> Surrogate:
        """Build a generator whose weights follow from the seed alone, with what it sees images through."""
        preprocessing = preprocessing_for(facts, self.surrogate_size_px)
        network = _seeded(self.generator_network, facts, seed=seed)
        if isinstance(network, PatternedGenerator):
            network.patterns = self._patterns(facts)
        return Surrogate(network, preprocessing, channels_last=self.channels_last).to(device)

    def perturbation(self, facts: ImageFacts, *, budget: AnyBudget, generator: Surrogate) -> GeneratedDeltas:
        """Return the method for images of this kind."""
        return GeneratedDeltas(
            budget=budget, generator=generator, num_classes=facts.num_classes, size_px=self.surrogate_size_px
        )

    def build(self, context: RecipeContext) -> tuple[ProtectionEngine, SaveProtection]:
        """Return an engine of one pass, before which the generator is trained.

        Raises:
            LedgerError: an earlier run's generator is not for such images or budgets; the message names why.
        """
        generator = self.build_generator(context.facts, seed=context.seed, device=context.device)
        self._keep_patterns(generator.network, context)
        if self.generator_ledger is not None:
            self._load(generator, context)
            save = SaveProtection(context.checkpoint, store=context.store, save_dict={})
            return self._engine(context, generator, save, handlers=[]), save
        trainer = self.trainer(context, self._with_surrogates(context, generator))
        items = {"networks": trainer.network, "optimizer": trainer.optimizer, "trainer": trainer}
        save = SaveProtection(context.checkpoint, store=context.store, save_dict=items)
        train = TrainGenerator(trainer, epochs=self.epochs, save=save)
        return self._engine(context, generator, save, handlers=[train]), save

    def _patterns(self, facts: ImageFacts) -> PatternFamily:
        whole = facts.task is Task.SEGMENTATION and facts.spatial_dims == 3 and self.surrogate_size_px is None
        return Checks() if whole else Stripes()

    def _keep_patterns(self, network: nn.Module, context: RecipeContext) -> None:
        if not isinstance(network, PatternedGenerator):
            return
        classes = context.num_classes
        shares = context.shares(faint_share=self.faint_share, patterns=network.patterns)
        each = shares if shares is not None and len(shares) == classes else (1.0,) * classes
        network.keep(self.kept_share, strengths=each, opposed_channels=context.opposed_channels)

    def _load(self, generator: Surrogate, context: RecipeContext) -> None:
        kept = KeptGenerator.read(str(self.generator_ledger), device=context.device)
        kept.require_images(context.facts)
        kept.require_region(self.region)
        kept.require_budget(context.budget.norm_name, view_radii(find_view_limits(context)))
        kept.load_into(generator)

    def trainer(self, context: RecipeContext, networks: GeneratorWithSurrogates) -> SupervisedTrainer:
        """Return a stock trainer of the generator and its surrogates, on the clean images."""
        task = context.source.task
        groups = [
            {"params": networks.generator.parameters(), "lr": self.generator_learning_rate, "weight_decay": 0.0},
            {"params": networks.surrogates.parameters(), "lr": self.surrogate_learning_rate},
        ]
        limits = find_view_limits(context)
        trainer = SupervisedTrainer(
            device=context.device,
            max_epochs=self.epochs,
            train_data_loader=context.view_loader(
                networks.generator,
                batch_size=self.dense_batch_size if task is Task.SEGMENTATION else self.surrogate_batch_size,
                clean=True,
                largest_patch_values=self.largest_patch_values,
                region=self.region,
            ),
            network=networks,
            optimizer=torch.optim.AdamW(groups, weight_decay=self.surrogate_weight_decay),
            loss_function=training_loss(task),
            prepare_batch=PrepareGeneratorViews(lambda ids: _stacked([limits[one] for one in ids])),
            decollate=False,
            # Surrogates whose turn it is not have no gradient, and must not be moved by the momentum of an older one.
            optim_set_to_none=True,
            train_handlers=[*context.trainer_handlers],
        )
        RenewSurrogates(self._new_weights(context)).attach(trainer)
        return trainer

    def _engine(
        self, context: RecipeContext, generator: Surrogate, save: SaveProtection, *, handlers: Sequence[Any]
    ) -> ProtectionEngine:
        method = self.perturbation(context.facts, budget=context.budget, generator=generator)
        return ProtectionEngine(
            device=context.device,
            max_epochs=1,
            train_data_loader=self.loader(context),
            perturbation=in_region(method, self.region),
            store=context.store,
            key=context.key,
            decollate=False,
            train_handlers=[*handlers, save, *context.handlers],
        )

    def _with_surrogates(self, context: RecipeContext, generator: Surrogate) -> GeneratorWithSurrogates:
        surrogates = [
            Surrogate(self._surrogate(context, number, 0), nn.Identity(), channels_last=self.channels_last)
            for number in range(self.pool)
        ]
        return GeneratorWithSurrogates(
            generator,
            surrogates,
            num_classes=context.num_classes,
            on_half_grid=self.surrogate_size_px is not None,
            l2=context.budget.norm_name != LinfBudget.norm_name,
            seed=context.seed,
            flip=self.flip,
            shift_share=self.shift_share,
            life_steps=self.surrogate_steps,
            young_share=self.young_share,
        ).to(context.device)

    def _surrogate(self, context: RecipeContext, number: int, start: int) -> nn.Module:
        """Build surrogate ``number`` of the pool for its ``start``-th time; weights follow from these and the seed."""
        builders = self.dense_networks if context.source.task is Task.SEGMENTATION else self.networks
        seed = context.seed + 1 + number + start * self.pool
        return _seeded(builders[number % len(builders)], context.facts, seed=seed)

    def _new_weights(self, context: RecipeContext) -> Callable[[int, int], dict[str, Tensor]]:
        def weights(number: int, start: int) -> dict[str, Tensor]:
            fresh = Surrogate(self._surrogate(context, number, start), nn.Identity())
            return fresh.state_dict()

        return weights


def _seeded(build: NetworkFactory, facts: ImageFacts, *, seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed % _SEEDS)
        return build(spatial_dims=facts.spatial_dims, in_channels=facts.channels, num_classes=facts.num_classes)


def _stacked(limits: Sequence[ViewLimits]) -> ViewLimits:
    names = [one.name for one in fields(ViewLimits)]
    return ViewLimits(**{name: torch.cat([getattr(one, name) for one in limits]) for name in names})
