"""MONAI's filters on stored levels."""

from __future__ import annotations

from typing import Any

import numpy as np
from monai.transforms import AdjustContrast, GaussianSmooth, MedianSmooth
from numpy.typing import NDArray

from monai_unlearnable.countermeasures.base import PictureTransform, as_image

__all__ = ["Blurred", "GammaChanged", "MedianFiltered"]

_WIDEST_PX = 100
_LARGEST_RADIUS_PX = 10


class Blurred(PictureTransform):
    """Blur an image by a Gaussian (MONAI's ``GaussianSmooth``, beyond the edges lies 0), pictures and volumes alike.

    Args:
        sigma_px: width of the Gaussian, in pixels of the file.

    Raises:
        ValueError: the width is not positive, or above 100.
    """

    def __init__(self, sigma_px: float = 1.0) -> None:
        if not 0 < sigma_px <= _WIDEST_PX:
            raise ValueError(f"sigma_px={sigma_px}: above 0, and at most {_WIDEST_PX}.")
        self.sigma_px = sigma_px

    def change(self, levels: NDArray[Any]) -> NDArray[Any]:
        """Return the blurred image; see :meth:`PictureTransform.change`."""
        return np.asarray(GaussianSmooth(sigma=self.sigma_px)(as_image(levels)))


class MedianFiltered(PictureTransform):
    """Give every pixel the median of those around it (MONAI's ``MedianSmooth``), pictures and volumes alike.

    Args:
        radius_px: a square of ``2 * radius_px + 1`` pixels a side is looked at.

    Raises:
        ValueError: the radius is less than 1, or above 10.
    """

    def __init__(self, radius_px: int = 1) -> None:
        if not 1 <= radius_px <= _LARGEST_RADIUS_PX:
            raise ValueError(f"radius_px={radius_px}: from 1 to {_LARGEST_RADIUS_PX}.")
        self.radius_px = radius_px

    def change(self, levels: NDArray[Any]) -> NDArray[Any]:
        """Return the filtered image; see :meth:`PictureTransform.change`."""
        return np.asarray(MedianSmooth(radius=self.radius_px)(as_image(levels)))


class GammaChanged(PictureTransform):
    """Raise the levels of an image, from its darkest to its brightest, to a power (MONAI's ``AdjustContrast``).

    Args:
        gamma: the power; 1 changes nothing.

    Raises:
        ValueError: the power is not positive.
    """

    def __init__(self, gamma: float) -> None:
        if not 0 < gamma < float("inf"):
            raise ValueError(f"gamma={gamma}: must be positive and finite.")
        self.gamma = gamma

    def change(self, levels: NDArray[Any]) -> NDArray[Any]:
        """Return the image with another contrast; see :meth:`PictureTransform.change`."""
        return np.asarray(AdjustContrast(gamma=self.gamma)(as_image(levels)))
