"""The L-inf and the L2 ball."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar

import torch

from monai_unlearnable.budgets.base import Budget, as_list, per_sample
from monai_unlearnable.types import Deltas, Images, PerSample, PerSampleFlag

__all__ = ["L2Budget", "LinfBudget"]


@dataclass(frozen=True, kw_only=True)
class LinfBudget(Budget):
    """No pixel changes by more than ``radius_levels``: max |delta| <= radius.

    Example:
        >>> budget = LinfBudget(radius_levels=8)
        >>> image = torch.tensor([[[[2.0, 100.0]]]])
        >>> budget.project(torch.tensor([[[[-20.0, 20.0]]]]), image).flatten().tolist()
        [-2.0, 8.0]
    """

    norm_name: ClassVar[str] = "linf"

    def norm(self, delta: Deltas) -> PerSample:
        """Largest absolute value of each delta, in levels."""
        return delta.flatten(1).abs().amax(1)

    def project_ball(self, delta: Deltas) -> Deltas:
        """Clamp every value to the radius."""
        radius = per_sample(self.radius_levels, delta)
        projected: Deltas = delta.clamp(-radius, radius)
        return projected

    def steepest(self, gradient: Deltas) -> Deltas:
        """Sign of the gradient."""
        return gradient.sign()

    def random(self, image: Images, *, generator: torch.Generator | None = None) -> Deltas:
        """Uniform in the cube of half-width ``radius_levels``."""
        draw = torch.rand(image.shape, generator=generator, device=image.device, dtype=image.dtype)
        delta: Deltas = per_sample(self.radius_levels, image) * (2 * draw - 1)
        return delta


@dataclass(frozen=True, kw_only=True)
class L2Budget(Budget):
    """The Euclidean length of a delta over all its pixels is at most ``radius_levels``.

    Example:
        >>> budget = L2Budget(radius_levels=5)
        >>> image = torch.full((1, 1, 1, 2), 100.0)
        >>> budget.project(torch.tensor([[[[30.0, 40.0]]]]), image).round(decimals=4).flatten().tolist()
        [3.0, 4.0]
    """

    norm_name: ClassVar[str] = "l2"

    def of_patch(self, share: float) -> L2Budget:
        """Give a patch its share of the squared radius; see :meth:`Budget.of_patch`."""
        return replace(self, radius_levels=self.radius_levels * math.sqrt(share))

    def norm(self, delta: Deltas) -> PerSample:
        """Euclidean length of each delta, in levels."""
        length: PerSample = torch.linalg.vector_norm(delta.flatten(1), dim=1)
        return length

    def fits(self, levels: Deltas) -> PerSampleFlag:
        """Compare the sum of squares, an exact integer in float64, with the square of the radius."""
        largest_sums = [float(math.floor(Fraction(radius) ** 2)) for radius in as_list(self.radius_levels)]
        squares = levels.flatten(1).double().square().sum(1)
        return squares <= torch.tensor(largest_sums, dtype=torch.float64, device=squares.device)

    def project_ball(self, delta: Deltas) -> Deltas:
        """Scale deltas that are too long back onto the sphere."""
        length = self.norm(delta)
        radius = per_sample(self.radius_levels, length)
        scale = torch.where(length > radius, length.reciprocal() * radius, torch.ones_like(length))
        return delta * per_sample(scale, delta)

    def steepest(self, gradient: Deltas) -> Deltas:
        """Gradient divided by its length; a zero gradient stays zero."""
        # Squares of very small or large values leave float32, so the largest value is divided out first.
        scaled = _divide(gradient, gradient.flatten(1).abs().amax(1))
        return _divide(scaled, self.norm(scaled))

    def random(self, image: Images, *, generator: torch.Generator | None = None) -> Deltas:
        """Uniform in the ball: a Gaussian direction, and a length by the ball's volume."""
        direction = torch.randn(image.shape, generator=generator, device=image.device, dtype=image.dtype)
        size = image[0].numel()
        share = torch.rand(len(image), generator=generator, device=image.device, dtype=image.dtype)
        length: PerSample = per_sample(self.radius_levels, share) * share ** (1 / size)
        return self.steepest(direction) * per_sample(length, image)


def _divide(values: Deltas, by: PerSample) -> Deltas:
    return values / per_sample(torch.where(by == 0, torch.ones_like(by), by), values)
