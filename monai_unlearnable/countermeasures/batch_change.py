"""What a reader does to every batch of a training, drawn anew each time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from ignite.engine import Engine, Events

from monai_unlearnable.countermeasures.trainers import images_of, labels_of, plain, random_of, with_meta
from monai_unlearnable.types import Images, Labels

__all__ = ["BatchChange", "ChangedBatches", "TrainerHandler", "TrainingCountermeasure"]


class TrainerHandler(Protocol):
    """A handler of stock trainers."""

    def attach(self, engine: Engine) -> None:
        """Register what the handler does and when."""


class TrainingCountermeasure(ABC):
    """Settings of what a reader does while training; frozen, so that they can be written down and used again."""

    @abstractmethod
    def handler(self, *, class_count: int, seed: int) -> TrainerHandler:
        """Return the handler that does it to one training, whose batches hold ``image`` and ``label``."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return the kind and its settings as JSON values."""


@dataclass(frozen=True, kw_only=True)
class BatchChange(TrainingCountermeasure):
    """Base of changes of a whole batch as one tensor, of pictures and volumes alike."""

    @abstractmethod
    def __call__(
        self, images: Images, labels: Labels, *, class_count: int | None, random: torch.Generator
    ) -> tuple[Images, Labels]:
        """Return a changed batch; the given tensors stay as they are.

        Args:
            images: ``(batch, channel, *space)``, floating point, as the network sees them.
            labels: class indices ``(batch,)``, multiple labels ``(batch, classes)``, or masks ``(batch, *space)`` or
                ``(batch, 1, *space)``, which move with their images.
            class_count: number of classes; only what mixes labels needs it.
            random: generator of all that is drawn, on the CPU.
        """

    def handler(self, *, class_count: int, seed: int) -> TrainerHandler:
        """Return the handler that changes every batch of a training."""
        return ChangedBatches(self, class_count=class_count, seed=seed)

    def describe(self) -> dict[str, Any]:
        """Return the kind and its settings as JSON values."""
        settings = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {"countermeasure": type(self).__name__, **settings}


class ChangedBatches:
    """Changes every batch of a stock ``SupervisedTrainer`` before it is trained on.

    The batch itself is not changed but replaced: a cached data set keeps its images. What is drawn follows from the
    seed and the number of the iteration, so that a training that is taken up goes on in the same way.

    Args:
        change: what a batch undergoes.
        class_count: number of classes, for what mixes labels; labels are then shares of classes, which
            ``CrossEntropyLoss`` takes like class indices.
        image_key: key of the images in a batch.
        label_key: of the labels.
        seed: of the draws.
    """

    def __init__(
        self,
        change: BatchChange,
        *,
        class_count: int | None = None,
        image_key: str = "image",
        label_key: str = "label",
        seed: int = 0,
    ) -> None:
        self.change, self.class_count, self.seed = change, class_count, seed
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
        changed, moved = self.change(plain(images), plain(labels), class_count=self.class_count, random=random)
        replaced = {self.image_key: with_meta(changed, images), self.label_key: with_meta(moved, labels)}
        engine.state.batch = {**engine.state.batch, **replaced}
