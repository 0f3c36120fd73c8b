"""Textures of which every pixel follows from its neighbours: one autoregressive process for each class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, TypeAlias

import torch
from torch import Tensor

from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations.pattern_family import PatternFamily, drawing_generator, enlarged_positions
from monai_unlearnable.types import Region

__all__ = ["Autoregressive", "Process", "choose_processes", "draw_process"]

_CYCLE_PX = 16
_STEPS = (3, 4, 5, 6, 7)
_LEAST_PX = 8

Process: TypeAlias = tuple[int, ...]
"""Sixteenths of a cycle per pixel along each axis."""


@dataclass(frozen=True, kw_only=True)
class Autoregressive(PatternFamily):
    """Signs of an autoregressive process of 3 x 3 (x 3) pixels, one process for each class, begun anew for each image.

    (Sandoval-Segura et al., NeurIPS 2022: a delta is filled by a process from random starting values; one small filter
    tells that a delta is of a class, and no two deltas are alike.) The filter of a class is
    ``prod_a (1 - 2 cos(t_a) z_a^-1 + z_a^-2)`` over the axes, with angles ``t_a`` of its own. Its roots lie on the unit
    circle and are simple, so the process neither fades nor grows, however large an image is, and needs no check: what
    the filter takes to zero is a sum over the axes of waves along the axis whose amplitude and phase are drawn anew for
    every line. They are drawn from the seed and the image's id, so deltas of a class cannot be averaged to take them
    off. All channels show the same signs (or opposite ones), as of other patterns.

    Attributes:
        view_px: the size that textures are drawn at, to be enlarged with the image; see :class:`Stripes`.

    Example:
        >>> Autoregressive().signs(2, (8, 8), seed=1, sample_id="a").shape
        torch.Size([2, 8, 8])
    """

    view_px: int | None = None

    def __post_init__(self) -> None:
        if self.view_px is not None and self.view_px < _LEAST_PX:
            raise BudgetError(f"view_px={self.view_px}: a texture needs images of at least {_LEAST_PX} pixels a side.")

    @property
    def differs_by_image(self) -> bool:
        """Yes: starting values are those of the image."""
        return True

    def signs(
        self, count: int, space: Sequence[int], *, seed: int, part: Region | None = None, sample_id: str = ""
    ) -> Tensor:
        """Draw textures; see :meth:`PatternFamily.signs`."""
        drawn = [min(one, self.view_px or one) for one in space]
        if sum(one < _LEAST_PX for one in drawn) > 1:
            raise BudgetError(
                f"images of size {tuple(space)} are too small for autoregressive textures: all axes but one need "
                f"{_LEAST_PX} pixels or more. Take Blocks(per_axis=...), or larger images."
            )
        processes = choose_processes(count, len(space), seed=seed)
        positions = enlarged_positions(drawn, space, part)
        textures = []
        for number, process in enumerate(processes):
            generator = drawing_generator(f"autoregressive/{number}/{sample_id}", len(space), seed)
            textures.append(draw_process(process, drawn, positions, generator=generator))
        return torch.where(torch.stack(textures) < 0, -1.0, 1.0)

    def check(self, count: int) -> None:
        """Check that there are so many processes; see :meth:`PatternFamily.check`."""
        choose_processes(count, 2, seed=0)

    def seen_at(self, size_px: int | None) -> Autoregressive:
        """Return textures that are drawn at half the size that readers will look at; see :meth:`Stripes.seen_at`."""
        if self.view_px is not None or size_px is None:
            return self
        return replace(self, view_px=max(_LEAST_PX, size_px // 2))

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return {"family": "autoregressive", "view_px": self.view_px}


def choose_processes(count: int, dimensions: int, *, seed: int) -> list[Process]:
    """Choose processes that differ along as many axes as possible; the seed decides which, and whose they are.

    Raises:
        BudgetError: there are not so many.

    Example:
        >>> len({process[0] for process in choose_processes(5, 2, seed=1)})
        5
    """
    known = list(product(_STEPS, repeat=dimensions))
    if count > len(known):
        raise BudgetError(
            f"there are autoregressive processes for {len(known)} patterns, not for {count}. Take "
            "Blocks(per_axis=...), which tells more classes apart."
        )
    order = torch.randperm(len(known), generator=drawing_generator("processes", dimensions, seed)).tolist()
    left = [known[at] for at in order]
    chosen = [left.pop(0)]
    while len(chosen) < count:
        # The first of the best, so that the order of the seed decides among equals.
        best = max(left, key=lambda one: min(_axes_apart(one, other) for other in chosen))
        chosen.append(best)
        left.remove(best)
    return chosen[:count]


def draw_process(
    process: Process, drawn: Sequence[int], positions: Sequence[Tensor], *, generator: torch.Generator
) -> Tensor:
    """Draw what the filter of a process takes to zero, from random starting values.

    Args:
        process: angles of its filter.
        drawn: size of the whole along each axis.
        positions: for each axis the whole positions at which it is wanted.
        generator: draws amplitudes and phases of every line, of all of ``drawn``.

    Returns:
        Values at the positions, float64, of no particular scale; never infinite.
    """
    total = torch.zeros([len(one) for one in positions], dtype=torch.float64)
    for axis, step in enumerate(process):
        lines = [1 if at == axis else size for at, size in enumerate(drawn)]
        amplitudes = torch.randn(2, *lines, generator=generator, dtype=torch.float64)
        for at, one in enumerate(positions):
            if at != axis:
                amplitudes = amplitudes.index_select(at + 1, one)
        angle = 2 * math.pi * step / _CYCLE_PX * positions[axis].double()
        waves = torch.stack([angle.cos(), angle.sin()])
        shape = [2] + [len(angle) if at == axis else 1 for at in range(len(drawn))]
        total = total + (amplitudes * waves.reshape(shape)).sum(0)
    return total


def _axes_apart(one: Process, other: Process) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))
