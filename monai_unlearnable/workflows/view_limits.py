"""How large deltas may be in the views that networks have of a run's images."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from monai_unlearnable.budgets import Budget, LinfBudget
from monai_unlearnable.engines import ViewLimits
from monai_unlearnable.workflows.context import RecipeContext

__all__ = ["find_view_limits", "view_radii"]


def find_view_limits(context: RecipeContext) -> dict[str, ViewLimits]:
    """Return the limits of each image, by sample id; each number is a tensor of one."""
    limits = {}
    for index, image in enumerate(context.levels.images):
        budget = context.budget.of([image.sample_id])
        values = math.prod(context.source.shape(index))
        limits[image.sample_id] = _limits(budget, image.window_levels, values)
    return limits


def view_radii(limits: Mapping[str, ViewLimits]) -> tuple[float, float]:
    """Return the smallest and the largest change of one voxel in a view."""
    radii = [float(one.radius_levels * one.level) for one in limits.values()]
    return min(radii), max(radii)


def _limits(budget: Budget, window_levels: tuple[float, float], values: int) -> ViewLimits:
    low, high = window_levels
    level = 2.0 / (high - low)
    # An L2 delta on the sphere changes each of its values by this much, on average.
    share = 1.0 if budget.norm_name == LinfBudget.norm_name else 1.0 / math.sqrt(values)
    ends = [(float(one) - low) * level - 1.0 for one in (budget.low_level, budget.high_level)]
    numbers = (float(budget.radius_levels) * share, level, ends[0], ends[1])
    return ViewLimits(*(torch.tensor([one]) for one in numbers))
