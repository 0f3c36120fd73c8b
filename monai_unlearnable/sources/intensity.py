"""Through which window of levels a network looks at one image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.sources.image_file import ImageHeader
from monai_unlearnable.types import StoredValues

__all__ = ["intensity_window", "robust_range", "round_thousandth"]

_LOW_PERMILLE, _HIGH_PERMILLE = 5, 995


def intensity_window(
    image: StoredValues, header: ImageHeader, *, hidden: NDArray[np.bool_] | None = None
) -> tuple[float, float] | None:
    """Return the lower and upper end of an image's window, in the unit of ``image``; None where it shows one level.

    Of uint8 images it is all levels that the file can hold, 0 to 255. Deeper files rarely use their full scale, so
    theirs is the robust range: percentiles 0.5 and 99.5 of the image's foreground. Foreground is what lies above level
    0 in unsigned images, and above the lowest value that occurs in signed and floating-point ones and those in HU,
    where 0 is a value like any other. Padding does not count.

    Args:
        image: ``(channel, *space)``, as stored or in levels.
        header: what its file says about it.
        hidden: which values are padding, in the image's shape.

    Example:
        >>> header = ImageHeader(shape=(1, 2), dtype=np.dtype("u2"), format="png", low_level=0, high_level=65535)
        >>> intensity_window(np.array([[0, 300, 900]], dtype=np.uint16), header)
        (300.0, 900.0)
    """
    if header.dtype == np.uint8:
        return float(header.low_level), float(header.high_level)
    shown = image.ravel() if hidden is None else image[~hidden]
    if not shown.size:
        return None
    lowest_counts = header.dtype.kind != "u" or header.unit == "HU"
    return robust_range(shown[shown > (shown.min() if lowest_counts else 0)])


def robust_range(values: NDArray[Any]) -> tuple[float, float] | None:
    """Return the percentiles 0.5 and 99.5, each a value that occurs; None where both are the same or there are none.

    Args:
        values: numbers of any shape and type, finite.
    """
    if not values.size:
        return None
    ranks = [-(-values.size * share // 1000) - 1 for share in (_LOW_PERMILLE, _HIGH_PERMILLE)]
    parted = np.partition(values.ravel(), ranks)
    low, high = (float(parted[rank]) for rank in ranks)
    return (low, high) if low < high else None


def round_thousandth(values: NDArray[Any]) -> float:
    """Return a thousandth of what values span, with one digit: a level size that shows most of an image.

    Example:
        >>> round_thousandth(np.array([0.0, 2776.9]))
        3.0
    """
    span = float(np.ptp(values.astype(np.float64)))
    return float(f"{span / 1000:.0e}")
