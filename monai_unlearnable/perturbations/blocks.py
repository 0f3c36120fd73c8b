"""Random blocks: patterns that linear networks read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations.pattern_family import (
    LARGEST_CHECKED_PX,
    PatternFamily,
    drawing_generator,
    enlarged_positions,
    require_distances,
)
from monai_unlearnable.perturbations.waves import LEAST_DISTANCE_SHARE, apart
from monai_unlearnable.types import Region

__all__ = ["Blocks"]

_MAX_DRAWS = 1000


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

    def signs(
        self, count: int, space: Sequence[int], *, seed: int, part: Region | None = None, sample_id: str = ""
    ) -> Tensor:
        """Draw blocks; see :meth:`PatternFamily.signs`."""
        patterns = self._draw(count, len(space), seed)
        drawn = patterns.shape[1:]
        seen = [min(one, LARGEST_CHECKED_PX) for one in space]
        require_distances(_pick(patterns, enlarged_positions(drawn, seen)), space, f"Blocks(per_axis={self.per_axis})")
        return _pick(patterns, enlarged_positions(drawn, space, part))

    def check(self, count: int) -> None:
        """Check that so many patterns can be told apart; see :meth:`PatternFamily.check`."""
        self._draw(count, 2, 0)

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return {"family": "blocks", "per_axis": self.per_axis}

    def _draw(self, count: int, dimensions: int, seed: int) -> Tensor:
        blocks = self.per_axis**dimensions
        generator = drawing_generator("blocks", dimensions, seed)
        patterns: list[Tensor] = []
        for _ in range(_MAX_DRAWS):
            drawn = torch.randint(0, 2, (blocks,), generator=generator) * 2.0 - 1
            if all(apart(drawn, other) for other in patterns):
                patterns.append(drawn)
            if len(patterns) == count:
                return torch.stack(patterns).reshape(-1, *[self.per_axis] * dimensions)
        raise BudgetError(
            f"{blocks} blocks cannot tell {count} patterns apart in {LEAST_DISTANCE_SHARE:.0%} of the blocks. "
            f"Raise per_axis above {self.per_axis}."
        )


def _pick(patterns: Tensor, positions: Sequence[Tensor]) -> Tensor:
    for axis, one in enumerate(positions, start=1):
        patterns = patterns.index_select(axis, one)
    return patterns
