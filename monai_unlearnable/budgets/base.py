"""What every budget offers: how large may a delta be?"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from monai_unlearnable.errors import BudgetError
from monai_unlearnable.types import Deltas, Images, PerSample, PerSampleFlag

__all__ = ["Budget"]


@dataclass(frozen=True, kw_only=True)
class Budget(ABC):
    """A ball of deltas, cut by the range of values that the image's file can hold.

    Everything is in levels (integer steps of the stored file).

    Attributes:
        radius_levels: radius of the ball, in the budget's own norm; at least one level.
        low_level: smallest value of a stored pixel.
        high_level: largest value of a stored pixel.

    Raises:
        BudgetError: at construction, when the radius is neither 0 nor at least one level, or the range is empty.
    """

    norm_name: ClassVar[str]
    radius_levels: float
    low_level: float = 0.0
    high_level: float = 255.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.radius_levels) or self.radius_levels < 0:
            raise BudgetError(f"radius_levels={self.radius_levels}: a radius is a finite number of levels >= 0.")
        if 0 < self.radius_levels < 1:
            raise BudgetError(
                f"radius_levels={self.radius_levels:g}: smaller than one level of the stored file, so every "
                "delta would round to nothing. Use a radius of at least 1 level."
            )
        if not self.low_level < self.high_level:
            raise BudgetError(f"range [{self.low_level:g}, {self.high_level:g}] is empty: low must be below high.")

    @abstractmethod
    def norm(self, delta: Deltas) -> PerSample:
        """Return the norm of each delta ``(batch, channel, *space)`` as ``(batch,)``, in levels."""

    @abstractmethod
    def project_ball(self, delta: Deltas) -> Deltas:
        """Return the nearest delta inside the ball, whatever the image is."""

    @abstractmethod
    def steepest(self, gradient: Deltas) -> Deltas:
        """Return the step of norm 1 (zero gradient: 0) along which a linear loss of this gradient grows most."""

    @abstractmethod
    def random(self, image: Images, *, generator: torch.Generator | None = None) -> Deltas:
        """Draw a delta inside the ball for every image, on the image's device."""

    def fits(self, levels: Deltas) -> PerSampleFlag:
        """Say for each delta of whole levels (float64) whether it is inside the ball, without any tolerance."""
        return self.norm(levels) <= self.radius_levels

    @property
    def largest_value_levels(self) -> float:
        """Largest |value| that a pixel's delta may have: what a store must be able to hold."""
        return min(self.radius_levels, self.high_level - self.low_level)

    def clip_to_range(self, delta: Deltas, image: Images) -> Deltas:
        """Shorten each value of ``delta`` so that ``image + delta`` stays in the range of the file."""
        return torch.clamp(delta, self.low_level - image, self.high_level - image)

    def project(self, delta: Deltas, image: Images) -> Deltas:
        """Return a delta inside the ball whose sum with the image is inside the range; idempotent.

        Args:
            delta: ``(batch, channel, *space)``, float32, levels.
            image: the same shape, levels, already inside the range.
        """
        return self.clip_to_range(self.project_ball(delta), image)

    def contains(self, delta: Deltas, image: Images, *, tolerance_levels: float = 1e-3) -> PerSampleFlag:
        """Say for each sample whether ``delta`` keeps to this budget; NaN never does."""
        inside = self.norm(delta) <= self.radius_levels + tolerance_levels
        total = (image + delta).flatten(1)
        low, high = self.low_level - tolerance_levels, self.high_level + tolerance_levels
        return inside & (total >= low).all(1) & (total <= high).all(1)

    def describe(self) -> dict[str, Any]:
        """Return the budget as JSON values, for headers, manifests and reports."""
        return {
            "norm": self.norm_name,
            "radius_levels": float(self.radius_levels),
            "low_level": float(self.low_level),
            "high_level": float(self.high_level),
        }

    def require_images(self, image: Images, sample_ids: list[str]) -> None:
        """Refuse images that are not finite, leave the range or hold fractions before anything is computed.

        Raises:
            BudgetError: names the first sample, with its smallest and largest value.
        """
        flat = image.detach().flatten(1)
        inside = torch.isfinite(flat).all(1) & (flat >= self.low_level).all(1) & (flat <= self.high_level).all(1)
        good = inside & (flat == flat.round()).all(1)
        if bool(good.all()):
            return
        index = int((~good).nonzero()[0])
        if not bool(torch.isfinite(flat[index]).all()):
            raise BudgetError(f"sample {sample_ids[index]!r}: holds NaN or infinite values; repair or leave out.")
        low, high = float(flat[index].min()), float(flat[index].max())
        if bool(inside[index]):
            raise BudgetError(
                f"sample {sample_ids[index]!r}: values {low:g} to {high:g} are not all whole levels. Give the image "
                "as its file stores it, before any scaling or resampling."
            )
        raise BudgetError(
            f"sample {sample_ids[index]!r}: values {low:g} to {high:g} leave the range "
            f"{self.low_level:g} to {self.high_level:g} of the budget. Give the image in levels."
        )


def per_sample(values: PerSample, like: Tensor) -> Tensor:
    """Reshape ``(batch,)`` so that it broadcasts over ``like``."""
    return values.reshape(-1, *[1] * (like.ndim - 1))
