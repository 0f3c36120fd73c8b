"""Adversarial training of any MONAI trainer: each batch is made adversarial before it is trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.data import MetaTensor
from torch import Tensor, nn

from monai_unlearnable.countermeasures.adversarial import AdversarialSteps
from monai_unlearnable.types import Images

__all__ = ["AdversarialTraining"]


class AdversarialTraining:
    """Replaces the images of every batch by their adversarial versions (Madry et al., ICLR 2018, section 2).

    Attach it to a stock ``SupervisedTrainer``, or put it into a bundle's ``train_handlers``: classification and
    segmentation, pictures and volumes, with any loss and inferer. Images are changed as the network sees them, after
    all preprocessing, so the radius is in those units: images scaled to -1 and 1 have a range of 2, and 8/255 of it is
    ``2 * 8 / 255``. While images are changed the network is in evaluation mode and its weights get no gradient; both
    are as before afterwards. The batch itself is not changed but replaced: a cached data set keeps clean images.

    Args:
        steps: how images are changed.
        image_key: key of the images in a batch.
        share: share of a batch's images that is changed; the rest is trained on as it is (chosen anew for each batch).
        warm_up_epochs: the radius grows linearly over so many epochs, step by step.
        seed: of random starts and of the choice; together with the number of the iteration, so that a training that is
            taken up goes on in the same way.

    Raises:
        ValueError: a value is out of its range.
    """

    def __init__(
        self,
        steps: AdversarialSteps,
        *,
        image_key: str = "image",
        share: float = 1.0,
        warm_up_epochs: int = 0,
        seed: int = 0,
    ) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"share={share}: above 0 and at most 1 of a batch can be adversarial.")
        if warm_up_epochs < 0:
            raise ValueError(f"warm_up_epochs={warm_up_epochs}: counts epochs, 0 or more.")
        self.steps, self.image_key, self.share = steps, image_key, share
        self.warm_up_epochs, self.seed = warm_up_epochs, seed

    def attach(self, engine: Engine) -> None:
        """Work before every iteration."""
        engine.add_event_handler(Events.ITERATION_STARTED, self)

    def __call__(self, engine: Any) -> None:
        """Replace the batch of the moment.

        Raises:
            ValueError: the batch is no dictionary with images under the key.
        """
        batch = engine.state.batch
        if not isinstance(batch, Mapping) or not isinstance(batch.get(self.image_key), Tensor):
            raise ValueError(
                f"a batch holds no tensor {self.image_key!r}: adversarial training needs dictionaries with images; "
                "name their key (image_key)."
            )
        images = batch[self.image_key]
        random = torch.Generator().manual_seed((self.seed * 1_000_003 + engine.state.iteration) % 2**63)
        chosen = torch.randperm(len(images), generator=random)[: max(1, round(self.share * len(images)))]
        adversarial = self._adversarial(engine, batch, random)
        replaced = images.clone()
        replaced[chosen] = adversarial[chosen.to(adversarial.device)].to(device=images.device, dtype=images.dtype)
        engine.state.batch = {**batch, self.image_key: replaced}

    def _adversarial(self, engine: Any, batch: Any, random: torch.Generator) -> Images:
        prepared = engine.prepare_batch(batch, engine.state.device, engine.non_blocking, **engine.to_kwargs)
        inputs, targets, *more = prepared
        args, kwargs = more if more else ((), {})

        def loss(images: Images) -> Tensor:
            value: Tensor = engine.loss_function(engine.inferer(images, engine.network, *args, **kwargs), targets)
            # Half-precision gradients of a mean over many voxels would vanish; only their direction counts.
            return _plain(value).mean() * (engine.scaler.get_scale() if _is_scaled(engine) else 1.0)

        with _frozen(engine.network), torch.autocast("cuda", enabled=_is_scaled(engine), **engine.amp_kwargs):
            share = self._share_of_radius(engine)
            return self.steps(_plain(inputs), loss, share_of_radius=share, generator=random)

    def _share_of_radius(self, engine: Any) -> float:
        length = engine.state.epoch_length or 1
        whole = self.warm_up_epochs * length
        return min(1.0, engine.state.iteration / whole) if whole else 1.0


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Keep a network's weights, statistics and modes as they are."""
    modes = [(module, module.training) for module in network.modules()]
    needed = [(weight, weight.requires_grad) for weight in network.parameters()]
    network.eval()
    for weight, _ in needed:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight, required in needed:
            weight.requires_grad_(required)
        for module, training in modes:
            module.training = training


def _is_scaled(engine: Any) -> bool:
    return bool(engine.amp and engine.scaler is not None)


def _plain(values: Tensor) -> Tensor:
    return values.as_tensor() if isinstance(values, MetaTensor) else values
