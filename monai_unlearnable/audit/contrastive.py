"""Training of a network without labels, by telling versions of images apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import torch
from monai.engines import SupervisedTrainer
from monai.handlers import LrScheduleHandler
from monai.losses import ContrastiveLoss
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR

from monai_unlearnable.audit.loading import ImageSet
from monai_unlearnable.audit.self_supervision import SelfSupervision
from monai_unlearnable.audit.starts import StartingWeights, last_layer
from monai_unlearnable.audit.victim_trainer import training_loader, victim_network
from monai_unlearnable.audit.victims import VictimRecipe
from monai_unlearnable.countermeasures import StronglyAugmented

__all__ = ["learn_without_labels"]

_HIDDEN, _PROJECTED = 128, 64
_PROBABILITY = 0.8
_Prepared: TypeAlias = tuple[Tensor, Tensor]


def learn_without_labels(
    recipe: VictimRecipe, how: SelfSupervision, train: ImageSet, *, seed: int, device: torch.device
) -> StartingWeights:
    """Train a victim's network on images alone and return its weights without those of its last layer.

    In the place of the last layer there are two while this lasts, which are thrown away (SimCLR, section 4.2).

    Args:
        recipe: the victim.
        how: settings of this training.
        train: images, as the victim sees them.
        seed: of weights, order of images and augmentation.
        device: where to train.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = victim_network(replace(recipe, start=None), train, device=device)
        name = _give_head(network)
        network.to(device)
        _trainer(recipe, how, network, train, seed=seed, device=device).run()
    return {key: one.detach().clone() for key, one in network.state_dict().items() if not key.startswith(f"{name}.")}


def _give_head(network: nn.Module) -> str:
    """Put two layers in the place of the last one, and return its name."""
    name, last = last_layer(network)
    above, _, own = name.rpartition(".")
    width = int(last.weight.shape[1])  # type: ignore[index]
    head = nn.Sequential(nn.Linear(width, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, _PROJECTED))
    setattr(network.get_submodule(above), own, head)
    return name


def _trainer(
    recipe: VictimRecipe,
    how: SelfSupervision,
    network: nn.Module,
    train: ImageSet,
    *,
    seed: int,
    device: torch.device,
) -> SupervisedTrainer:
    loader = training_loader(replace(recipe, batch_size=how.batch_size), train, seed=seed)
    epochs = how.times_epochs * recipe.epochs
    optimizer = AdamW(network.parameters(), lr=how.learning_rate, weight_decay=5e-4)
    schedule = OneCycleLR(optimizer, max_lr=how.learning_rate, total_steps=epochs * len(loader), cycle_momentum=False)
    contrast = ContrastiveLoss(temperature=how.temperature)
    random = torch.Generator().manual_seed(seed)
    augment = StronglyAugmented(probability=_PROBABILITY)

    def two_versions(batch: Mapping[str, Any], *_: Any, **__: Any) -> _Prepared:
        images, labels = batch["image"].to(device), batch["label"]
        several = [augment(images, labels, class_count=None, random=random)[0] for _ in range(2)]
        return torch.cat(several), labels

    return SupervisedTrainer(
        device=device,
        max_epochs=epochs,
        train_data_loader=loader,
        network=network,
        optimizer=optimizer,
        loss_function=lambda seen, _: contrast(*seen.chunk(2)),
        prepare_batch=two_versions,
        train_handlers=[LrScheduleHandler(schedule, print_lr=False, epoch_level=False)],  # type: ignore[arg-type]
        decollate=False,
    )
