"""The network and the stock trainer of one victim."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from ignite.metrics import Average
from monai.engines import SupervisedTrainer
from monai.handlers import LrScheduleHandler
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import BatchSampler, DataLoader, RandomSampler

from monai_unlearnable.audit.batches import Batch, WholeBatches
from monai_unlearnable.audit.dense_training import DenseLoss
from monai_unlearnable.audit.loading import ImageSet, fitted_images
from monai_unlearnable.audit.starts import LastLayersOnly, StartingWeights, class_layers, load_start
from monai_unlearnable.audit.victims import VictimRecipe
from monai_unlearnable.countermeasures import AdversarialTraining
from monai_unlearnable.errors import DivergedError
from monai_unlearnable.sources.base import Task

__all__ = ["fit_victim", "own_weights", "training_loader", "victim_network", "victim_trainer"]


def fit_victim(recipe: VictimRecipe, train: ImageSet, *, seed: int, device: torch.device) -> nn.Module:
    """Train a victim from scratch and return its network; nothing is scored.

    Args:
        recipe: the victim.
        train: images that it is trained on.
        seed: of weights, order of images and augmentation.
        device: where to train.

    Raises:
        NotApplicableError: the victim's countermeasure is none for these images or labels.
        DivergedError: the loss is no longer finite.
    """
    train = fitted_images(train, recipe.fitted)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = victim_network(recipe, train, device=device)
        victim_trainer(recipe, network, train, seed=seed, device=device).run()
    return network


def victim_network(
    recipe: VictimRecipe, train: ImageSet, *, device: torch.device, start: StartingWeights | None = None
) -> nn.Module:
    """Build a victim's network with weights from torch's global generator, or with those that it starts from."""
    network = _build(recipe, train, train.class_count).to(device)
    if start is not None:
        load_start(network, start, own_weights(recipe, train))
    if recipe.start is not None and recipe.start.only_last:
        network = LastLayersOnly(network, own_weights(recipe, train))
    if train.spatial_dims == 2:  # faster convolutions on a CPU
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def own_weights(recipe: VictimRecipe, train: ImageSet) -> frozenset[str]:
    """Return the names of the weights that a victim takes from no other network: those that depend on its classes."""
    return class_layers(partial(_build, recipe, train), train.class_count)


def _build(recipe: VictimRecipe, train: ImageSet, classes: int) -> nn.Module:
    return recipe.network(spatial_dims=train.spatial_dims, in_channels=train.channels, num_classes=classes)


def victim_trainer(
    recipe: VictimRecipe, network: nn.Module, train: ImageSet, *, seed: int, device: torch.device
) -> SupervisedTrainer:
    """Return a stock trainer of a victim's network, with its optimizer, schedule, augmentation and countermeasures."""
    rate = recipe.learning_rate * (1.0 if recipe.start is None else recipe.start.rate_share)
    optimizer = recipe.optimizer(network, learning_rate=rate)
    loader = training_loader(recipe, train, seed=seed)
    steps = recipe.epochs * len(loader)
    schedule = OneCycleLR(optimizer, max_lr=rate, total_steps=steps, cycle_momentum=False)
    return SupervisedTrainer(
        device=device,
        max_epochs=recipe.epochs,
        train_data_loader=loader,
        network=network,
        optimizer=optimizer,
        loss_function=_loss(recipe, train.task),
        key_train_metric={"loss": Average(output_transform=_finite_loss)},
        train_handlers=[
            LrScheduleHandler(schedule, print_lr=False, epoch_level=False),  # type: ignore[arg-type]
            *_countermeasures(recipe, train, seed=seed),
        ],
        decollate=False,
    )


def _countermeasures(recipe: VictimRecipe, train: ImageSet, *, seed: int) -> list[Any]:
    # Each draws from a seed of its own.
    handlers = [
        one.handler(class_count=train.class_count, seed=seed + place)
        for place, one in enumerate(recipe.training, start=1)
    ]
    return handlers if recipe.adversarial is None else [*handlers, AdversarialTraining(recipe.adversarial, seed=seed)]


def _loss(recipe: VictimRecipe, task: Task) -> nn.Module:
    if task is Task.SEGMENTATION:
        return DenseLoss(recipe.name)
    return nn.CrossEntropyLoss() if task is Task.SINGLE_LABEL else nn.BCEWithLogitsLoss()


def training_loader(recipe: VictimRecipe, train: ImageSet, *, seed: int) -> DataLoader[Batch]:
    """Return whole batches of training images in an order, and with an augmentation, that follow from the seed."""
    order = torch.Generator().manual_seed(seed)
    augmentation = torch.Generator().manual_seed(seed + 1) if recipe.augment else None
    patches = None
    if recipe.patch_size_px is not None:
        patches = (recipe.patch_size_px, torch.Generator().manual_seed(seed + 2))
    batches = WholeBatches(train, generator=augmentation, patches=patches, shift=recipe.shift)
    # A left-over batch of a few images would give batch normalisation poor statistics.
    sampler = BatchSampler(RandomSampler(batches, generator=order), min(recipe.batch_size, len(train)), drop_last=True)
    return DataLoader(batches, sampler=sampler, batch_size=None)


def _finite_loss(output: dict[str, Tensor]) -> float:
    loss = float(output["loss"])
    if not math.isfinite(loss):
        raise DivergedError(
            f"the victim's training loss is {loss}; a score would mean nothing. Give it a lower learning_rate."
        )
    return loss
