"""The ways in which readers may load an image, for a surrogate to look at it in all of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Identityd, OneOf, RandFlipd, RandScaleCropd, RandScaleIntensityd, Zoomd
from torch import Tensor, nn
from torch.nn import functional

from monai_unlearnable.types import Logits

__all__ = ["ReaderWays", "usual_ways", "whole_ways"]

_KEY = "image"


class ReaderWays(nn.Module):
    """Shows a network every batch as another reader may load it, and brings its logits back to the image's own places.

    Deltas that are computed through it work in expectation over the ways (Athalye et al., ICML 2018, section 2): they
    survive a victim who flips, crops, resizes or windows in a way that nobody knows beforehand. A way is drawn at every
    call and holds for the whole batch. Logits of voxels are taken through the inverse of what is invertible, so that
    labels stay where they are (coarser ones are interpolated to the size that the network saw); voxels that a way left
    out get NaN, which :class:`~monai_unlearnable.perturbations.DenseObjective` does not count.

    Args:
        chain: MONAI dictionary transforms for the key ``"image"``: what comes after the surrogate's own preprocessing.
            They must work on tensors of any number of channels, because images of a batch come side by side as
            channels: ``channel_wise=True`` where a transform looks at intensities.
        only_asked: the same, for what comes after the chain in evaluation mode alone: a surrogate is in it while it is
            asked for a step of deltas or of adversarial images, and not while its weights learn. None for nothing.
        seed: of the draws. Their number is part of the state, so that a run that is taken up draws as if it had
            never stopped.

    Example:
        >>> ways = ReaderWays(Compose([RandFlipd("image", prob=1, spatial_axis=-1)]))
        >>> image = torch.arange(4.0).reshape(1, 1, 1, 4)
        >>> ways(image, lambda seen: seen * seen[..., :1]).tolist()  # the network sees 3, 2, 1, 0
        [[[[0.0, 3.0, 6.0, 9.0]]]]
    """

    draws: Tensor

    def __init__(self, chain: Compose, *, only_asked: Compose | None = None, seed: int = 0) -> None:
        super().__init__()
        self.chain = chain
        self.asked = chain if only_asked is None else Compose([*chain.transforms, *only_asked.transforms])
        self.seed = seed
        self.register_buffer("draws", torch.zeros((), dtype=torch.int64))

    def forward(self, image: Tensor, network: Callable[[Tensor], Logits]) -> Logits:
        """Return logits of images ``(batch, channel, *space)``; those of voxels have the images' size.

        Args:
            image: what the network would see without this.
            network: maps images to logits ``(batch, classes)``, or ``(batch, classes, *space)``, of any size.
        """
        chain = self.chain if self.training else self.asked
        chain.set_random_state(seed=(self.seed + int(self.draws)) % 2**32)
        self.draws += 1
        drawn = chain({_KEY: image.flatten(0, 1)})[_KEY]
        seen = _plain(drawn)
        logits = network(seen.reshape(*image.shape[:2], *seen.shape[1:]))
        return logits if logits.ndim < image.ndim else self._back(logits, drawn, image, chain)

    def _back(self, logits: Logits, drawn: Tensor, image: Tensor, chain: Compose) -> Logits:
        members = logits.unbind(-1) if logits.ndim > image.ndim else (logits,)
        space, seen_space = image.shape[2:], drawn.shape[1:]
        if tuple(members[0].shape[2:]) != tuple(seen_space):  # of a network whose output is coarser
            mode = "bilinear" if len(space) == 2 else "trilinear"
            members = tuple(functional.interpolate(one, size=seen_space, mode=mode) for one in members)
        flat = torch.cat([one.flatten(0, 1) for one in members])
        there = torch.ones_like(flat[:1])
        found, seen = _inverse(chain, torch.cat([flat, there]), drawn).split([len(flat), 1])
        kept = torch.where(seen > 0.5, found, found.new_tensor(math.nan))
        several = kept.reshape(len(members), *logits.shape[:2], *space)
        return several.movedim(0, -1) if logits.ndim > image.ndim else several[0]


def usual_ways(*, spatial_dims: int) -> Compose:
    """Return how readers usually load images: flipped, cropped by up to a quarter, at several sizes, windowed.

    Pictures are flipped from left to right; volumes along every axis, as those of another orientation are, and their
    intensities are scaled by up to a fifth, as by another window. Sizes are two thirds (by area means), the same, and
    four thirds (interpolated linearly) of what the surrogate sees.

    Args:
        spatial_dims: 2 for pictures, 3 for volumes.
    """
    axes = (-1,) if spatial_dims == 2 else (-3, -2, -1)
    linear = "bilinear" if spatial_dims == 2 else "trilinear"
    flips = [RandFlipd(_KEY, prob=0.5, spatial_axis=axis) for axis in axes]
    sizes = OneOf(
        [
            Zoomd(_KEY, zoom=2 / 3, mode="area", keep_size=False),
            Identityd(_KEY),
            Zoomd(_KEY, zoom=4 / 3, mode=linear, keep_size=False),
        ]
    )
    crop = RandScaleCropd(_KEY, roi_scale=0.75, max_roi_scale=1.0, random_center=True, random_size=True)
    return Compose([*flips, crop, sizes, *_windowed(spatial_dims)])


def whole_ways(*, spatial_dims: int) -> Compose:
    """Return how readers load small images that they see whole: flipped along the last axis, and volumes windowed.

    What is cropped, shifted or resampled at random keeps no pattern of single voxels, and of the patterns that a radius
    of a few percent allows in a small image no other is learnt before the structures are.

    Args:
        spatial_dims: 2 for pictures, 3 for volumes.
    """
    return Compose([RandFlipd(_KEY, prob=0.5, spatial_axis=-1), *_windowed(spatial_dims)])


def _windowed(spatial_dims: int) -> list[RandScaleIntensityd]:
    """Volumes have no window of their own, as pictures do, and readers choose one."""
    return [RandScaleIntensityd(_KEY, factors=0.2, prob=0.5)] if spatial_dims == 3 else []


def _inverse(chain: Compose, values: Tensor, drawn: Tensor) -> Tensor:
    if not isinstance(drawn, MetaTensor):
        return values
    moved = MetaTensor(values, affine=drawn.affine, applied_operations=drawn.applied_operations)
    return _plain(chain.inverse({_KEY: moved})[_KEY])


def _plain(values: Tensor) -> Tensor:
    return values.as_tensor() if isinstance(values, MetaTensor) else values
