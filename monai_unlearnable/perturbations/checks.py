"""Checkerboards that lie the same way in every volume, for networks that see small volumes whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations.patterns import PatternFamily, drawing_generator, require_distances
from monai_unlearnable.types import Region

__all__ = ["Checks"]

_MOST = 7
"""Sets of one to three axes."""


@dataclass(frozen=True, kw_only=True)
class Checks(PatternFamily):
    """Checkerboards of single voxels along a set of axes, one set for each pattern, counted from the middle.

    Of an MR volume there is least at the finest frequencies, so that a delta of 3 % of the range stands out there and
    nowhere else. A network with halvings reads a checkerboard by one convolution, if it begins the same way in every
    volume: volumes are mostly brought to one size by a border on both sides (MONAI's ``SpatialPad`` and
    ``DivisiblePad``), so that the voxel at half an axis, rounded up, comes to the same place in all of them. Readers
    who crop or shift volumes at random, or resample them, are not stopped by it.

    The seed decides which set a class gets, and its sign.

    Example:
        >>> Checks().signs(1, (2, 2), seed=0)[0].abs().tolist()
        [[1.0, 1.0], [1.0, 1.0]]
    """

    def signs(self, count: int, space: Sequence[int], *, seed: int, part: Region | None = None) -> Tensor:
        """Draw checkerboards; see :meth:`PatternFamily.signs`."""
        known = _sets_of_axes(len(space))
        if count > len(known):
            raise BudgetError(
                f"there are {len(known)} checkerboards of {len(space)} axes, not {count}. Take Stripes(), which tells "
                "more classes apart."
            )
        generator = drawing_generator("checks", len(space), seed)
        order = torch.randperm(count, generator=generator).tolist()
        signs = torch.randint(0, 2, (count,), generator=generator).tolist()
        chosen = [(known[at], sign) for at, sign in zip(order, signs, strict=True)]
        # Two periods along each axis hold all there is to compare; an axis of one voxel has no check.
        seen = [torch.arange(min(size, 4)) for size in space]
        require_distances(torch.stack([_draw(axes, sign, seen) for axes, sign in chosen]), space, "Checks()")
        parts = [slice(None)] * len(space) if part is None else part
        places = [(torch.arange(size) - -(-size // 2))[one] for size, one in zip(space, parts, strict=True)]
        return torch.stack([_draw(axes, sign, places) for axes, sign in chosen])

    def check(self, count: int) -> None:
        """Check that there are so many sets of axes; see :meth:`PatternFamily.check`."""
        if count > _MOST:
            raise BudgetError(
                f"there are {_MOST} checkerboards of volumes, not {count}. Take Stripes(), which tells more classes "
                "apart."
            )

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return {"family": "checks"}


def _sets_of_axes(dimensions: int) -> list[tuple[int, ...]]:
    """Return every set of axes, those of most axes first, because images hold least there."""
    sizes = range(dimensions, 0, -1)
    return [axes for size in sizes for axes in combinations(range(dimensions), size)]


def _draw(axes: Sequence[int], sign: int, places: Sequence[Tensor]) -> Tensor:
    odd = torch.full([len(one) for one in places], sign)
    for axis in axes:
        odd = odd + places[axis].reshape([-1 if one == axis else 1 for one in range(len(places))])
    return 1.0 - 2.0 * (odd % 2).float()
