"""Training on the worst of several versions of each image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from ignite.engine import Engine, Events

from monai_unlearnable.countermeasures.batch_change import BatchChange, TrainerHandler, TrainingCountermeasure
from monai_unlearnable.countermeasures.strong import StronglyAugmented
from monai_unlearnable.countermeasures.trainers import (
    frozen,
    images_of,
    labels_of,
    losses_of,
    plain,
    random_of,
    with_meta,
)

__all__ = ["WorstAugmentation", "WorstOf"]

_MOST_VERSIONS = 100


class WorstAugmentation:
    """Augments every image several times and trains on the version that the network gets most wrong.

    (UEraser, Qin et al. 2023, equation 3: error-maximising augmentation.) A pattern that one augmentation removes no
    longer lowers the loss, whichever that is. Attach it to a stock ``SupervisedTrainer``, or put it into a bundle's
    ``train_handlers``. While losses are compared the network is in evaluation mode; each version of a batch is looked
    at as a whole.

    Args:
        augmentation: what makes a version of a batch; :class:`ItemByItem` for a chain of MONAI's transforms.
        count: versions of each image that are compared.
        class_count: number of classes, for what mixes labels.
        image_key: key of the images in a batch.
        label_key: of the labels.
        seed: of the draws, together with the number of the iteration.

    Raises:
        ValueError: there are fewer than 2 versions.
    """

    def __init__(
        self,
        augmentation: BatchChange,
        *,
        count: int = 5,
        class_count: int | None = None,
        image_key: str = "image",
        label_key: str = "label",
        seed: int = 0,
    ) -> None:
        _require_several(count)
        self.augmentation, self.count, self.class_count, self.seed = augmentation, count, class_count, seed
        self.image_key, self.label_key = image_key, label_key

    def attach(self, engine: Engine) -> None:
        """Work before every iteration."""
        engine.add_event_handler(Events.ITERATION_STARTED, self)

    def __call__(self, engine: Any) -> None:
        """Replace the batch of the moment.

        Raises:
            ValueError: the batch is no dictionary with images and labels under the keys.
        """
        images, labels = images_of(engine, self.image_key), labels_of(engine, self.label_key)
        random = random_of(engine, seed=self.seed)
        with frozen(engine), torch.no_grad():
            versions = [
                self.augmentation(plain(images), plain(labels), class_count=self.class_count, random=random)
                for _ in range(self.count)
            ]
            losses = torch.stack([losses_of(engine, self._batch(engine, one)) for one in versions])
        worst, every = losses.argmax(0).to(images.device), torch.arange(len(images), device=images.device)
        found = [torch.stack(one)[worst, every] for one in zip(*versions, strict=True)]
        engine.state.batch = self._batch(engine, (with_meta(found[0], images), with_meta(found[1], labels)))

    def _batch(self, engine: Any, version: tuple[Any, Any]) -> Mapping[Any, Any]:
        return {**engine.state.batch, self.image_key: version[0], self.label_key: version[1]}


@dataclass(frozen=True, kw_only=True)
class WorstOf(TrainingCountermeasure):
    """Settings of :class:`WorstAugmentation`.

    Attributes:
        count: versions of each image that are compared.
        augmentation: what makes them.

    Raises:
        ValueError: there are fewer than 2 versions.
    """

    count: int = 5
    augmentation: BatchChange = field(default_factory=StronglyAugmented)

    def __post_init__(self) -> None:
        _require_several(self.count)

    def handler(self, *, class_count: int, seed: int) -> TrainerHandler:
        """Return the handler for one training."""
        return WorstAugmentation(self.augmentation, count=self.count, class_count=class_count, seed=seed)

    def describe(self) -> dict[str, Any]:
        """Return the kind and its settings as JSON values."""
        return {
            "countermeasure": type(self).__name__,
            "count": self.count,
            "augmentation": self.augmentation.describe(),
        }


def _require_several(count: int) -> None:
    if not 2 <= count <= _MOST_VERSIONS:
        raise ValueError(f"count={count}: from 2 to {_MOST_VERSIONS} versions are compared.")
