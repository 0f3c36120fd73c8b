"""Patterns of +1 and -1 that tell classes apart: stripes for convolutional networks, blocks for linear ones."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import Any, TypeAlias

import torch
from torch import Tensor

from monai_unlearnable.errors import BudgetError

__all__ = ["Blocks", "PatternFamily", "Stripes"]

_MAX_DRAWS = 1000
_LEAST_DISTANCE_SHARE = 0.3
_CYCLE_PX = 16
_LEAST_VIEW_PX = 8
Frequency: TypeAlias = tuple[int, ...]
"""Sixteenths of a cycle per pixel along each axis."""

_PHASES = tuple((2 * step + 1) / (2 * _CYCLE_PX) for step in range(_CYCLE_PX))
"""In cycles; odd thirty-seconds, so that no pixel lies where the cosine is zero."""


class PatternFamily(ABC):
    """Draws patterns of which any two differ in 30 to 70 % of their pixels."""

    @abstractmethod
    def signs(self, count: int, space: Sequence[int], *, seed: int) -> Tensor:
        """Draw ``count`` patterns.

        Args:
            count: number of patterns.
            space: size of the images along each axis.
            seed: whoever knows it can draw the same patterns.

        Returns:
            ``(count, *space)``, float32, +1 and -1.

        Raises:
            BudgetError: there are not so many patterns, or images of this size cannot show them.
        """

    @abstractmethod
    def check(self, count: int) -> None:
        """Check early that so many patterns can be drawn for images.

        Raises:
            BudgetError: they cannot.
        """

    def seen_at(self, size_px: int | None) -> PatternFamily:
        """Return the family for images that readers will resize to ``size_px``; None where they will not."""
        return self

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values."""


@dataclass(frozen=True, kw_only=True)
class Stripes(PatternFamily):
    """Square waves of short period, one direction and frequency for each pattern.

    Pattern ``k`` is ``sign(cos(2 pi (<f_k, i> + phase_k)))`` with ``f_k`` in sixteenths of a cycle per pixel. One
    convolution and a mean over the image read it, at any place, so a network learns it within a few dozen steps,
    before it learns what the images show; a block pattern of the same radius needs hundreds. The few best waves stay
    apart when images are flipped or turned. The seed decides which of the waves a class gets, and the phases.

    Attributes:
        view_px: the size that readers are expected to look at images in, where that is not the stored one; stripes
            are drawn at this size and enlarged with the image. None: stripes are drawn on the stored pixels.

    Example:
        >>> Stripes().signs(2, (4, 4), seed=1)[0].tolist()[0]
        [1.0, 1.0, -1.0, -1.0]
    """

    view_px: int | None = None

    def __post_init__(self) -> None:
        if self.view_px is not None and self.view_px < _LEAST_VIEW_PX:
            raise BudgetError(
                f"view_px={self.view_px}: stripes need images of at least {_LEAST_VIEW_PX} pixels a side."
            )

    def signs(self, count: int, space: Sequence[int], *, seed: int) -> Tensor:
        """Draw stripes; see :meth:`PatternFamily.signs`."""
        generator = _generator("stripes", len(space), seed)
        size = [min(one, self.view_px or one) for one in space]
        known = _frequencies(count, len(space))
        order = torch.randperm(len(known), generator=generator)[:count].tolist()
        phases = torch.randint(0, len(_PHASES), (count,), generator=generator).tolist()
        waves = [_wave(known[at], _PHASES[phase], size) for at, phase in zip(order, phases, strict=True)]
        patterns = _enlarge(torch.stack(waves), space)
        _require_distances(patterns, space, f"Stripes(view_px={self.view_px})")
        return patterns

    def check(self, count: int) -> None:
        """Check that there are so many waves; see :meth:`PatternFamily.check`."""
        _frequencies(count, 2)

    def seen_at(self, size_px: int | None) -> Stripes:
        """Return stripes that are drawn at the size that readers will look at."""
        return self if self.view_px is not None else replace(self, view_px=size_px)

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return {"family": "stripes", "view_px": self.view_px}


@dataclass(frozen=True, kw_only=True)
class Blocks(PatternFamily):
    """Random blocks (Yu et al., KDD 2022, section 4): the same blocks along every axis, whatever the image's size.

    Attributes:
        per_axis: blocks along each axis (7 gives 4-pixel blocks for 28 pixels).
    """

    per_axis: int = 7

    def __post_init__(self) -> None:
        if self.per_axis < 2:
            raise BudgetError(f"per_axis={self.per_axis}: at least 2 blocks make a pattern.")

    def signs(self, count: int, space: Sequence[int], *, seed: int) -> Tensor:
        """Draw blocks; see :meth:`PatternFamily.signs`."""
        patterns = _enlarge(self._draw(count, len(space), seed), space)
        _require_distances(patterns, space, f"Blocks(per_axis={self.per_axis})")
        return patterns

    def check(self, count: int) -> None:
        """Check that so many patterns can be told apart; see :meth:`PatternFamily.check`."""
        self._draw(count, 2, 0)

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return {"family": "blocks", "per_axis": self.per_axis}

    def _draw(self, count: int, dimensions: int, seed: int) -> Tensor:
        blocks = self.per_axis**dimensions
        generator = _generator("blocks", dimensions, seed)
        patterns: list[Tensor] = []
        for _ in range(_MAX_DRAWS):
            drawn = torch.randint(0, 2, (blocks,), generator=generator) * 2.0 - 1
            if all(_apart(drawn, other) for other in patterns):
                patterns.append(drawn)
            if len(patterns) == count:
                return torch.stack(patterns).reshape(-1, *[self.per_axis] * dimensions)
        raise BudgetError(
            f"{blocks} blocks cannot tell {count} patterns apart in {_LEAST_DISTANCE_SHARE:.0%} of the blocks. "
            f"Raise per_axis above {self.per_axis}."
        )


def _wave(frequency: Frequency, phase: float, space: Sequence[int]) -> Tensor:
    cycles = torch.full(tuple(space), phase, dtype=torch.float64)
    for axis, (step, size) in enumerate(zip(frequency, space, strict=True)):
        shape = [size if one == axis else 1 for one in range(len(space))]
        cycles = cycles + (torch.arange(size) * step / _CYCLE_PX).reshape(shape)
    return torch.cos(2 * math.pi * cycles).sign().float()


@cache
def _frequencies(count: int, dimensions: int) -> tuple[Frequency, ...]:
    """Return at least ``count`` frequencies; for a few, only those that networks learn soonest."""
    chosen: list[Frequency] = []
    cycles: list[Tensor] = []
    last = -1
    for rank, frequency in sorted((_rank(one), one) for one in _half_lattice(dimensions)):
        if rank > last and len(chosen) >= count:
            break
        last = rank
        half = _PHASES[: len(_PHASES) // 2]  # the other half are their opposites
        cycle = torch.stack([_wave(frequency, phase, [_CYCLE_PX] * dimensions) for phase in half]).flatten(1)
        if all(_apart(cycle[:, None], other[None]) for other in cycles):
            chosen.append(frequency)
            cycles.append(cycle)
    if len(chosen) < count:
        raise BudgetError(
            f"there are stripes for {len(chosen)} patterns, not for {count}. Take Blocks(per_axis=...), which tells "
            "more classes apart."
        )
    return tuple(chosen)


def _half_lattice(dimensions: int) -> Iterator[Frequency]:
    """Yield every frequency once: a wave and its opposite direction are the same wave."""
    for frequency in product(range(-6, 7), repeat=dimensions):
        first = next((one for one in frequency if one), 0)
        if first > 0 and max(map(abs, frequency)) >= 4:
            yield frequency


def _rank(frequency: Frequency) -> int:
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


def _enlarge(patterns: Tensor, space: Sequence[int]) -> Tensor:
    for axis, size in enumerate(space, start=1):
        have = patterns.shape[axis]
        if have != size:
            patterns = patterns.index_select(axis, torch.arange(size) * have // size)
    return patterns


def _apart(one: Tensor, other: Tensor) -> bool:
    """Tell whether flat patterns ``(..., pixels)`` differ, pair by pair, neither too little nor too much."""
    shares = (one != other).float().mean(-1)
    return float(shares.min()) >= _LEAST_DISTANCE_SHARE and float(shares.max()) <= 1 - _LEAST_DISTANCE_SHARE


def _require_distances(patterns: Tensor, space: Sequence[int], family: str) -> None:
    flat = patterns.flatten(1)
    for index in range(1, len(flat)):
        if float((flat[:index] != flat[index]).float().mean(1).min()) < _LEAST_DISTANCE_SHARE / 2:
            raise BudgetError(
                f"images of size {tuple(space)} are too small for the patterns of {family}: classes cannot be told "
                "apart. Take fewer blocks (Blocks(per_axis=...)), or larger images."
            )


def _generator(family: str, dimensions: int, seed: int) -> torch.Generator:
    """Spread a seed over 63 bits, differently for each family, and for images and volumes."""
    digest = hashlib.sha256(f"synthetic/{family}/{dimensions}/{seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
