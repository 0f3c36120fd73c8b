"""Batches with Gaussian numbers added."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from monai_unlearnable.countermeasures.batch_change import BatchChange
from monai_unlearnable.types import Images, Labels

__all__ = ["GaussianAdded"]


@dataclass(frozen=True, kw_only=True)
class GaussianAdded(BatchChange):
    """Add Gaussian numbers to every value of every image, others each time.

    Attributes:
        sigma: their standard deviation, in the units of the images that the network sees.

    Raises:
        ValueError: the deviation is not positive.
    """

    sigma: float

    def __post_init__(self) -> None:
        if not 0 < self.sigma < float("inf"):
            raise ValueError(f"sigma={self.sigma}: must be positive and finite, in the units of the images.")

    def __call__(
        self, images: Images, labels: Labels, *, class_count: int | None, random: torch.Generator
    ) -> tuple[Images, Labels]:
        """Return changed images; see :meth:`BatchChange.__call__`."""
        return images + self.sigma * torch.randn(images.shape, generator=random).to(images), labels
