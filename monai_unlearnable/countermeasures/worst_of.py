"""Training on the worst of several augmentations of each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.data.utils import decollate_batch, list_data_collate
from monai.transforms import (
    Compose,
    RandAdjustContrastd,
    RandAffined,
    RandCoarseDropoutd,
    RandFlipd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandScaleIntensityd,
)

from monai_unlearnable.countermeasures.trainers import frozen, images_of, loss_of, random_of

__all__ = ["WorstAugmentation", "strong_augmentations"]

_SEEDS = 2**31


class WorstAugmentation:
    """Augments every image several times and trains on the version that the network gets most wrong.

    (UEraser, Qin et al. 2023, equation 3: error-maximising augmentation.) A pattern that one augmentation removes no
    longer lowers the loss, whichever that is. Attach it to a stock ``SupervisedTrainer``, or put it into a bundle's
    ``train_handlers``. While losses are compared the network is in evaluation mode.

    Args:
        augmentation: MONAI dictionary transforms for the items of a batch, images and masks together.
        count: versions of each image that are compared.
        image_key: key of the images in a batch.
        seed: of the draws, together with the number of the iteration.

    Raises:
        ValueError: there are fewer than 2 versions.
    """

    def __init__(self, augmentation: Compose, *, count: int = 5, image_key: str = "image", seed: int = 0) -> None:
        if count < 2:
            raise ValueError(f"count={count}: at least 2 versions are compared.")
        self.augmentation, self.count, self.image_key, self.seed = augmentation, count, image_key, seed

    def attach(self, engine: Engine) -> None:
        """Work before every iteration."""
        engine.add_event_handler(Events.ITERATION_STARTED, self)

    def __call__(self, engine: Any) -> None:
        """Replace the batch of the moment.

        Raises:
            ValueError: the batch is no dictionary with images under the key.
        """
        images_of(engine, self.image_key)
        random = random_of(engine, seed=self.seed)
        self.augmentation.set_random_state(seed=int(torch.randint(_SEEDS, (), generator=random)))
        items = decollate_batch(engine.state.batch)
        with frozen(engine), torch.no_grad():
            worst = [self._worst(engine, item) for item in items]
        engine.state.batch = list_data_collate(worst)

    def _worst(self, engine: Any, item: Mapping[Any, Any]) -> Any:
        versions = [self.augmentation(dict(item)) for _ in range(self.count)]
        return max(versions, key=lambda one: _loss(engine, one))


def _loss(engine: Any, item: Any) -> float:
    inputs, loss = loss_of(engine, list_data_collate([item]))
    return float(loss(inputs))


def strong_augmentations(
    *, spatial_dims: int, keys: Sequence[str] = ("image",), mask_keys: Sequence[str] = ()
) -> Compose:
    """Return what readers do who augment strongly: flips, affine moves, contrast, intensity, noise, blur, holes.

    Args:
        spatial_dims: 2 for pictures, 3 for volumes.
        keys: of images that are scaled to about -1 to 1.
        mask_keys: of masks, which are moved with them.
    """
    every = [*keys, *mask_keys]
    modes = ["bilinear"] * len(keys) + ["nearest"] * len(mask_keys)
    turn = (0.3,) if spatial_dims == 2 else (0.3, 0.3, 0.3)
    return Compose(
        [
            RandFlipd(every, prob=0.5, spatial_axis=-1),
            RandAffined(
                every,
                prob=0.7,
                rotate_range=turn,
                scale_range=(0.2,) * spatial_dims,
                mode=modes,
                padding_mode="border",
            ),
            RandAdjustContrastd(keys, prob=0.5, gamma=(0.6, 1.7), retain_stats=True),
            RandScaleIntensityd(keys, prob=0.5, factors=0.3),
            RandGaussianNoised(keys, prob=0.5, std=0.1),
            RandGaussianSmoothd(keys, prob=0.5, sigma_x=(0.4, 1.2), sigma_y=(0.4, 1.2), sigma_z=(0.4, 1.2)),
            RandCoarseDropoutd(keys, prob=0.5, holes=2, spatial_size=4, fill_value=0.0),
        ]
    )
