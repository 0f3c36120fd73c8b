"""Batches whose images are turned, scaled and shifted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from monai.networks.layers import AffineTransform
from torch import Tensor

from monai_unlearnable.countermeasures.batch_change import BatchChange
from monai_unlearnable.countermeasures.batch_labels import are_masks, with_channel
from monai_unlearnable.types import Images, Labels

__all__ = ["AffineMoved"]


@dataclass(frozen=True, kw_only=True)
class AffineMoved(BatchChange):
    """Turn, scale and shift every image by other amounts, in one resampling of the whole batch (MONAI's layer).

    Pixels that come from outside take the nearest edge. Masks move with their images, by the nearest pixel.

    Attributes:
        rotation_rad: largest angle, of volumes about each axis.
        scale: largest relative change of the size along each axis.
        shift: largest shift along each axis, as a share of it.

    Raises:
        ValueError: a value is out of its range.
    """

    rotation_rad: float = 0.3
    scale: float = 0.2
    shift: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.rotation_rad <= torch.pi or not 0 <= self.scale < 1 or not 0 <= self.shift <= 1:
            raise ValueError(
                f"rotation_rad={self.rotation_rad}, scale={self.scale}, shift={self.shift}: angles are from 0 to pi, "
                "scales from 0 to below 1, shifts from 0 to 1."
            )

    def __call__(
        self, images: Images, labels: Labels, *, class_count: int | None, random: torch.Generator
    ) -> tuple[Images, Labels]:
        """Return moved images, and masks with them; see :meth:`BatchChange.__call__`."""
        matrices = self._matrices(images, random).to(images)
        moved = AffineTransform(normalized=True, align_corners=False, padding_mode="border")(images, matrices)
        if not are_masks(images, labels):
            return moved, labels
        nearest = AffineTransform(normalized=True, align_corners=False, padding_mode="border", mode="nearest")
        masks = nearest(with_channel(images, labels).to(images.dtype), matrices)
        return moved, masks.to(labels.dtype).reshape(labels.shape)

    def _matrices(self, images: Images, random: torch.Generator) -> Tensor:
        """Draw ``(batch, axes + 1, axes + 1)`` matrices that map places to where their values come from, -1 to 1."""
        sizes = torch.tensor(images.shape[2:], dtype=torch.float32)
        axes, count = len(sizes), len(images)
        angles = torch.zeros(count, axes, axes)
        rows, columns = torch.triu_indices(axes, axes, offset=1)
        angles[:, rows, columns] = self.rotation_rad * _uniform(random, count, len(rows))
        turned = torch.matrix_exp(angles - angles.mT)
        scaled = turned * (1 + self.scale * _uniform(random, count, axes))[:, None]
        matrices = torch.eye(axes + 1).repeat(count, 1, 1)
        # A turn is one of pixels, whatever the sides of the image are.
        matrices[:, :axes, :axes] = scaled * sizes / sizes[:, None]
        matrices[:, :axes, axes] = 2 * self.shift * _uniform(random, count, axes)
        return matrices


def _uniform(random: torch.Generator, *shape: int) -> Tensor:
    return 2 * torch.rand(*shape, generator=random) - 1
