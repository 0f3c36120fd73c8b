"""The rule for floating-point files: what a level is, how deltas are added, what the owner keeps to undo it.

**The level.** Where every value of a file is a whole number below 2**24 in size (float32) or 2**53 (float64), one level
is 1, and protecting is as exact as with integers. Otherwise nobody but the user can know what a small step is: the user
names a level size in the file's own values. A level size that the user names is always taken.

**Adding.** ``released`` is ``original + delta * level`` rounded to a float that is not further from the original than
``|delta| * level``, in exact arithmetic; for whole numbers and a level of 1 it is exactly their sum. A delta of 0
changes no bit. Where a level is smaller than the gap between floats, the value may stay as it is.

**Undoing.** Rounding loses bits, so the owner keeps a *residual*: for each value the difference between two bit
patterns, of the original and of the released value with the delta taken off by the same rule. It is 0 wherever nothing
was lost (always, for whole numbers), and with it every bit comes back: a negative zero, a subnormal, a huge value.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.intensity import round_thousandth

__all__ = [
    "FloatValues",
    "add_levels",
    "check_finite",
    "level_residual",
    "level_size_of",
    "to_levels",
    "undo_levels",
    "whole_number_limit",
]

FloatValues: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
"""Stored values of one floating-point image, (channel, *space)."""

SMALLEST_LEVEL, LARGEST_LEVEL, LARGEST_DELTA = 1e-30, 1e30, 1 << 31
"""Inside these sizes no product of a delta and a level overflows or becomes subnormal."""

_EXACT_BITS = 22
"""A level of so few significant bits times a delta of up to 31 bits has no more than the 53 of a float64."""


def whole_number_limit(dtype: np.dtype[Any]) -> int:
    """Return the size below which every whole number is a float of this type: 2**24 or 2**53."""
    return 1 << (np.finfo(dtype).nmant + 1)


def check_finite(values: NDArray[Any], *, where: str) -> None:
    """Refuse NaN and infinity in floats or integers of any shape; ``where`` is the file, for the message.

    Raises:
        SourceError: a value is not a number or not finite.
    """
    if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
        count = int(np.count_nonzero(~np.isfinite(values)))
        raise SourceError(
            f"{where}: {count} of {values.size} values are NaN or infinite, which no delta can be added to. "
            f"Replace them by numbers, or leave the file out."
        )


def level_size_of(values: FloatValues, *, asked: float | None, where: str) -> float:
    """Decide the size of a level, in the file's own values.

    Args:
        values: ``(channel, *space)``, finite.
        asked: the level size that the user named, or None.
        where: the file, for the message.

    Returns:
        ``asked`` if there is one; else 1.0.

    Raises:
        SourceError: not all values are whole numbers and the user named no level size, or one that is not usable.

    Example:
        >>> level_size_of(np.array([[3.0, -1.0]]), asked=None, where="a.nii")
        1.0
    """
    check_finite(values, where=where)
    if asked is not None:
        return _check_level(asked, where=where)
    limit = whole_number_limit(values.dtype)
    whole = (values == np.rint(values)) & (np.abs(values) < limit)
    if not whole.all():
        first = values[~whole].flat[0]
        fine = f"{round_thousandth(values):g}"
        raise SourceError(
            f"{where}: holds {values.dtype} values that are not whole numbers below {limit} ({first!s} is one), so "
            f"nothing says how large a level is. Name a level size in the file's own values: --level-size {fine} or "
            f"level_size={fine} gives this file about a thousand levels."
        )
    return 1.0


def to_levels(values: FloatValues, *, level: float) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """View values as whole levels plus what is left over.

    ``values == levels * level + rest`` in exact arithmetic, with ``|rest| <= level / 2``, wherever the levels fit into
    int32; elsewhere the levels are the nearest that do, and the rest is rounded.

    Args:
        values: ``(channel, *space)``, finite.
        level: size of a level, in the file's own values.

    Returns:
        Levels and rest, each of the shape of ``values``.

    Example:
        >>> levels, rest = to_levels(np.array([0.75, -2.0]), level=0.5)
        >>> levels.tolist(), rest.tolist()
        ([1, -4], [0.25, 0.0])
    """
    _check_level(level)
    wide = values.astype(np.float64)
    limits = np.iinfo(np.int32)
    # fmod is exact, so the rest is; a division alone would be off by one beside the middle of two levels.
    rest = np.fmod(wide, level)
    with np.errstate(over="ignore"):
        levels = np.rint((wide - rest) / level)
    further = np.abs(rest) > level / 2
    toward = np.copysign(1.0, rest)
    levels = np.where(further, levels + toward, levels)
    rest = np.where(further, rest - toward * level, rest)
    fits = (levels >= limits.min) & (levels <= limits.max)
    levels = np.clip(levels, limits.min, limits.max)
    return levels.astype(np.int32), np.where(fits, rest, wide - levels * level) + 0.0


def add_levels(values: FloatValues, delta: NDArray[np.integer], *, level: float) -> FloatValues:
    """Add whole levels to floats, never going further than ``|delta| * level`` from the value.

    Args:
        values: ``(channel, *space)``, finite float32 or float64.
        delta: whole levels of the same shape, at most 2**31 in size.
        level: size of a level, in the file's own values.

    Raises:
        SourceError: the level size is not usable.
        ValueError: the shapes differ, or a delta is too large.

    Example:
        >>> add_levels(np.array([5.0, 1e30], dtype=np.float32), np.array([-2, 1]), level=1.0)
        array([3.e+00, 1.e+30], dtype=float32)
    """
    _check_level(level)
    if values.shape != delta.shape:
        raise ValueError(f"delta is of shape {delta.shape}, the values are of {values.shape}")
    steps = delta.astype(np.float64)
    if steps.size and np.abs(steps).max() > LARGEST_DELTA:
        raise ValueError(f"a delta of {np.abs(steps).max():.0f} levels is more than {LARGEST_DELTA}")
    wide = values.astype(np.float64)
    reach = _at_most(np.abs(steps), level)
    largest = float(np.finfo(values.dtype).max)
    with np.errstate(over="ignore"):
        nearest = np.clip(wide + np.copysign(reach, steps), -largest, largest).astype(values.dtype)
    # The nearest float may lie beyond the reach; its neighbour towards the value never does.
    too_far = _exceeds(nearest.astype(np.float64), wide, reach)
    moved = np.where(too_far, np.nextafter(nearest, values), nearest)
    released: FloatValues = np.where(delta == 0, values, moved)
    return released


def level_residual(
    original: FloatValues, released: FloatValues, delta: NDArray[np.integer], *, level: float
) -> NDArray[np.int32] | NDArray[np.int64]:
    """Return what :func:`undo_levels` needs to bring back every bit of the original.

    Args:
        original: ``(channel, *space)``, finite.
        released: :func:`add_levels` of it.
        delta: the whole levels that were added.
        level: size of a level, in the file's own values.

    Returns:
        int32 for float32 and int64 for float64, of the same shape; 0 where nothing was lost.
    """
    back = add_levels(released, -delta.astype(np.int64), level=level)
    bits = _bits(original) - _bits(back)  # unsigned, so it wraps and never overflows
    return bits.view(np.int32) if bits.dtype == np.uint32 else bits.view(np.int64)


def undo_levels(
    released: FloatValues, delta: NDArray[np.integer], residual: NDArray[np.integer], *, level: float
) -> FloatValues:
    """Return the original values, bit for bit.

    Args:
        released: ``(channel, *space)``, float32 or float64.
        delta: the whole levels that were added.
        residual: what :func:`level_residual` returned; zeros where nothing was lost.
        level: size of a level, in the file's own values.

    Raises:
        ValueError: the residual is not of the type or shape of the values.

    Example:
        >>> original = np.array([0.1, -0.0])
        >>> delta = np.array([3, -7])
        >>> released = add_levels(original, delta, level=0.3)
        >>> residual = level_residual(original, released, delta, level=0.3)
        >>> undo_levels(released, delta, residual, level=0.3).tobytes() == original.tobytes()
        True
    """
    if residual.dtype.itemsize != released.dtype.itemsize or residual.shape != released.shape:
        raise ValueError(
            f"the residual is {residual.dtype} {residual.shape}, which does not fit {released.dtype} {released.shape}"
        )
    back = add_levels(released, -delta.astype(np.int64), level=level)
    bits = _bits(back) + _bits(residual)
    return bits.view(np.float32) if bits.dtype == np.uint32 else bits.view(np.float64)


def _check_level(level: float, *, where: str = "this image") -> float:
    if not SMALLEST_LEVEL <= level <= LARGEST_LEVEL:
        raise SourceError(
            f"{where}: a level size of {level!r} is not usable; it must be from {SMALLEST_LEVEL} to {LARGEST_LEVEL}."
        )
    return float(level)


def _at_most(counts: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """Return the products rounded so that none is above the exact one."""
    mantissa, _ = np.frexp(level)
    products = counts * level
    exact = float(mantissa) * 2**_EXACT_BITS == np.rint(float(mantissa) * 2**_EXACT_BITS)
    return products if exact else np.nextafter(products, 0.0)


def _exceeds(new: NDArray[np.float64], old: NDArray[np.float64], reach: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell in exact arithmetic where ``|new - old| > reach``, with Knuth's sum of two floats and its rounding error."""
    difference = new - old
    virtual = difference - new
    error = (new - (difference - virtual)) + (-old - virtual)
    size = np.abs(difference)
    error_outwards = np.where(difference < 0, -error, error)
    beyond: NDArray[np.bool_] = (size > reach) | ((size == reach) & (error_outwards > 0))
    return beyond


def _bits(values: NDArray[Any]) -> NDArray[np.unsignedinteger]:
    unsigned = np.uint32 if values.dtype.itemsize == 4 else np.uint64
    bits: NDArray[np.unsignedinteger] = np.ascontiguousarray(values).view(unsigned)
    return bits
