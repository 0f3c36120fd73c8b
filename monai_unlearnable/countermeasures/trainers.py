"""What handlers of stock trainers need to look at a batch before it is trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from monai.data import MetaTensor
from torch import Tensor, nn

from monai_unlearnable.types import Images, Labels, PerSample

__all__ = ["frozen", "images_of", "labels_of", "loss_of", "losses_of", "plain", "random_of", "with_meta"]


def images_of(engine: Any, key: str) -> Images:
    """Return the images of the batch of the moment.

    Raises:
        ValueError: the batch is no dictionary with images under the key.
    """
    return _entry(engine, key, what="images", name="image_key")


def labels_of(engine: Any, key: str) -> Labels:
    """Return the labels of the batch of the moment.

    Raises:
        ValueError: the batch is no dictionary with labels under the key.
    """
    return _entry(engine, key, what="labels", name="label_key")


def _entry(engine: Any, key: str, *, what: str, name: str) -> Tensor:
    batch = engine.state.batch
    if not isinstance(batch, Mapping) or not isinstance(batch.get(key), Tensor):
        raise ValueError(
            f"a batch holds no tensor {key!r}: this handler needs dictionaries with {what}; name their key ({name})."
        )
    entry: Tensor = batch[key]
    return entry


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
        return plain(value).mean() * scale

    return plain(inputs), loss


def losses_of(engine: Any, batch: Mapping[Any, Any]) -> PerSample:
    """Return the trainer's loss of every item of a batch, ``(batch,)``, after one look at all of them."""
    inputs, targets, *more = engine.prepare_batch(batch, engine.state.device, engine.non_blocking, **engine.to_kwargs)
    args, kwargs = more if more else ((), {})
    outputs = engine.inferer(inputs, engine.network, *args, **kwargs)
    losses = [engine.loss_function(_item(outputs, at), _item(targets, at)) for at in range(len(inputs))]
    return torch.stack([plain(one).mean() for one in losses])


def _item(values: Any, at: int) -> Any:
    """Return a batch of one of what may be several tensors, such as the outputs of deep supervision."""
    if isinstance(values, Tensor):
        return values[at : at + 1]
    if isinstance(values, Mapping):
        return {key: _item(one, at) for key, one in values.items()}
    return [_item(one, at) for one in values]


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


def plain(values: Tensor) -> Tensor:
    """Return a tensor without meta data."""
    return values.as_tensor() if isinstance(values, MetaTensor) else values


def with_meta(values: Tensor, given: Tensor) -> Tensor:
    """Return values with the meta data that a batch came with, such as the names of its files."""
    if not isinstance(given, MetaTensor):
        return values
    return MetaTensor(values).copy_meta_from(given)  # type: ignore[no-any-return]
