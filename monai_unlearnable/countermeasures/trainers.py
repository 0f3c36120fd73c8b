"""What handlers of stock trainers need to look at a batch before it is trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from monai.data import MetaTensor
from torch import Tensor, nn

from monai_unlearnable.types import Images

__all__ = ["frozen", "images_of", "loss_of", "random_of"]


def images_of(engine: Any, key: str) -> Tensor:
    """Return the images of the batch of the moment.

    Raises:
        ValueError: the batch is no dictionary with images under the key.
    """
    batch = engine.state.batch
    if not isinstance(batch, Mapping) or not isinstance(batch.get(key), Tensor):
        raise ValueError(
            f"a batch holds no tensor {key!r}: this handler needs dictionaries with images; name their key (image_key)."
        )
    images: Tensor = batch[key]
    return images


def random_of(engine: Any, *, seed: int) -> torch.Generator:
    """Return a generator that follows from a seed and the number of the iteration alone."""
    return torch.Generator().manual_seed((seed * 1_000_003 + engine.state.iteration) % 2**63)


def loss_of(engine: Any, batch: Mapping[Any, Any]) -> tuple[Images, Callable[[Images], Tensor]]:
    """Return a batch's images as the trainer prepares them, and the trainer's loss of any images in their place.

    Half-precision gradients of a mean over many voxels would vanish, so the loss is scaled as the trainer's own is.
    """
    inputs, targets, *more = engine.prepare_batch(batch, engine.state.device, engine.non_blocking, **engine.to_kwargs)
    args, kwargs = more if more else ((), {})
    scale = engine.scaler.get_scale() if _is_scaled(engine) else 1.0

    def loss(images: Images) -> Tensor:
        value: Tensor = engine.loss_function(engine.inferer(images, engine.network, *args, **kwargs), targets)
        return _plain(value).mean() * scale

    return _plain(inputs), loss


@contextmanager
def frozen(engine: Any) -> Iterator[None]:
    """Keep the weights, statistics and modes of a trainer's network as they are; its precision is the trainer's."""
    network: nn.Module = engine.network
    modes = [(module, module.training) for module in network.modules()]
    needed = [(weight, weight.requires_grad) for weight in network.parameters()]
    network.eval()
    for weight, _ in needed:
        weight.requires_grad_(False)
    try:
        with torch.autocast("cuda", enabled=_is_scaled(engine), **engine.amp_kwargs):
            yield
    finally:
        for weight, required in needed:
            weight.requires_grad_(required)
        for module, training in modes:
            module.training = training


def _is_scaled(engine: Any) -> bool:
    """Whether a trainer works in mixed precision."""
    return bool(engine.amp and engine.scaler is not None)


def _plain(values: Tensor) -> Tensor:
    """Return a tensor without meta data."""
    return values.as_tensor() if isinstance(values, MetaTensor) else values
