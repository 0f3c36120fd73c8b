"""From a float delta to whole levels: the only place that rounds."""

from __future__ import annotations

import torch

from monai_unlearnable.budgets.base import Budget, per_sample
from monai_unlearnable.errors import DivergedError
from monai_unlearnable.types import Deltas, Images, PerSample

__all__ = ["to_levels"]

_BISECTION_STEPS = 24


def to_levels(delta: Deltas, image: Images | None, budget: Budget) -> Deltas:
    """Round a delta to whole levels that keep to the budget exactly.

    The result is ``round(s * delta)`` clipped to the image's range, with the largest scale ``s <= 1`` whose
    result is inside the ball. For L-inf that is plain rounding, clamped to the whole part of the radius; for
    L2 rounding may lengthen a delta, and ``s`` is found by bisection (the length of ``round(s * delta)`` grows
    with ``s``, because every component does).

    Args:
        delta: ``(batch, channel, *space)``, float32, levels; need not be inside the budget.
        image: the same shape, whole levels inside the budget's range; None for a delta that several images share,
            which is cut to the range of each image only where it is added.
        budget: how large the delta may be.

    Returns:
        The same shape, float32, whole levels, in int16's range.

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
    # In float64 a sum of squared integers is exact, so a length on the sphere is not judged outside or inside by chance.
    wanted = budget.project_ball(delta.double())
    image = None if image is None else image.double()
    scale = torch.ones(len(delta), device=delta.device, dtype=torch.float64)
    levels = _rounded(wanted, image, budget, scale)
    if bool((budget.norm(levels) <= budget.radius_levels).all()):
        return levels.to(delta.dtype)
    low, high = torch.zeros_like(scale), scale.clone()
    for _ in range(_BISECTION_STEPS):
        middle = (low + high) / 2
        inside = budget.norm(_rounded(wanted, image, budget, middle)) <= budget.radius_levels
        low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
    fits = budget.norm(levels) <= budget.radius_levels
    return _rounded(wanted, image, budget, torch.where(fits, scale, low)).to(delta.dtype)


def _rounded(delta: Deltas, image: Images | None, budget: Budget, scale: PerSample) -> Deltas:
    # Adding 0.0 turns -0.0 into 0.0, so that equal deltas have equal bytes.
    rounded = torch.round(delta * per_sample(scale, delta)) + 0.0
    return rounded if image is None else budget.clip_to_range(rounded, image) + 0.0
