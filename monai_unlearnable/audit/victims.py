"""How a victim is built and trained: everything that a reader of the report needs to repeat it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from monai_unlearnable.audit.clean_parts import CleanPart
from monai_unlearnable.audit.pretraining import Pretraining
from monai_unlearnable.audit.self_supervision import SelfSupervision
from monai_unlearnable.audit.sizes import INTERPOLATIONS
from monai_unlearnable.audit.stopped_early import StoppedEarly
from monai_unlearnable.callables import describe_callable
from monai_unlearnable.countermeasures import (
    AdversarialSteps,
    FittedCountermeasure,
    PictureTransform,
    TrainingCountermeasure,
)
from monai_unlearnable.dense_networks import small_unet
from monai_unlearnable.networks import small_resnet
from monai_unlearnable.sources.base import Task

__all__ = [
    "DENSE_RECIPE",
    "NetworkFactory",
    "OptimizerFactory",
    "VictimRecipe",
    "adam_optimizer",
    "default_recipe",
    "sgd_optimizer",
]


class NetworkFactory(Protocol):
    """Builds a network from images ``(batch, in_channels, *space)`` to logits ``(batch, num_classes)``.

    For segmentation the logits are ``(batch, num_classes, *space)``.
    """

    def __call__(self, *, spatial_dims: int, in_channels: int, num_classes: int) -> nn.Module:
        """Build the network with weights from torch's global generator."""


class OptimizerFactory(Protocol):
    """Builds the optimizer of a network at a (peak) learning rate."""

    def __call__(self, network: nn.Module, *, learning_rate: float) -> Optimizer:
        """Build the optimizer."""


def sgd_optimizer(network: nn.Module, *, learning_rate: float) -> Optimizer:
    """Stochastic gradient descent, Nesterov momentum 0.9, weight decay 5e-4."""
    return SGD(network.parameters(), lr=learning_rate, momentum=0.9, nesterov=True, weight_decay=5e-4)


def adam_optimizer(network: nn.Module, *, learning_rate: float) -> Optimizer:
    """AdamW with weight decay 5e-4."""
    return AdamW(network.parameters(), lr=learning_rate, weight_decay=5e-4)


@dataclass(frozen=True, kw_only=True)
class VictimRecipe:
    """One kind of victim, trained from scratch unless it says otherwise.

    The defaults are what gave a good clean baseline in 20 epochs on small sets: a one-cycle learning rate (warm-up
    to ``learning_rate``, then cosine annealing to zero) and no augmentation. Flips and shifts did not raise the
    clean BreastMNIST accuracy at 20 epochs; switch them on to see a reader who augments.

    Attributes:
        name: how reports call this victim.
        network: builds the network.
        optimizer: builds the optimizer.
        epochs: passes over the training images.
        batch_size: images in a batch; what is left over at the end of an epoch is dropped.
        learning_rate: peak of the one-cycle schedule.
        image_size_px: images are interpolated to this size; None keeps the stored grid, with a border around images
            with masks where they have several sizes.
        interpolation: how that is done: ``linear`` (antialiased in 2D), ``area``, ``cubic`` (2D) or ``nearest``.
        patch_size_px: train on random patches of this size, of images on their stored grid, and slide a window of it
            over test images, as is usual for volumes (MONAI's ``RandCropByPosNegLabel`` and
            ``SlidingWindowInferer``); None for whole images. Of segmentation only.
        augment: flip along the last axis and shift by up to an eighth, at random, image by image.
        shift: False leaves the shifts out of ``augment``.
        pictures: what the reader does to every image of the files, in this order, before training and before testing.
        fitted: what the reader first fits to the training images, at the size that the victim sees, and then does to
            them, in this order; test images stay as they are.
        adversarial: trains adversarially, with steps in units in which a window is -1 to 1; None
            for plain training.
        start: what the victim has learnt before; None starts from scratch.
        clean_part: share of the training images that is not protected; None where all are.
        early_stopping: share of the images that the reader has clean and stops by; None trains to the end.
        baseline: the victim whose trainings on clean files are this one's, too; None for its own.
        training: what the reader does to every batch of the training, in this order, in the same units.

    Raises:
        ValueError: a value is out of its range.
    """

    name: str = "small_resnet"
    network: NetworkFactory = small_resnet
    optimizer: OptimizerFactory = sgd_optimizer
    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 0.1
    image_size_px: int | None = None
    interpolation: str = "linear"
    patch_size_px: int | None = None
    augment: bool = False
    shift: bool = True
    pictures: tuple[PictureTransform, ...] = ()
    fitted: tuple[FittedCountermeasure, ...] = ()
    adversarial: AdversarialSteps | None = None
    start: Pretraining | SelfSupervision | None = None
    clean_part: CleanPart | None = None
    early_stopping: StoppedEarly | None = None
    baseline: VictimRecipe | None = None
    training: tuple[TrainingCountermeasure, ...] = ()

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > 64 or not self.name.isprintable():
            raise ValueError(f"name={self.name!r}: a victim needs a printable name of 1 to 64 characters.")
        if self.epochs < 1 or self.batch_size < 2:
            raise ValueError(f"epochs={self.epochs}, batch_size={self.batch_size}: at least 1 and 2 are needed.")
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate={self.learning_rate}: must be positive and finite.")
        if self.image_size_px is not None and self.image_size_px < 4:
            raise ValueError(f"image_size_px={self.image_size_px}: at least 4 pixels are needed.")
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(f"interpolation={self.interpolation!r}: choose one of {', '.join(INTERPOLATIONS)}.")
        if self.patch_size_px is not None and (self.patch_size_px < 4 or self.image_size_px is not None):
            raise ValueError(
                f"patch_size_px={self.patch_size_px}, image_size_px={self.image_size_px}: patches have at least 4 "
                "pixels and are cut from images on their stored grid; leave image_size_px out."
            )

    @property
    def is_plain(self) -> bool:
        """Whether the reader takes no countermeasure."""
        does = (self.pictures, self.fitted, self.adversarial, self.training)
        has = (self.start, self.clean_part, self.early_stopping)
        return not any((*does, *has))

    @property
    def sees_release(self) -> bool:
        """Whether released images are among those that it is trained on."""
        return self.clean_part is None or not self.clean_part.alone

    def describe(self) -> dict[str, Any]:
        """Return everything that decides the outcome, as JSON values."""
        return {
            "name": self.name,
            "network": describe_callable(self.network),
            "optimizer": describe_callable(self.optimizer),
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "learning_rate_schedule": "one cycle",
            "image_size_px": self.image_size_px,
            **({} if self.interpolation == "linear" else {"interpolation": self.interpolation}),
            **({} if self.patch_size_px is None else {"patch_size_px": self.patch_size_px}),
            "augment": self.augment,
            **({} if self.shift else {"shift": False}),
            **({"pictures": [one.describe() for one in self.pictures]} if self.pictures else {}),
            **({"fitted": [one.describe() for one in self.fitted]} if self.fitted else {}),
            **({} if self.adversarial is None else {"adversarial": self.adversarial.describe()}),
            **({} if self.start is None else {"start": self.start.describe()}),
            **({} if self.clean_part is None else {"clean_part": self.clean_part.describe()}),
            **({} if self.early_stopping is None else {"early_stopping": self.early_stopping.describe()}),
            **({"training": [one.describe() for one in self.training]} if self.training else {}),
        }


def default_recipe(task: Task) -> VictimRecipe:
    """Return the victim of an audit that names none: ``small_resnet``, of segmentation :data:`DENSE_RECIPE`."""
    return DENSE_RECIPE if task is Task.SEGMENTATION else VictimRecipe()


DENSE_RECIPE = VictimRecipe(
    name="unet", network=small_unet, optimizer=adam_optimizer, batch_size=4, learning_rate=2e-3, augment=True
)
"""The victim of segmentation releases.

Batches are small and images augmented, as where people segment: on 24 MR volumes of 32 voxels a side (one seed, 20
epochs) batches of 4 gave a clean mean IoU of 0.57; on 192 endoscopies of 64 pixels batches of 8 gave 0.38 without flips
and shifts and 0.40 with them, and 0.36 at a learning rate of 5e-3.
"""
