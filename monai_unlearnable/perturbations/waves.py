"""Square waves that stay apart from each other at any phase, those that networks learn soonest first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from typing import TypeAlias

import torch
from torch import Tensor

from monai_unlearnable.errors import BudgetError

__all__ = ["LEAST_DISTANCE_SHARE", "PHASES", "apart", "draw_waves", "frequencies"]

LEAST_DISTANCE_SHARE = 0.3
"""Share of the pixels in which any two patterns differ at least."""

_CYCLE_PX = 16
_DETUNED = 15 / 16
"""What makes a period of 4 pixels one of 64/15 of them."""
Frequency: TypeAlias = tuple[float, ...]
"""Sixteenths of a cycle per pixel along each axis."""

PHASES = tuple((2 * step + 1) / (2 * _CYCLE_PX) for step in range(_CYCLE_PX))
"""In cycles; odd thirty-seconds, so that no pixel lies where the cosine is zero."""


def _wave(frequency: Frequency, phase: float, positions: Sequence[Tensor]) -> Tensor:
    """Draw a wave at these whole positions along each axis."""
    cycles = torch.full([len(one) for one in positions], phase, dtype=torch.float64)
    for axis, (step, at) in enumerate(zip(frequency, positions, strict=True)):
        shape = [len(at) if one == axis else 1 for one in range(len(positions))]
        cycles = cycles + (at * step / _CYCLE_PX).reshape(shape)
    return torch.cos(2 * math.pi * cycles).sign().float()


def draw_waves(waves: Sequence[tuple[Frequency, float]], positions: Sequence[Tensor]) -> Tensor:
    """Draw waves of a frequency and a phase in cycles: ``(count, *space)``, float32, +1 and -1.

    Args:
        waves: what is drawn.
        positions: for each axis of space the whole positions at which it is drawn.
    """
    return torch.stack([_wave(frequency, phase, positions) for frequency, phase in waves])


@cache
def frequencies(
    count: int, dimensions: int, *, detuned: bool = False, along_axes: bool = False
) -> tuple[Frequency, ...]:
    """Return at least ``count`` frequencies; for a few, only those that networks learn soonest.

    Args:
        count: how many.
        dimensions: axes of space.
        detuned: waves of which no period is a whole number of pixels, so that each image shows them at every phase: a
            reader who takes means of two pixels, or JPEG's of eight, keeps as much of them whatever the phase that
            they begin with. Of period 4 they vanish at one phase of two.
        along_axes: of the others, first those of period 4 along each axis.

    Raises:
        BudgetError: there are not so many.
    """
    chosen: list[Frequency] = []
    cycles: list[Tensor] = []
    last = -math.inf
    known = _off_lattice(dimensions) if detuned else _on_lattice(dimensions, along_axes=along_axes)
    cycle_px = _CYCLE_PX * 2 if detuned else _CYCLE_PX
    for rank, frequency in sorted(known):
        if rank > last and len(chosen) >= count:
            break
        last = rank
        half = PHASES[: len(PHASES) // 2]  # the other half are their opposites
        cycle = draw_waves([(frequency, phase) for phase in half], [torch.arange(cycle_px)] * dimensions).flatten(1)
        if all(apart(cycle[:, None], other[None]) for other in cycles):
            chosen.append(frequency)
            cycles.append(cycle)
    if len(chosen) < count:
        raise BudgetError(
            f"there are stripes for {len(chosen)} patterns, not for {count}. Take Blocks(per_axis=...), which tells "
            "more classes apart."
        )
    return tuple(chosen)


def _half_lattice(dimensions: int, *, least: int = 4) -> Iterator[tuple[int, ...]]:
    """Yield every frequency of so large a component once: a wave and its opposite direction are the same wave."""
    for frequency in product(range(-6, 7), repeat=dimensions):
        first = next((one for one in frequency if one), 0)
        if first > 0 and max(map(abs, frequency)) >= least:
            yield frequency


def _on_lattice(dimensions: int, *, along_axes: bool) -> list[tuple[float, Frequency]]:
    """Return waves of whole sixteenths with their ranks."""
    waves = _half_lattice(dimensions)
    return [(-1 if along_axes and sum(map(abs, one)) == 4 == max(one) else _rank(one), one) for one in waves]


def _off_lattice(dimensions: int) -> list[tuple[float, Frequency]]:
    """Return detuned waves with their ranks.

    First those of about 4 pixels along an axis, then along a diagonal, then longer ones along an axis, then others, at
    last the mirror images of those before. Shorter ones, which a blur takes off, are left out.
    """
    waves = (one for one in _half_lattice(dimensions, least=2) if 2.5 <= math.hypot(*one) <= 4.5)
    return [(_detuned_rank(one), tuple(_DETUNED * step for step in one)) for one in waves]


def _detuned_rank(frequency: tuple[int, ...]) -> float:
    sizes = [abs(one) for one in frequency if one]
    if min(frequency) < 0:
        return 10
    if len(sizes) == 1:
        return 0 if sizes[0] == 4 else 2
    return 1 if len(set(sizes)) == 1 else 3 + abs(math.hypot(*frequency) - 4)


def _rank(frequency: tuple[int, ...]) -> int:
    """Rank by how soon networks learn the wave, and by what keeps it apart from better ones.

    First periods 4 and 8/3 along an axis or a diagonal, one of each kind: readers who flip images or turn them by
    right angles cannot take one for another. Then their turned and other waves, which flips keep apart. At last the
    mirror images of those before.
    """
    sizes = set(map(abs, frequency)) - {0}
    if min(frequency) < 0:
        return 4
    if sizes in ({4}, {6}):
        return 0 if sorted(frequency) == list(frequency) else 1
    return 2 if all(one % 2 == 0 for one in sizes) else 3


def apart(one: Tensor, other: Tensor) -> bool:
    """Say whether flat patterns ``(..., pixels)`` differ, pair by pair, neither too little nor too much."""
    shares = (one != other).float().mean(-1)
    return float(shares.min()) >= LEAST_DISTANCE_SHARE and float(shares.max()) <= 1 - LEAST_DISTANCE_SHARE
