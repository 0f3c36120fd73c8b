"""What patterns of +1 and -1 that tell classes apart have in common."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations.waves import LEAST_DISTANCE_SHARE
from monai_unlearnable.types import Region

__all__ = ["LARGEST_CHECKED_PX", "PatternFamily", "drawing_generator", "enlarged_positions", "require_distances"]

LARGEST_CHECKED_PX = 64
"""Patterns repeat themselves long before, so that no more of them is looked at."""


class PatternFamily(ABC):
    """Draws patterns of which any two differ in 30 to 70 % of their pixels."""

    @abstractmethod
    def signs(
        self, count: int, space: Sequence[int], *, seed: int, part: Region | None = None, sample_id: str = ""
    ) -> Tensor:
        """Draw ``count`` patterns.

        Args:
            count: number of patterns.
            space: size of the images along each axis.
            seed: whoever knows it can draw the same patterns.
            part: return this part of the patterns only, one slice for each axis of space; None for all of them.
            sample_id: of the image, for families whose patterns differ from image to image; others leave it aside.

        Returns:
            ``(count, *space)`` or that part of it, float32, +1 and -1.

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

    def seen_whole(self, *, spatial_dims: int) -> PatternFamily:
        """Return the family for images with masks that networks see whole, pixel by pixel, as small ones are."""
        return self

    @property
    def differs_by_image(self) -> bool:
        """Whether an image's patterns depend on its id."""
        return False

    @property
    def has_faint_class(self) -> bool:
        """Whether one class's pattern is to be fainter than the others, for clean images to be taken for it."""
        return True

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values."""


def enlarged_positions(drawn: Sequence[int], space: Sequence[int], part: Region | None = None) -> list[Tensor]:
    """Return for each axis which element of a drawn pattern each pixel of an image, or of a part of it, shows."""
    parts = [slice(None)] * len(space) if part is None else part
    return [torch.arange(size)[one] * have // size for have, size, one in zip(drawn, space, parts, strict=True)]


def require_distances(patterns: Tensor, space: Sequence[int], family: str) -> None:
    """Check that an image of this size can show the patterns apart.

    Args:
        patterns: ``(count, *space)``, +1 and -1; as much of them as there is before they repeat themselves.
        space: size of the images.
        family: how the error names the patterns.

    Raises:
        BudgetError: two of them differ in fewer than half of the pixels that they are to differ in.
    """
    flat = patterns.flatten(1)
    for index in range(1, len(flat)):
        if float((flat[:index] != flat[index]).float().mean(1).min()) < LEAST_DISTANCE_SHARE / 2:
            raise BudgetError(
                f"images of size {tuple(space)} are too small for the patterns of {family}: classes cannot be told "
                "apart. Take fewer blocks (Blocks(per_axis=...)), or larger images."
            )


def drawing_generator(family: str, dimensions: int, seed: int) -> torch.Generator:
    """Spread a seed over 63 bits, differently for each family, and for images and volumes."""
    digest = hashlib.sha256(f"synthetic/{family}/{dimensions}/{seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
