"""Batches that victims are trained on: normalised as a reader would who has only the files, and augmented."""

from __future__ import annotations

from typing import TypeAlias

import torch
from monai.transforms import RandCropByPosNegLabel
from torch import Tensor
from torch.utils.data import Dataset

from monai_unlearnable.audit.loading import ImageSet
from monai_unlearnable.sources.base import Task

__all__ = ["Batch", "WholeBatches"]

Batch: TypeAlias = dict[str, Tensor]
"""``image`` ``(batch, channel, *space)`` float32 and ``label``, as :class:`ImageSet` has them."""


class WholeBatches(Dataset[Batch]):
    """Whole batches by a list of indices, normalised (and augmented) as one tensor.

    Args:
        images: what the batches are of.
        generator: of the augmentation; None for images as they are. Masks move with their images.
        patches: of the patches that are cut, by the size and their own generator; None for whole images.
        shift: whether the augmentation shifts images, too.
    """

    def __init__(
        self,
        images: ImageSet,
        *,
        generator: torch.Generator | None,
        patches: tuple[int, torch.Generator] | None = None,
        shift: bool = True,
    ) -> None:
        self._shift = shift
        self._images, self._generator, self._patches = images, generator, patches
        low, high = images.windows.reshape(len(images), 2, *[1] * (images.images.ndim - 1)).unbind(1)
        self._low, self._width = low, high - low

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, indices: list[int]) -> Batch:
        values = self._images.images[indices].float()
        batch = ((values - self._low[indices]) / self._width[indices] - 0.5) / 0.5
        labels = self._images.labels[indices]
        if self._patches is not None:
            batch, labels = _patches_of(batch, labels, *self._patches)
        if self._generator is None:
            return {"image": batch, "label": labels}
        if self._images.task is not Task.SEGMENTATION:
            return {"image": _flip_and_shift(batch, self._generator, shift=self._shift)[0], "label": labels}
        moved, masks = _flip_and_shift(batch, self._generator, labels[:, None], shift=self._shift)
        return {"image": moved, "label": masks[:, 0]}


def _patches_of(batch: Tensor, masks: Tensor, size_px: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Cut a patch from each image and mask, around a voxel of a structure as often as around one of the background."""
    crop = RandCropByPosNegLabel(spatial_size=(size_px,) * (batch.ndim - 2), pos=1, neg=1, num_samples=1)
    crop.set_random_state(seed=int(torch.randint(2**31, (), generator=generator)))
    cut = []
    for image, mask in zip(batch, masks, strict=True):
        crop.randomize(mask[None], image=None)
        both = (crop(one, randomize=False)[0] for one in (image, mask[None]))
        cut.append(tuple(torch.as_tensor(one).as_subclass(Tensor) for one in both))
    images, found = zip(*cut, strict=True)
    return torch.stack(images), torch.stack(found)[:, 0]


def _flip_and_shift(
    batch: Tensor, generator: torch.Generator, *others: Tensor, shift: bool = True
) -> tuple[Tensor, ...]:
    """Flip along the last axis and shift along all axes by up to an eighth, image by image; edges are repeated.

    All tensors are ``(batch, channel, *space)``; what belongs to one image moves alike.
    """
    moved = []
    for images in zip(batch, *others, strict=True):
        flipped = _flip(list(images), generator)
        moved.append(_shift(flipped, generator) if shift else flipped)
    return tuple(torch.stack(one) for one in zip(*moved, strict=True))


def _flip(images: list[Tensor], generator: torch.Generator) -> list[Tensor]:
    return [one.flip(-1) for one in images] if torch.rand((), generator=generator) < 0.5 else images


def _shift(images: list[Tensor], generator: torch.Generator) -> list[Tensor]:
    for axis in range(1, images[0].ndim):
        size = images[0].shape[axis]
        reach = size // 8
        shift = int(torch.randint(-reach, reach + 1, (), generator=generator))
        places = (torch.arange(size) + shift).clamp(0, size - 1)
        images = [one.index_select(axis, places) for one in images]
    return images
