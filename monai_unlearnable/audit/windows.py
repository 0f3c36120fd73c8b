"""Through which window an image is shown: which value is black, which white, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.sources.image_view import ImageView
from monai_unlearnable.types import StoredValues

__all__ = ["BODY_HU", "HU", "SOFT_TISSUE_HU", "Window", "choose_window", "foreground_of"]

HU = "HU"
BODY_HU = -500.0
"""What is denser is taken for the body: halfway between air and water."""

SOFT_TISSUE_HU = (-160.0, 240.0)
_ROBUST_PERCENTILES = (0.5, 99.5)
_MOST_SAMPLES = 1 << 22


@dataclass(frozen=True)
class Window:
    """Values that are shown as black and as white; those beyond are cut.

    Attributes:
        low: black, in the view's unit.
        high: white.
        text: what it is, for a caption.
        inverted: ``low`` is white and ``high`` black.
    """

    low: float
    high: float
    text: str
    inverted: bool = False

    @property
    def width(self) -> float:
        """Values between black and white."""
        return self.high - self.low

    def shown(self, values: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Return values as grey, in the same shape.

        Example:
            >>> Window(-160.0, 240.0, "").shown(np.array([-1000.0, 80.0, 240.0])).tolist()
            [0, 153, 255]
        """
        grey = np.clip(np.rint((values - self.low) * (255 / self.width)), 0, 255).astype(np.uint8)
        return 255 - grey if self.inverted else grey


def choose_window(clean: StoredValues, view: ImageView, foreground: NDArray[np.bool_]) -> Window:
    """Choose a window for an image.

    CT in HU gets the soft tissue window; 8 bits are shown whole; anything else by the robust range of its foreground.

    Args:
        clean: stored integers of the original, ``(channel, *space)``.
        view: how the image is shown.
        foreground: which voxels count, in the same shape.
    """
    unit = view.unit
    if unit == HU:
        low, high = SOFT_TISSUE_HU
        return Window(low, high, f"soft tissue, {low:g} to {high:g} HU", view.inverted)
    if clean.dtype == np.uint8 and view.slopes == (1.0,) and view.intercepts == (0.0,):
        return Window(0.0, 255.0, "all levels, 0 to 255", view.inverted)
    thin = _thinning(clean.shape)
    chosen, slope, intercept = foreground[thin], *(one[thin] for one in view.scale(clean.shape))
    values = (clean[thin] * slope + intercept)[chosen if chosen.any() else ...]
    low, high = (float(one) for one in np.percentile(values, _ROBUST_PERCENTILES))
    if low == high:
        low, high = low - 0.5, high + 0.5
    names = " and ".join(f"{one:g}" for one in _ROBUST_PERCENTILES)
    return Window(low, high, f"values {low:g} to {high:g} (percentiles {names} of the foreground)", view.inverted)


def foreground_of(clean: StoredValues, view: ImageView) -> NDArray[np.bool_]:
    """Return which voxels are foreground, in the same shape.

    In HU that is the body: above -500. Else it is what lies above 0 in unsigned images, and above the lowest level that
    occurs in signed ones; everything, if that leaves nothing.
    """
    if view.unit == HU:
        slope, intercept = view.scale((1, *clean.shape[1:2], *(1,) * (clean.ndim - 2)))
        limit = (BODY_HU - intercept) / slope
        found = np.where(slope > 0, clean > limit, clean < limit)
    else:
        found = clean > (clean.min() if clean.dtype.kind in "if" else 0)
    return found if found.any() else np.ones_like(found)


def _thinning(shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return slices that leave a few million values, evenly spread, of a large image."""
    step = math.ceil((math.prod(shape) / _MOST_SAMPLES) ** (1 / (len(shape) - 1)))
    return (slice(None), *(slice(None, None, max(1, step)) for _ in shape[1:]))
