"""Batches that are augmented strongly."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from monai.networks.layers import GaussianFilter
from torch import Tensor

from monai_unlearnable.countermeasures.affine import AffineMoved
from monai_unlearnable.countermeasures.batch_change import BatchChange
from monai_unlearnable.countermeasures.batch_labels import are_masks
from monai_unlearnable.countermeasures.boxes import BoxHidden
from monai_unlearnable.types import Images, Labels

__all__ = ["StronglyAugmented"]

_COLOURS = 3
_FIELD_POINTS = 4
_LEAST_BLUR_PX, _MOST_BLUR_PX = 0.4, 1.2


@dataclass(frozen=True, kw_only=True)
class StronglyAugmented(BatchChange):
    """Augment as readers do who expect patterns: places, brightness, contrast, colours, sharpness, and holes.

    In this order, each for so many images as ``probability`` says: flipped along the last axis, turned, scaled and
    shifted, given a smooth field of brightness and one of contrast, colours shuffled (of pictures with three
    channels), Gaussian numbers added, blurred, and a box hidden. All of them work on the whole batch. UEraser's own
    chain (Qin et al., 2023) has such fields and shuffled colours and then draws one of many moves and colour changes;
    this one keeps to what grey images and volumes have, too. Its defaults are what a victim still learns from in 20
    epochs when it trains on the worst of five: on clean BreastMNIST (one seed) accuracy was 0.81 as without them, and
    that of the majority class with half of the images changed in each way, and more.

    Attributes:
        probability: of each change of an image.
        brightness: largest change of the brightness, in units in which the window is -1 to 1.
        contrast: largest relative change of the contrast.
        sigma: deviation of the Gaussian numbers.

    Raises:
        ValueError: a value is out of its range.
    """

    probability: float = 0.3
    brightness: float = 0.3
    contrast: float = 0.3
    sigma: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.probability <= 1:
            raise ValueError(f"probability={self.probability}: above 0 and at most 1.")
        if not 0 <= self.contrast < 1 or not 0 <= self.brightness < float("inf") or not 0 <= self.sigma < float("inf"):
            raise ValueError(
                f"brightness={self.brightness}, contrast={self.contrast}, sigma={self.sigma}: 0 or more, and the "
                "contrast below 1."
            )

    def __call__(
        self, images: Images, labels: Labels, *, class_count: int | None, random: torch.Generator
    ) -> tuple[Images, Labels]:
        """Return augmented images, and masks with them; see :meth:`BatchChange.__call__`."""
        images, labels = self._flipped(images, labels, random)
        moved, moved_labels = AffineMoved()(images, labels, class_count=class_count, random=random)
        chosen = self._chosen(images, random)
        images = _where(chosen, moved, images)
        if are_masks(images, labels):
            labels = _where(chosen, moved_labels, labels)
        return self._intensities(images, labels, random), labels

    def _flipped(self, images: Images, labels: Labels, random: torch.Generator) -> tuple[Images, Labels]:
        chosen = self._chosen(images, random)
        masks = _where(chosen, labels.flip(-1), labels) if are_masks(images, labels) else labels
        return _where(chosen, images.flip(-1), images), masks

    def _intensities(self, images: Images, labels: Labels, random: torch.Generator) -> Images:
        bright = images + self.brightness * _field(images, random)
        images = _where(self._chosen(images, random), bright, images)
        middle = images.flatten(1).mean(1).reshape(-1, *[1] * (images.ndim - 1))
        contrasted = middle + (images - middle) * (1 + self.contrast * _field(images, random))
        images = _where(self._chosen(images, random), contrasted, images)
        if images.ndim == 4 and images.shape[1] == _COLOURS:
            order = torch.rand(len(images), _COLOURS, generator=random).argsort(1).to(images.device)
            shuffled = images[torch.arange(len(images), device=images.device)[:, None], order]
            images = _where(self._chosen(images, random), shuffled, images)
        added = images + self.sigma * torch.randn(images.shape, generator=random).to(images)
        images = _where(self._chosen(images, random), added, images)
        width = _LEAST_BLUR_PX + (_MOST_BLUR_PX - _LEAST_BLUR_PX) * float(torch.rand((), generator=random))
        blurred = GaussianFilter(images.ndim - 2, width).to(images.device)(images)
        images = _where(self._chosen(images, random), blurred, images)
        hidden, _ = BoxHidden(side=0.3)(images, labels, class_count=None, random=random)
        return _where(self._chosen(images, random), hidden, images)

    def _chosen(self, images: Images, random: torch.Generator) -> Tensor:
        return torch.rand(len(images), generator=random).to(images.device) < self.probability


def _field(images: Images, random: torch.Generator) -> Tensor:
    """Return smooth fields ``(batch, 1, *space)`` between -1 and 1, drawn at a few points."""
    axes = images.ndim - 2
    points = 2 * torch.rand(len(images), 1, *[_FIELD_POINTS] * axes, generator=random) - 1
    mode = "bilinear" if axes == 2 else "trilinear"
    return torch.nn.functional.interpolate(points.to(images), size=images.shape[2:], mode=mode, align_corners=True)


def _where(chosen: Tensor, changed: Tensor, images: Tensor) -> Tensor:
    return torch.where(chosen.reshape(-1, *[1] * (images.ndim - 1)), changed, images)
