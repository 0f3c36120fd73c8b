"""The images and the surrogate that several benchmarks use: 28 pixels, the small ResNet, batches of 128."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from monai_unlearnable.budgets import LinfBudget
from monai_unlearnable.networks import small_resnet
from monai_unlearnable.surrogates import IntensityWindow, Surrogate

BATCH_SIZE = 128
SIZE_PX = 28
CLASSES = 2
BUDGET = LinfBudget(radius_levels=8)
STEP_LEVELS = 1.0
STEP_SHARE = 0.125


@dataclass(frozen=True, eq=False)
class Images:
    """Images ``(n, 1, 28, 28)`` in levels, their labels ``(n,)`` and ids."""

    image: Tensor
    label: Tensor
    sample_ids: tuple[str, ...]


def images(count: int) -> Images:
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (count, 1, SIZE_PX, SIZE_PX), generator=generator).float()
    label = torch.arange(count) % CLASSES
    return Images(image, label, tuple(f"train/{number:06d}" for number in range(count)))


def surrogate(*, channels_last: bool = False) -> Surrogate:
    torch.manual_seed(0)
    network = small_resnet(spatial_dims=2, in_channels=1, num_classes=CLASSES)
    return Surrogate(network, IntensityWindow(), channels_last=channels_last)
