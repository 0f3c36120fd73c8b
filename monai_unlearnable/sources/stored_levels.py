"""Stored values as whole levels, and whole levels added to them: the one way for integers and for floats."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.sources.float_levels import FloatValues, add_levels, to_levels
from monai_unlearnable.types import StoredArray, StoredValues

__all__ = ["add_delta", "is_floating", "whole_levels"]


def is_floating(dtype: np.dtype[Any]) -> bool:
    """Tell whether a stored type is a floating-point one."""
    return dtype.kind == "f"


def whole_levels(values: StoredValues, *, level_size: float) -> StoredArray:
    """View stored values as whole levels: integers as they are, floats by the nearest level.

    Args:
        values: ``(channel, *space)``, integers or finite floats.
        level_size: what one level adds to a stored float; of integers it is 1.

    Example:
        >>> whole_levels(np.array([0.76, -2.0]), level_size=0.5)
        array([ 2, -4], dtype=int32)
    """
    if not is_floating(values.dtype):
        return cast(StoredArray, values)
    return to_levels(cast(FloatValues, values), level=level_size)[0]


def add_delta(values: StoredValues, delta: NDArray[np.integer], *, level_size: float = 1.0) -> StoredValues:
    """Return ``values + delta * level_size`` in the values' own type.

    Integers are exact (the caller has seen to it that the sum fits); floats are rounded towards the value, so that
    none moves further than the delta says (see :func:`~monai_unlearnable.sources.float_levels.add_levels`).

    Args:
        values: ``(channel, *space)``, integers or finite floats.
        delta: whole levels of the same shape.
        level_size: what one level adds to a stored float; of integers it is 1.

    Example:
        >>> add_delta(np.array([[7]], dtype=np.uint8), np.array([[-3]]))
        array([[4]], dtype=uint8)
        >>> add_delta(np.array([0.25], dtype=np.float32), np.array([3]), level_size=0.5)
        array([1.75], dtype=float32)
    """
    if is_floating(values.dtype):
        return add_levels(cast(FloatValues, values), delta, level=level_size)
    total = np.empty_like(values)
    # Whatever wraps on the way wraps back, because the sum fits.
    np.add(values, delta, out=total, dtype=values.dtype, casting="unsafe")
    return total
