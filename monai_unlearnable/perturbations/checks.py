"""A checkerboard that lies the same way in every volume, for networks that see small volumes whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations.pattern_family import PatternFamily, drawing_generator
from monai_unlearnable.types import Region

__all__ = ["Checks"]

_LEAST_PX = 2


@dataclass(frozen=True, kw_only=True)
class Checks(PatternFamily):
    """A checkerboard of single voxels along all axes but the last: one sign for the background, the other for the rest.

    Of an MR volume there is least at the finest frequencies, so that a delta of 3 % of the range stands out there and
    nowhere else. A network with halvings reads a checkerboard by one convolution, if it begins the same way in every
    volume: volumes are mostly brought to one size by a border on both sides (MONAI's ``SpatialPad`` and
    ``DivisiblePad``), so that the voxel at half an axis, rounded up, comes to the same place in all of them. A flip
    along the last axis does not change it. Readers who crop or shift volumes at random, or resample them, are not
    stopped.

    Background and structures are told apart as soon as this radius allows, and a clean volume lies midway between them.
    Structures are not told apart from each other: on MSD hippocampus a third board, which differs from the
    background's in half of the voxels, left its structure a Dice of 0.59, and one board for both left 0.01 and 0.04
    (clean 0.81; one seed). The seed decides who gets which sign.

    Example:
        >>> board = Checks().signs(3, (2, 2, 1), seed=0)[..., 0]
        >>> (board[0] * board[0, 0, 0]).tolist()
        [[1.0, -1.0], [-1.0, 1.0]]
        >>> torch.equal(board[1], -board[0]), torch.equal(board[2], board[1])
        (True, True)
    """

    def signs(
        self, count: int, space: Sequence[int], *, seed: int, part: Region | None = None, sample_id: str = ""
    ) -> Tensor:
        """Draw the board with the signs of each class; see :meth:`PatternFamily.signs`."""
        if min(space[:-1]) < _LEAST_PX:
            raise BudgetError(
                f"images of size {tuple(space)} are too small for a checkerboard: all axes but the last need "
                f"{_LEAST_PX} voxels or more. Take other patterns, or larger images."
            )
        parts = [slice(None)] * len(space) if part is None else part
        places = [(torch.arange(size) - -(-size // 2))[one] for size, one in zip(space, parts, strict=True)]
        odd = torch.randint(0, 2, (), generator=drawing_generator("checks", len(space), seed))
        for axis, at in enumerate(places):
            step = torch.zeros_like(at) if axis == len(space) - 1 else at
            odd = odd + step.reshape([-1 if one == axis else 1 for one in range(len(space))])
        board = 1.0 - 2.0 * (odd % 2).float()
        return torch.stack([board if number == 0 else -board for number in range(count)])

    def check(self, count: int) -> None:
        """Allow any number of classes; see :meth:`PatternFamily.check`."""

    @property
    def has_faint_class(self) -> bool:
        """No: classes are told apart by signs, and the background's is needed in full."""
        return False

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return {"family": "checks"}
