"""Adversarial training of any MONAI trainer: each batch is made adversarial before it is trained on."""

from __future__ import annotations

from typing import Any

import torch
from ignite.engine import Engine, Events

from monai_unlearnable.countermeasures.adversarial import AdversarialSteps
from monai_unlearnable.countermeasures.trainers import frozen, images_of, loss_of, random_of

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
        images = images_of(engine, self.image_key)
        batch = engine.state.batch
        random = random_of(engine, seed=self.seed)
        chosen = torch.randperm(len(images), generator=random)[: max(1, round(self.share * len(images)))]
        with frozen(engine):
            inputs, loss = loss_of(engine, batch)
            share = self._share_of_radius(engine)
            adversarial = self.steps(inputs, loss, share_of_radius=share, generator=random)
        replaced = images.clone()
        replaced[chosen] = adversarial[chosen.to(adversarial.device)].to(device=images.device, dtype=images.dtype)
        engine.state.batch = {**batch, self.image_key: replaced}

    def _share_of_radius(self, engine: Any) -> float:
        length = engine.state.epoch_length or 1
        whole = self.warm_up_epochs * length
        return min(1.0, engine.state.iteration / whole) if whole else 1.0
