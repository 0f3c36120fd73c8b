"""Fewer levels, or no colours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.countermeasures.base import PictureTransform, require_bytes
from monai_unlearnable.errors import NotApplicableError

__all__ = ["BitDepth", "Grey"]

_LUMA = (0.299, 0.587, 0.114)


class BitDepth(PictureTransform):
    """Keep only so many bits of each pixel (Xu et al., NDSS 2018, section II-B).

    ``rint(x / 255 * (2**bits - 1)) / (2**bits - 1) * 255``, rounded to whole levels.

    Args:
        bits: 1 to 7.

    Raises:
        ValueError: there are fewer or more bits.

    Example:
        >>> BitDepth(1)(np.array([[[100, 127, 128, 255]]], dtype=np.uint8)).tolist()
        [[[0, 0, 255, 255]]]
    """

    def __init__(self, bits: int) -> None:
        if not 1 <= bits <= 7:
            raise ValueError(f"bits={bits}: from 1 to 7; pictures have 8.")
        self.bits = bits

    def change(self, levels: NDArray[Any]) -> NDArray[Any]:
        """Return the coarser picture; see :meth:`PictureTransform.change`."""
        steps = 2**self.bits - 1
        picture = require_bytes(levels, name=type(self).__name__).astype(np.float64)
        coarse: NDArray[Any] = np.rint(np.rint(picture / 255 * steps) / steps * 255)
        return coarse


class Grey(PictureTransform):
    """Give all three channels the luma of a colour picture (ITU-R BT.601), so that networks of colours still fit.

    Example:
        >>> Grey()(np.array([[[255]], [[0]], [[0]]], dtype=np.uint8)).flatten().tolist()
        [76, 76, 76]
    """

    def change(self, levels: NDArray[Any]) -> NDArray[Any]:
        """Return the grey picture; see :meth:`PictureTransform.change`."""
        picture = require_bytes(levels, name=type(self).__name__)
        if len(picture) != len(_LUMA):
            raise NotApplicableError(f"{type(self).__name__}: a picture of {len(picture)} channel is grey already.")
        luma = np.tensordot(np.array(_LUMA), picture.astype(np.float64), axes=1)
        return np.repeat(np.rint(luma)[None], len(_LUMA), axis=0)
