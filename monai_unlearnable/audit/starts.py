"""Networks that start from what another one has learnt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set

import torch
from torch import Tensor, nn

__all__ = ["LastLayersOnly", "StartingWeights", "class_layers", "last_layer", "load_start", "starting_weights"]

StartingWeights = Mapping[str, Tensor]
"""Weights of a network by their names, without those that depend on its classes."""


def class_layers(build: Callable[[int], nn.Module], classes: int) -> frozenset[str]:
    """Return the names of those weights of a network whose shapes depend on how many classes it tells apart.

    Of most networks that is the last layer; MONAI's ``UNet`` has two with a channel for each class.

    Args:
        build: a network for a number of classes.
        classes: that number.

    Example:
        >>> sorted(class_layers(lambda classes: nn.Sequential(nn.Linear(3, 2), nn.Linear(2, classes)), 5))
        ['1.bias', '1.weight']
    """
    with torch.random.fork_rng(devices=[]):
        one, other = build(classes).state_dict(), build(classes + 1).state_dict()
    return frozenset(name for name, value in one.items() if value.shape != other[name].shape)


def last_layer(network: nn.Module) -> tuple[str, nn.Module]:
    """Return the name and module of the layer that gives a network's logits: the last one with a weight matrix.

    Raises:
        ValueError: no layer has one.

    Example:
        >>> last_layer(nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 5)))
        ('2', Linear(in_features=2, out_features=5, bias=True))
    """
    layers = [
        (name, one) for name, one in network.named_modules() if isinstance(one, nn.Linear | nn.Conv2d | nn.Conv3d)
    ]
    if not layers:
        raise ValueError(f"{type(network).__name__} has no linear layer or convolution, so no last one.")
    return layers[-1]


def starting_weights(network: nn.Module, own: Set[str]) -> StartingWeights:
    """Return a trained network's weights but for its ``own`` (:func:`class_layers`)."""
    return {key: one.detach().clone() for key, one in network.state_dict().items() if key not in own}


def load_start(network: nn.Module, weights: StartingWeights, own: Set[str]) -> None:
    """Give a network the weights of another one, but for its ``own`` (:func:`class_layers`), which stay as they are.

    Raises:
        RuntimeError: the networks differ in more than those.
    """
    kept = {key: one for key, one in network.state_dict().items() if key in own}
    network.load_state_dict({**weights, **kept})


class LastLayersOnly(nn.Module):
    """A network of which nothing but its ``own`` weights learn; statistics of the other layers stay as they are.

    Args:
        network: maps images to logits.
        own: names of the weights that learn (:func:`class_layers`).

    Example:
        >>> network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 5))
        >>> probe = LastLayersOnly(network, {"2.weight", "2.bias"}).train()
        >>> [name for name, one in probe.named_parameters() if one.requires_grad], probe.network[1].training
        (['network.2.weight', 'network.2.bias'], False)
    """

    def __init__(self, network: nn.Module, own: Set[str]) -> None:
        super().__init__()
        self.network = network
        for name, one in network.named_parameters():
            one.requires_grad_(name in own)
        self._learning = {name.rpartition(".")[0] for name in own}

    def train(self, mode: bool = True) -> LastLayersOnly:
        """Set the mode of the layers that learn; the others are always evaluated."""
        super().train(False)
        self.training = mode
        for name in self._learning:
            self.network.get_submodule(name).train(mode)
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Return the network's logits."""
        logits: Tensor = self.network(images)
        return logits
