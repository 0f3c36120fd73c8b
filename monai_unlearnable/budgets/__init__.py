"""HOW LARGE may a delta be? Frozen values and pure functions, torch only."""

from monai_unlearnable.budgets.base import Budget
from monai_unlearnable.budgets.intensity import Radius, RadiusUnit, parse_radius
from monai_unlearnable.budgets.lp import L2Budget, LinfBudget
from monai_unlearnable.budgets.masked import MaskedBudget
from monai_unlearnable.budgets.per_image import AnyBudget, ImageBudgets, combine_budgets
from monai_unlearnable.budgets.quantise import to_levels

__all__ = [
    "AnyBudget",
    "Budget",
    "ImageBudgets",
    "L2Budget",
    "LinfBudget",
    "MaskedBudget",
    "Radius",
    "RadiusUnit",
    "combine_budgets",
    "parse_radius",
    "to_levels",
]
