"""Images that were made smaller and enlarged again."""

from __future__ import annotations

from typing import Any

import numpy as np
from monai.transforms import Resize
from numpy.typing import NDArray

from monai_unlearnable.countermeasures.base import PictureTransform, as_image

__all__ = ["LowResolutionRoundTrip"]


class LowResolutionRoundTrip(PictureTransform):
    """Shrink an image by area means and enlarge it linearly (MONAI's ``Resize``), pictures and volumes alike.

    Args:
        factor: size of the small image as a share of each axis, above 0 and below 1.

    Raises:
        ValueError: the factor is out of its range.

    Example:
        >>> stripes = np.tile(np.array([0, 200], dtype=np.uint8), (1, 8, 4))
        >>> LowResolutionRoundTrip(0.5)(stripes)[0, 0].tolist()
        [100, 100, 100, 100, 100, 100, 100, 100]
    """

    def __init__(self, factor: float = 0.5) -> None:
        if not 0 < factor < 1:
            raise ValueError(f"factor={factor}: above 0 and below 1.")
        self.factor = factor

    def change(self, levels: NDArray[Any]) -> NDArray[Any]:
        """Return the blurred image; see :meth:`PictureTransform.change`."""
        image, space = as_image(levels), levels.shape[1:]
        small = Resize([max(1, round(self.factor * one)) for one in space], mode="area")(image)
        mode = "bilinear" if len(space) == 2 else "trilinear"
        return np.asarray(Resize(space, mode=mode)(small))
