"""Batches with a box of each image hidden, or taken from another image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from monai_unlearnable.countermeasures.batch_change import BatchChange
from monai_unlearnable.countermeasures.batch_labels import are_masks, mixed_labels, with_channel
from monai_unlearnable.countermeasures.mixing import mixing_shares
from monai_unlearnable.types import Images, Labels

__all__ = ["BoxHidden", "BoxSwapped"]

# MONAI 1.6's CutOut and CutMix put the boxes of a whole batch at one place, and CutMix gives an image with a small box
# the label of the other image altogether, so boxes are drawn here.


@dataclass(frozen=True, kw_only=True)
class BoxHidden(BatchChange):
    """Hide one box of every image (cutout; DeVries and Taylor, 2017): its values become 0, the middle of the window.

    The box may lie anywhere, and partly outside. Labels, masks too, stay as they are.

    Attributes:
        side: of the box, as a share of each side of the image.

    Raises:
        ValueError: the side is out of its range.
    """

    side: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.side <= 1:
            raise ValueError(f"side={self.side}: a share of the image's sides, above 0 and at most 1.")

    def __call__(
        self, images: Images, labels: Labels, *, class_count: int | None, random: torch.Generator
    ) -> tuple[Images, Labels]:
        """Return images with a hidden box; see :meth:`BatchChange.__call__`."""
        boxes = _boxes(images, torch.full((len(images),), self.side), random)
        return images.masked_fill(boxes, 0.0), labels


@dataclass(frozen=True, kw_only=True)
class BoxSwapped(BatchChange):
    """Take one box of every image from another one of the batch (CutMix; Yun et al., ICCV 2019, section 3.1).

    Labels are mixed by the share of pixels that each image has in the end; masks are cut like their images.

    Attributes:
        alpha: the share outside the box is drawn from Beta(alpha, alpha).

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
        """Return images with a box of another one, and mixed labels; see :meth:`BatchChange.__call__`.

        Raises:
            ValueError: ``class_count`` is needed and not known.
        """
        others = torch.randperm(len(images), generator=random)
        sides = (1 - mixing_shares(len(images), self.alpha, random)) ** (1 / (images.ndim - 2))
        boxes = _boxes(images, sides, random)
        mixed = torch.where(boxes, images[others], images)
        if are_masks(images, labels):
            masks = with_channel(images, labels)
            return mixed, torch.where(boxes, masks[others], masks).reshape(labels.shape)
        kept = 1 - boxes.flatten(1).float().mean(1)
        return mixed, mixed_labels(images, labels, others, kept, class_count=class_count)


def _boxes(images: Images, sides: Tensor, random: torch.Generator) -> Tensor:
    """Return where a box of each image is, ``(batch, 1, *space)``; ``sides`` ``(batch,)`` are shares of the image's."""
    space = images.shape[2:]
    inside = torch.ones(len(images), 1, *space, dtype=torch.bool)
    for axis, size in enumerate(space):
        length = (sides * size).round().long()
        first = torch.randint(size, (len(images),), generator=random) - length // 2
        places = torch.arange(size)
        along = (places >= first[:, None]) & (places < (first + length)[:, None])
        inside &= along.reshape(len(images), 1, *[size if one == axis else 1 for one in range(len(space))])
    return inside.to(images.device)
