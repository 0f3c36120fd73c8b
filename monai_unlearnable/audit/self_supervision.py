"""Victims who first learn what images look like without any label, and then train their last layer alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from monai_unlearnable.audit.loading import ImageSet
from monai_unlearnable.errors import NotApplicableError
from monai_unlearnable.sources.base import Task

__all__ = ["SelfSupervision"]


@dataclass(frozen=True, kw_only=True)
class SelfSupervision:
    """How a victim learns from its training images themselves before it sees a label.

    Two strongly augmented versions of an image are to be told from those of all others in the batch (SimCLR, Chen et
    al., ICML 2020, equation 1; MONAI's ``ContrastiveLoss``). Patterns that stand for a label help little there.

    Attributes:
        times_epochs: so many times as many epochs as the victim's own.
        batch_size: images in a batch; each is there twice.
        learning_rate: peak of AdamW's one-cycle schedule.
        temperature: of the loss.

    Raises:
        ValueError: a value is out of its range.
    """

    only_last: ClassVar[bool] = True
    rate_share: ClassVar[float] = 1.0
    times_epochs: int = 5
    batch_size: int = 128
    learning_rate: float = 2e-3
    temperature: float = 0.5

    def __post_init__(self) -> None:
        if self.times_epochs < 1 or self.batch_size < 2:
            raise ValueError(
                f"times_epochs={self.times_epochs}, batch_size={self.batch_size}: at least 1 and 2 are needed."
            )
        if not 0 < self.learning_rate < float("inf") or not 0 < self.temperature < float("inf"):
            raise ValueError(
                f"learning_rate={self.learning_rate}, temperature={self.temperature}: both are positive and finite."
            )

    def images_like(self, train: ImageSet) -> ImageSet:
        """Return the training images.

        Raises:
            NotApplicableError: labels are masks; a last layer of voxels needs more than one vector of an image.
        """
        if train.task is Task.SEGMENTATION:
            raise NotApplicableError("labels are masks, and what is learnt without labels is one vector of an image.")
        return train

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return {"without_labels": True, **asdict(self)}
