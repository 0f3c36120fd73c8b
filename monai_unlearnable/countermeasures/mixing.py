"""Batches whose images are means of two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from monai_unlearnable.countermeasures.batch_change import BatchChange
from monai_unlearnable.countermeasures.batch_labels import mixed_labels
from monai_unlearnable.types import Images, Labels

__all__ = ["ImagesMixed", "mixing_shares"]

_SEEDS = 2**31


def mixing_shares(count: int, alpha: float, random: torch.Generator) -> Tensor:
    """Draw ``(count,)`` shares from Beta(alpha, alpha)."""
    seed = int(torch.randint(_SEEDS, (), generator=random))
    return torch.from_numpy(np.random.default_rng(seed).beta(alpha, alpha, count)).float()


@dataclass(frozen=True, kw_only=True)
class ImagesMixed(BatchChange):
    """Mix every image and its label with another one of the batch (mixup; Zhang et al., ICLR 2018, section 2).

    ``share * image + (1 - share) * other``, and labels, masks too, likewise as shares of the classes.

    Attributes:
        alpha: shares are drawn from Beta(alpha, alpha), one for each image.

    Raises:
        ValueError: alpha is not positive.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.alpha < float("inf"):
            raise ValueError(f"alpha={self.alpha}: must be positive and finite.")

    def __call__(
        self, images: Images, labels: Labels, *, class_count: int | None, random: torch.Generator
    ) -> tuple[Images, Labels]:
        """Return mixed images and labels; see :meth:`BatchChange.__call__`.

        Raises:
            ValueError: ``class_count`` is needed and not known.
        """
        others = torch.randperm(len(images), generator=random)
        shares = mixing_shares(len(images), self.alpha, random)
        own = shares.reshape(-1, *[1] * (images.ndim - 1)).to(images)
        mixed = own * images + (1 - own) * images[others]
        return mixed, mixed_labels(images, labels, others, shares, class_count=class_count)
