"""What every budget offers: how large may a delta be?"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeAlias, overload

import torch
from torch import Tensor

from monai_unlearnable.errors import BudgetError
from monai_unlearnable.types import Deltas, Images, PerSample, PerSampleFlag

__all__ = ["Budget", "LevelNumber", "per_sample"]

LevelNumber: TypeAlias = float | PerSample
"""A number of levels for all images, or one for each image of a batch: ``(batch,)``, float64."""


@dataclass(frozen=True, kw_only=True)
class Budget(ABC):
    """A ball of deltas, cut by the range of values that the image's file can hold.

    Everything is in levels (integer steps of the stored file). A number may be a tensor with one value for each image
    of a batch: that is what :class:`~monai_unlearnable.budgets.ImageBudgets` gives for images of different depths.

    Attributes:
        radius_levels: radius of the ball, in the budget's own norm; at least one level.
        low_level: smallest value of a stored pixel.
        high_level: largest value of a stored pixel.

    Raises:
        BudgetError: at construction, when the radius is neither 0 nor at least one level, or the range is empty.
    """

    norm_name: ClassVar[str]
    radius_levels: LevelNumber
    low_level: LevelNumber = 0.0
    high_level: LevelNumber = 255.0

    def __post_init__(self) -> None:
        for radius in as_list(self.radius_levels):
            if not math.isfinite(radius) or radius < 0:
                raise BudgetError(f"radius_levels={radius}: a radius is a finite number of levels >= 0.")
            if 0 < radius < 1:
                raise BudgetError(
                    f"radius_levels={radius:g}: smaller than one level of the stored file, so every "
                    "delta would round to nothing. Use a radius of at least 1 level."
                )
        lows, highs = as_list(self.low_level), as_list(self.high_level)
        count = max(len(lows), len(highs))
        for low, high in zip(lows * (count // len(lows)), highs * (count // len(highs)), strict=True):
            if not low < high:
                raise BudgetError(f"range [{low:g}, {high:g}] is empty: low must be below high.")

    def of(self, sample_ids: Sequence[str], *, device: torch.device | str | None = None) -> Budget:
        """Return the budget of the images of a batch: of every image it is this one."""
        return self

    def of_grid(self, space: tuple[int, ...], share: float) -> Budget:
        """Return a budget for deltas on a smaller grid that are enlarged to the image's own.

        Args:
            space: size of the grid.
            share: its share (0 to 1) of the image's values.
        """
        return self.of_patch(share)

    def of_patch(self, share: float) -> Budget:
        """Return a budget for patches of ``share`` (0 to 1) of an image: where each keeps to it, the image to this."""
        return self

    def times(self, share: float | PerSample) -> Budget:
        """Return a budget of a share of the radius, of all images or for each; no radius becomes less than one level.

        Args:
            share: 0 to 1; for each image ``(batch,)``.

        Example:
            >>> from monai_unlearnable.budgets import LinfBudget
            >>> LinfBudget(radius_levels=8).times(0.25).radius_levels
            2.0
        """
        radius = torch.as_tensor(self.radius_levels, dtype=torch.float64)
        shares = torch.as_tensor(share, dtype=torch.float64)
        scaled = torch.maximum(radius.to(shares.device) * shares, radius.clamp(max=1.0).to(shares.device))
        return replace(self, radius_levels=scaled if scaled.ndim else float(scaled))

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
        fits: PerSampleFlag = self.norm(levels) <= _like(self.radius_levels, levels)
        return fits

    @property
    def largest_value_levels(self) -> LevelNumber:
        """Largest |value| that a pixel's delta may have: what a store must be able to hold."""
        width = self.high_level - self.low_level
        if isinstance(self.radius_levels, Tensor):
            return self.radius_levels.clamp(max=width)
        return width.clamp(max=self.radius_levels) if isinstance(width, Tensor) else min(self.radius_levels, width)

    def clip_to_range(self, delta: Deltas, image: Images) -> Deltas:
        """Shorten each value of ``delta`` so that ``image + delta`` stays in the range of the file."""
        low, high = per_sample(self.low_level, image), per_sample(self.high_level, image)
        return torch.clamp(delta, low - image, high - image)

    def cut(self, image: Images) -> Images:
        """Cut images to the range of their files."""
        low, high = per_sample(self.low_level, image), per_sample(self.high_level, image)
        if isinstance(low, Tensor) == isinstance(high, Tensor):
            return torch.clamp(image, low, high)
        return torch.clamp(torch.clamp(image, min=low), max=high)

    def project(self, delta: Deltas, image: Images) -> Deltas:
        """Return a delta inside the ball whose sum with the image is inside the range; idempotent.

        Args:
            delta: ``(batch, channel, *space)``, float32, levels.
            image: the same shape, levels, already inside the range.
        """
        return self.clip_to_range(self.project_ball(delta), image)

    def contains(self, delta: Deltas, image: Images, *, tolerance_levels: float = 1e-3) -> PerSampleFlag:
        """Say for each sample whether ``delta`` keeps to this budget; NaN never does."""
        inside: PerSampleFlag = self.norm(delta) <= _like(self.radius_levels, delta) + tolerance_levels
        total = (image + delta).flatten(1)
        low, high = per_sample(self.low_level, total), per_sample(self.high_level, total)
        return inside & (total >= low - tolerance_levels).all(1) & (total <= high + tolerance_levels).all(1)

    def describe(self) -> dict[str, Any]:
        """Return the budget as JSON values, for headers, manifests and reports."""
        return {
            "norm": self.norm_name,
            "radius_levels": _plain(self.radius_levels),
            "low_level": _plain(self.low_level),
            "high_level": _plain(self.high_level),
        }

    def require_images(self, image: Images, sample_ids: list[str]) -> None:
        """Refuse images that are not finite, leave the range or hold fractions before anything is computed.

        Raises:
            BudgetError: names the first sample, with its smallest and largest value.
        """
        flat = image.detach().flatten(1)
        lowest, highest = per_sample(self.low_level, flat), per_sample(self.high_level, flat)
        inside = torch.isfinite(flat).all(1) & (flat >= lowest).all(1) & (flat <= highest).all(1)
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
        lowest, highest = _at(self.low_level, index), _at(self.high_level, index)
        raise BudgetError(
            f"sample {sample_ids[index]!r}: values {low:g} to {high:g} leave the range {lowest:g} to {highest:g} of "
            "the budget. Give the image in levels."
        )


@overload
def per_sample(values: PerSample, like: Tensor) -> Tensor: ...
@overload
def per_sample(values: LevelNumber, like: Tensor) -> Any: ...
def per_sample(values: LevelNumber, like: Tensor) -> Any:
    """Shape ``(batch,)`` so that it broadcasts over ``like``, in its type; one number for all stays as it is."""
    return _like(values, like).reshape(-1, *[1] * (like.ndim - 1)) if isinstance(values, Tensor) else values


def as_list(number: LevelNumber) -> list[float]:
    """Return one number for each image, or the one for all."""
    return [float(one) for one in number.tolist()] if isinstance(number, Tensor) else [number]


def _like(number: LevelNumber, like: Tensor) -> Any:
    return number.to(like) if isinstance(number, Tensor) else number


def _at(number: LevelNumber, index: int) -> float:
    return float(number[index]) if isinstance(number, Tensor) else number


def _plain(number: LevelNumber) -> float | list[float]:
    return as_list(number) if isinstance(number, Tensor) else float(number)
