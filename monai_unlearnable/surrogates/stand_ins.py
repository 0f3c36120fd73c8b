"""Differentiable stand-ins for what readers may do to images, so that deltas can be computed against it."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import Compose, GaussianSmoothd, Identityd, MapTransform, OneOf, RandomizableTransform, Zoomd
from torch import Tensor
from torch.nn import functional

from monai_unlearnable.types import Images

__all__ = ["RandJpegStandInd", "RandUniformShiftd", "jpeg_stand_in", "usual_countermeasures"]

_KEY = "image"
_BLOCK = 8
_MIDDLE = 128
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
"""Quantisation of luminance at quality 50 (ITU-T T.81, table K.1)."""


def jpeg_stand_in(images: Images, *, quality: float) -> Images:
    """Return what a JPEG file leaves of images, with a gradient.

    Every channel goes by itself through the cosine transform of 8x8 blocks and the luminance table, scaled to a quality
    as libjpeg does. Rounding lets the gradient through (straight through; Shin & Song 2017 call for such stand-ins).
    Colour conversion and the coarser grid of colours are left out.

    Args:
        images: ``(batch, channel, height, width)``, -1 to 1 for a file's 0 to 255.
        quality: 1 to 100.

    Returns:
        The same shape.
    """
    height, width = images.shape[-2:]
    border = (0, -width % _BLOCK, 0, -height % _BLOCK)
    levels = functional.pad((images + 1) * 127.5 - _MIDDLE, border, mode="replicate")
    scale = 50 / quality if quality < 50 else 2 - quality / 50  # as libjpeg
    table = (torch.tensor(_LUMINANCE, dtype=images.dtype, device=images.device) * scale + 0.5).floor().clamp(1, 255)
    basis = _cosines().to(levels)
    blocks = levels.unfold(-2, _BLOCK, _BLOCK).unfold(-2, _BLOCK, _BLOCK)
    shares = basis @ blocks @ basis.T / table
    kept = (shares + (shares.round() - shares).detach()) * table
    back = (basis.T @ kept @ basis).permute(0, 1, 2, 4, 3, 5).reshape(levels.shape)
    return (back[..., :height, :width] + _MIDDLE) / 127.5 - 1


def _cosines() -> Tensor:
    """Return the orthonormal cosine transform of a block's rows."""
    place = torch.arange(_BLOCK, dtype=torch.float64)
    rows = torch.cos((2 * place[None] + 1) * place[:, None] * math.pi / (2 * _BLOCK)) * math.sqrt(2 / _BLOCK)
    rows[0] /= math.sqrt(2)
    return rows


class RandJpegStandInd(RandomizableTransform, MapTransform):
    """:func:`jpeg_stand_in` of pictures ``(channel, height, width)`` at a random quality.

    Args:
        keys: of the pictures.
        qualities: smallest and largest.
        prob: how often.
    """

    def __init__(self, keys: KeysCollection, *, qualities: tuple[float, float] = (10, 75), prob: float = 1.0) -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, prob)
        self.qualities = qualities

    def __call__(self, data: Mapping[Hashable, Tensor]) -> dict[Hashable, Any]:
        """Return the dictionary with changed pictures."""
        changed = dict(data)
        self.randomize(None)
        quality = float(self.R.uniform(*self.qualities))
        if self._do_transform:
            for key in self.key_iterator(changed):
                changed[key] = jpeg_stand_in(changed[key][None], quality=quality)[0]
        return changed


class RandUniformShiftd(RandomizableTransform, MapTransform):
    """Moves every voxel by its own draw from a uniform distribution around 0.

    One such draw stands for the worst change within the same radius, at a quarter of the cost (Liu et al., AAAI 2024,
    stable error-minimizing, section 4).

    Args:
        keys: of the images.
        radius: the largest change, in the units of the images.
        prob: how often.
    """

    def __init__(self, keys: KeysCollection, *, radius: float, prob: float = 1.0) -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, prob)
        self.radius = radius

    def __call__(self, data: Mapping[Hashable, Tensor]) -> dict[Hashable, Any]:
        """Return the dictionary with changed images."""
        changed = dict(data)
        self.randomize(None)
        seed = int(self.R.randint(2**31))
        if self._do_transform:
            for key in self.key_iterator(changed):
                random = torch.Generator().manual_seed(seed)
                drawn = torch.rand(changed[key].shape, generator=random).to(changed[key])
                changed[key] = changed[key] + (2 * drawn - 1) * self.radius
        return changed


def usual_countermeasures(*, spatial_dims: int) -> Compose:
    """Return what readers are known to do against deltas, each as often: nothing, smooth, shrink, compress.

    Args:
        spatial_dims: 2 for pictures, 3 for volumes, which no JPEG file holds.
    """
    linear = "bilinear" if spatial_dims == 2 else "trilinear"
    shrunk = Compose(
        [Zoomd(_KEY, zoom=0.5, mode="area", keep_size=False), Zoomd(_KEY, zoom=2.0, mode=linear, keep_size=False)]
    )
    kinds: list[Any] = [Identityd(_KEY), GaussianSmoothd(_KEY, sigma=0.8), shrunk]
    if spatial_dims == 2:
        kinds.append(RandJpegStandInd(_KEY))
    return Compose([OneOf(kinds)])
