"""Networks that start from what another one has learnt."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

__all__ = ["LastLayerOnly", "StartingWeights", "last_layer", "load_start", "starting_weights"]

StartingWeights = Mapping[str, Tensor]
"""Weights of a network by their names, without those of its last layer."""


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


def starting_weights(network: nn.Module) -> StartingWeights:
    """Return a trained network's weights without those of its last layer."""
    name, _ = last_layer(network)
    return {key: one.detach().clone() for key, one in network.state_dict().items() if not key.startswith(f"{name}.")}


def load_start(network: nn.Module, weights: StartingWeights) -> None:
    """Give a network the weights of another one; its last layer stays as it is.

    Raises:
        RuntimeError: the networks differ in more than their last layer.
    """
    name, _ = last_layer(network)
    own = {key: one for key, one in network.state_dict().items() if key.startswith(f"{name}.")}
    network.load_state_dict({**own, **weights})


class LastLayerOnly(nn.Module):
    """A network of which nothing but the last layer learns; statistics of the others stay as they are.

    Args:
        network: maps images to logits.

    Example:
        >>> probe = LastLayerOnly(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 5))).train()
        >>> [name for name, one in probe.named_parameters() if one.requires_grad], probe.network[1].training
        (['network.2.weight', 'network.2.bias'], False)
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.requires_grad_(False)
        _, last = last_layer(network)
        last.requires_grad_(True)

    def train(self, mode: bool = True) -> LastLayerOnly:
        """Set the mode of the last layer; the others are always evaluated."""
        super().train(False)
        self.training = mode
        _, last = last_layer(self.network)
        last.train(mode)
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Return the network's logits."""
        logits: Tensor = self.network(images)
        return logits
