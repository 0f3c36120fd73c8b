"""Patterns of blocks of pixels, for deltas that are to survive compression, blur and resampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations.pattern_family import PatternFamily, enlarged_positions
from monai_unlearnable.types import Region

__all__ = ["Coarse"]

_LEAST_BLOCK_PX = 2


@dataclass(frozen=True, kw_only=True)
class Coarse(PatternFamily):
    """Other patterns, drawn on a grid of blocks of stored pixels, and enlarged.

    Attributes:
        patterns: the patterns.
        block_size_px: side of a block, or a little less where it does not divide the image's size.

    Raises:
        BudgetError: at construction, when blocks have fewer than 2 pixels a side.

    Example:
        >>> from monai_unlearnable.perturbations import Stripes
        >>> Coarse(patterns=Stripes(), block_size_px=2).signs(2, (8, 8), seed=1)[0].tolist()[0]
        [1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0]
    """

    patterns: PatternFamily
    block_size_px: int

    def __post_init__(self) -> None:
        if self.block_size_px < _LEAST_BLOCK_PX:
            raise BudgetError(
                f"block_size_px={self.block_size_px}: a block has {_LEAST_BLOCK_PX} pixels a side, or more."
            )

    def signs(
        self, count: int, space: Sequence[int], *, seed: int, part: Region | None = None, sample_id: str = ""
    ) -> Tensor:
        """Draw on the grid of blocks; see :meth:`PatternFamily.signs`."""
        drawn = [-(-size // self.block_size_px) for size in space]
        signs = self.patterns.signs(count, drawn, seed=seed, sample_id=sample_id)
        for axis, one in enumerate(enlarged_positions(drawn, space, part), start=1):
            signs = signs.index_select(axis, one)
        return signs

    def check(self, count: int) -> None:
        """Check that so many patterns can be drawn; see :meth:`PatternFamily.check`."""
        self.patterns.check(count)

    def seen_at(self, size_px: int | None) -> Coarse:
        """Return the patterns for images that readers will resize; see :meth:`PatternFamily.seen_at`."""
        return replace(self, patterns=self.patterns.seen_at(size_px))

    def seen_whole(self, *, spatial_dims: int) -> Coarse:
        """Return the patterns for images that networks see whole; see :meth:`PatternFamily.seen_whole`."""
        return replace(self, patterns=self.patterns.seen_whole(spatial_dims=spatial_dims))

    @property
    def differs_by_image(self) -> bool:
        """Whether the patterns do."""
        return self.patterns.differs_by_image

    @property
    def has_faint_class(self) -> bool:
        """Whether the patterns have one."""
        return self.patterns.has_faint_class

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return self.patterns.describe() | {"block_size_px": self.block_size_px}
