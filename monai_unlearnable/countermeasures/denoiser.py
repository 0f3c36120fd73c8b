"""Images cleaned by a network that learnt on other images what such images look like."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.networks.blocks import Convolution
from numpy.typing import NDArray
from torch import Tensor, nn

from monai_unlearnable.countermeasures.base import PictureTransform, as_image
from monai_unlearnable.errors import NotApplicableError
from monai_unlearnable.sources.open import open_source

__all__ = ["Denoised", "DenoisedAs", "denoising_network"]

_WIDTH, _LAYERS = 24, 6
_BATCH, _PATCH_PX = 16, 32
_GRAINS_PX = (1, 2, 4, 8)
_LARGEST_DEVIATION = 0.4
_LEARNING_RATE = 2e-3
_LEAST_SPREAD = 1e-6
_MOST_IMAGES = 1000


def denoising_network(*, spatial_dims: int, channels: int) -> nn.Sequential:
    """Return a small network that predicts what was added to an image (as DnCNN; Zhang et al., TIP 2017).

    Args:
        spatial_dims: 2 for pictures, 3 for volumes.
        channels: of an image.
    """
    widths = [channels, *[_WIDTH] * (_LAYERS - 1), channels]
    last = _LAYERS - 1
    return nn.Sequential(
        *(
            Convolution(spatial_dims, one, other, act=None if at == last else "relu", norm=None, bias=True)
            for at, (one, other) in enumerate(itertools.pairwise(widths))
        )
    )


class Denoised(PictureTransform):
    """Take off what a network takes for an addition. Use :meth:`fit`.

    The network sees an image with mean 0 and deviation 1 over all of its values.

    Args:
        network: predicts what was added, ``(batch, channel, *space)`` to the same.
        spatial_dims: 2 for pictures, 3 for volumes.
        channels: of the images that it was trained on.
    """

    def __init__(self, network: nn.Module, *, spatial_dims: int, channels: int) -> None:
        self.network, self.spatial_dims, self.channels = network.eval(), spatial_dims, channels

    @classmethod
    def fit(cls, images: Sequence[NDArray[Any]], *, steps: int = 600, seed: int = 0) -> Denoised:
        """Train a network to take additions off clean images of the same kind as the released ones, not off these.

        What is added is drawn anew at every step: Gaussian numbers for single pixels, for blocks, or for stripes along
        an axis, of any strength up to 0.4 of the deviation of an image. Somebody who knows more of how a release was
        protected could do better; so small a network leaves most of what is coarser than a pixel or two.

        Args:
            images: ``(channel, *space)`` each, of any sizes, levels.
            steps: of Adam, each on 16 patches of at most 32 pixels a side.
            seed: of weights and of all that is drawn.

        Raises:
            NotApplicableError: no image, or images of several channel counts or dimensions.
            ValueError: no step.
        """
        kinds = {(one.ndim, one.shape[0]) for one in images}
        if len(kinds) != 1:
            raise NotApplicableError(
                f"{cls.__name__}: needs images of one number of axes and channels to be trained on, not of "
                f"{len(kinds)} kinds."
            )
        if steps < 1:
            raise ValueError(f"steps={steps}: at least 1 is needed.")
        ((axes, channels),) = kinds
        random = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = denoising_network(spatial_dims=axes - 1, channels=channels)
        _train(network, [_standardised(as_image(one))[0] for one in images], steps=steps, random=random)
        return cls(network, spatial_dims=axes - 1, channels=channels)

    def change(self, levels: NDArray[Any]) -> NDArray[Any]:
        """Return the cleaned image; see :meth:`PictureTransform.change`.

        Raises:
            NotApplicableError: the image has other dimensions or channels than those that the network was trained on.
        """
        if (levels.ndim - 1, len(levels)) != (self.spatial_dims, self.channels):
            raise NotApplicableError(
                f"{type(self).__name__}: an image of shape {levels.shape}; the network was trained on images of "
                f"{self.channels} channels and {self.spatial_dims} axes."
            )
        image, mean, spread = _standardised(as_image(levels))
        with torch.no_grad():
            cleaned = image - self.network(image[None])[0]
        return np.asarray(cleaned * spread + mean)

    def describe(self) -> dict[str, Any]:
        """Return the kind and a hash of the network's weights."""
        digest = hashlib.sha256()
        for name, value in self.network.state_dict().items():
            digest.update(name.encode() + value.numpy().tobytes())
        return {"countermeasure": type(self).__name__, "network_sha256": digest.hexdigest()}


class DenoisedAs(PictureTransform):
    """:meth:`Denoised.fit` on the images of another source, when it is first needed; labels are not looked at.

    Args:
        path: the source, as :func:`~monai_unlearnable.sources.open.open_source` takes it: images of the same kind as
            the released ones, and none of these. Its first 1000 images are used.
        steps: see :meth:`Denoised.fit`.
        seed: likewise.

    Raises:
        SourceError: there is no such source.
    """

    def __init__(self, path: str | Path, *, steps: int = 600, seed: int = 0) -> None:
        self._source, self.steps, self.seed = open_source(path), steps, seed

    def change(self, levels: NDArray[Any]) -> NDArray[Any]:
        """Return the cleaned image; see :meth:`Denoised.change`."""
        return self._fitted.change(levels)

    def describe(self) -> dict[str, Any]:
        """Return the kind, its settings and a hash of the images that the network is trained on, without their path."""
        return {
            "countermeasure": type(self).__name__,
            "steps": self.steps,
            "seed": self.seed,
            "images": len(self.images),
            "images_sha256": self._images_sha256,
        }

    @cached_property
    def images(self) -> list[NDArray[Any]]:
        """The images that it learns from, levels."""
        return [self._source.read(index) for index in range(min(len(self._source), _MOST_IMAGES))]

    @cached_property
    def _images_sha256(self) -> str:
        digest = hashlib.sha256()
        for image in self.images:
            digest.update(f"{image.dtype}\0{image.shape}\0".encode() + np.ascontiguousarray(image).tobytes())
        return digest.hexdigest()

    @cached_property
    def _fitted(self) -> Denoised:
        return Denoised.fit(self.images, steps=self.steps, seed=self.seed)


def _train(network: nn.Module, images: Sequence[Tensor], *, steps: int, random: torch.Generator) -> None:
    optimizer = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    side = [min(_PATCH_PX, *(one.shape[axis] for one in images)) for axis in range(1, images[0].ndim)]
    for _ in range(steps):
        chosen = torch.randint(len(images), (_BATCH,), generator=random).tolist()
        clean = torch.stack([_patch(images[one], side, random) for one in chosen])
        added = _additions(clean, random)
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(network(clean + added), added).backward()
        optimizer.step()
        schedule.step()


def _patch(image: Tensor, side: Sequence[int], random: torch.Generator) -> Tensor:
    for axis, length in enumerate(side, start=1):
        first = int(torch.randint(image.shape[axis] - length + 1, (), generator=random))
        image = image.narrow(axis, first, length)
    return image


def _additions(clean: Tensor, random: torch.Generator) -> Tensor:
    """Draw numbers for blocks of pixels; along each axis a block has its own size, up to the whole of it."""
    space = clean.shape[2:]
    sizes = [(*_GRAINS_PX, length)[int(torch.randint(len(_GRAINS_PX) + 1, (), generator=random))] for length in space]
    cells = [-(-length // size) for length, size in zip(space, sizes, strict=True)]
    drawn = torch.randn(*clean.shape[:2], *cells, generator=random)
    for axis, (size, length) in enumerate(zip(sizes, space, strict=True), start=2):
        drawn = drawn.repeat_interleave(size, dim=axis).narrow(axis, 0, length)
    strength = _LARGEST_DEVIATION * torch.rand(len(clean), generator=random)
    return drawn * strength.reshape(-1, *[1] * (clean.ndim - 1))


def _standardised(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    mean, spread = image.mean(), image.std().clamp_min(_LEAST_SPREAD)
    return (image - mean) / spread, mean, spread
