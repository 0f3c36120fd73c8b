"""Tiny images, labels and surrogates for tests of the mathematics."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from monai_unlearnable.perturbations import PerturbationBatch
from monai_unlearnable.surrogates import InOrder, IntensityWindow, ResampleTo, Surrogate

CLASSES = 3


def whole_images(shape: tuple[int, ...], *, seed: int = 0, low: int = 0, high: int = 255) -> Tensor:
    """Return images of whole levels, both ends of the range included."""
    image = torch.randint(low, high + 1, shape, generator=torch.Generator().manual_seed(seed)).float()
    image.flatten()[:2] = torch.tensor([float(low), float(high)])
    return image


def linear_surrogate(shape: tuple[int, ...], *, classes: int = CLASSES, seed: int = 0) -> Surrogate:
    """Return a linear surrogate with weights large enough for losses to move."""
    network = nn.Linear(int(torch.tensor(shape[1:]).prod()), classes)
    with torch.no_grad():
        network.weight.copy_(0.3 * torch.randn(network.weight.shape, generator=torch.Generator().manual_seed(seed)))
        network.bias.zero_()
    return Surrogate(nn.Sequential(nn.Flatten(), network), IntensityWindow())


def make_batch(shape: tuple[int, ...], label: Tensor, *, owner: list[int] | None = None) -> PerturbationBatch:
    """Return a batch whose deltas are zero; with an owner, images stay far from the ends of their range."""
    image = whole_images(shape) if owner is None else whole_images(shape, low=100, high=150)
    deltas = len(label) if owner is None else max(owner) + 1
    return PerturbationBatch(
        image,
        label,
        torch.zeros(deltas, *shape[1:]),
        None if owner is None else torch.tensor(owner),
        tuple("abcdefgh"[: len(label)]),
    )


class OneLayer(nn.Module):
    """A generator of one linear layer in every voxel: ``tanh(0.7 * image of the channel + weight of the class)``."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(0.9, -0.8, classes))

    def forward(self, planes: Tensor) -> Tensor:
        classes = len(self.weight)
        image, label = planes[:, :-classes], planes[:, -classes:]
        of_class = (label.movedim(1, -1) * self.weight).sum(-1)
        return torch.tanh(0.7 * image + of_class[:, None])


def one_layer_generator(classes: int, *, size_px: int | None = None) -> Surrogate:
    """Return a generator whose deltas a test can compute itself."""
    window = IntensityWindow()
    return Surrogate(OneLayer(classes), window if size_px is None else InOrder(window, ResampleTo(size_px=size_px)))
