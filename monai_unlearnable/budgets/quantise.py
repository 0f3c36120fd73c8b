"""From a float delta to whole levels: the only place that rounds."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from monai_unlearnable.budgets.base import Budget, per_sample
from monai_unlearnable.errors import DivergedError
from monai_unlearnable.types import Deltas, Images, PerSample

__all__ = ["to_levels"]

_BISECTION_STEPS = 24


def to_levels(delta: Deltas, image: Images | None, budget: Budget) -> Deltas:
    """Round a delta to whole levels that keep to the budget exactly.

    The result is ``round(s * delta)``, clamped to the whole part of the radius and clipped to the image's range, with
    the largest scale ``s <= 1`` whose result is inside the ball. For L-inf ``s`` is 1; for L2 rounding may lengthen a
    delta, and ``s`` is found by bisection (the length of ``round(s * delta)`` grows with ``s``, because every
    component does).

    Args:
        delta: ``(batch, channel, *space)``, float32, levels; need not be inside the budget.
        image: the same shape, whole levels inside the budget's range; None for a delta that several images share,
            which is cut to the range of each image only where it is added.
        budget: how large the delta may be.

    Returns:
        The same shape, float32, whole levels.

    Raises:
        DivergedError: ``delta`` holds NaN or infinite values.

    Example:
        >>> from monai_unlearnable.budgets import LinfBudget
        >>> image = torch.full((1, 1, 1, 3), 100.0)
        >>> to_levels(torch.tensor([[[[0.4, -2.6, 99.0]]]]), image, LinfBudget(radius_levels=8.5)).flatten().tolist()
        [0.0, -3.0, 8.0]
    """
    if not bool(torch.isfinite(delta).all()):
        raise DivergedError("a delta holds NaN or infinite values: the surrogate or its step size diverged.")
    # In float64 a sum of squared integers is exact, so a length on the sphere is not judged by chance.
    wanted = budget.project_ball(delta.double())
    image = None if image is None else image.double()
    scale = torch.ones(len(delta), device=delta.device, dtype=torch.float64)
    levels = _rounded(wanted, image, budget, scale)
    fits = budget.fits(levels)
    if bool(fits.all()):
        return levels.to(delta.dtype)
    low, high = torch.zeros_like(scale), scale.clone()
    for _ in range(_BISECTION_STEPS):
        middle = (low + high) / 2
        inside = budget.fits(_rounded(wanted, image, budget, middle))
        low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
    return _rounded(wanted, image, budget, torch.where(fits, scale, low)).to(delta.dtype)


def _rounded(delta: Deltas, image: Images | None, budget: Budget, scale: PerSample) -> Deltas:
    largest = _largest_whole(budget, delta, shared=image is None)
    levels = torch.round(delta * per_sample(scale, delta)).clamp(-largest, largest)
    if image is not None:
        # The ends of a range need not be whole levels.
        levels = budget.clip_to_range(levels, image).trunc()
    # Adding 0.0 turns -0.0 into 0.0, so that equal deltas have equal bytes.
    return levels + 0.0


def _largest_whole(budget: Budget, delta: Deltas, *, shared: bool) -> Any:
    """Return the largest whole |value| of all images, or of each."""
    largest = budget.largest_value_levels
    if not isinstance(largest, Tensor):
        return math.floor(largest)
    # A delta that several images share is cut to the range of each only where it is added.
    return largest.max().floor().item() if shared else per_sample(largest.floor(), delta)
