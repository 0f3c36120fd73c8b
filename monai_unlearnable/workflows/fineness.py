"""How fine deltas may be: blocks of stored pixels, or their longest waves alone."""

from __future__ import annotations

import math

from monai_unlearnable.errors import BudgetError, SourceError
from monai_unlearnable.perturbations import LEAST_WAVES, Coarse, PatternFamily, kept_waves
from monai_unlearnable.sources import Source

__all__ = ["check_blocks", "check_low_pass", "in_blocks", "wave_blocks"]


def in_blocks(patterns: PatternFamily, block_size_px: int | None) -> PatternFamily:
    """Return patterns that are drawn on a grid of blocks of so many stored pixels a side; None for that of pixels."""
    return patterns if block_size_px is None else Coarse(patterns=patterns, block_size_px=block_size_px)


def wave_blocks(low_pass_share: float | None) -> int | None:
    """Return the side in pixels of blocks that such a low-pass leaves as they are, or nearly; None for all waves."""
    return None if low_pass_share is None else max(2, math.ceil(1 / low_pass_share))


def check_blocks(images: Source, block_size_px: int | None) -> None:
    """Refuse images that one block covers; None for no blocks.

    Raises:
        SourceError: names the first such image.
    """
    if block_size_px is None:
        return
    for index in range(len(images)):
        longest = max(images.shape(index)[1:])
        if longest < 2 * block_size_px:
            raise SourceError(
                f"{images.path}: {images.sample_ids[index]} has sides of {longest} pixels at most, and in blocks "
                f"of {block_size_px} its delta would be the same everywhere. Take smaller blocks."
            )


def check_low_pass(images: Source, low_pass_share: float | None, *, block_size_px: int | None = None) -> None:
    """Refuse images of which one wave alone would be left, and blocks beside a low-pass; None for no low-pass.

    Raises:
        BudgetError: both are given.
        SourceError: names the first such image.
    """
    if low_pass_share is None:
        return
    if block_size_px is not None:
        raise BudgetError(
            f"block_size_px={block_size_px} and low_pass_share={low_pass_share} both say how fine deltas are. Give one."
        )
    for index in range(len(images)):
        space = images.shape(index)[1:]
        if max(kept_waves(space, low_pass_share)) < LEAST_WAVES:
            raise SourceError(
                f"{images.path}: {images.sample_ids[index]} has sides of {max(space)} pixels at most, and with "
                f"{low_pass_share:g} of its waves its delta would be the same everywhere. Keep a larger share."
            )
