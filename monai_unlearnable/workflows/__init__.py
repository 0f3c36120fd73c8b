"""Whole roads that Python users and the command line call: protect a source from files to proved files."""

from monai_unlearnable.workflows.intensity import IntensityRange, survey
from monai_unlearnable.workflows.protect import ProtectReport, protect
from monai_unlearnable.workflows.recipes import (
    ErrorMinimizingRecipe,
    Recipe,
    RecipeContext,
    SyntheticRecipe,
    TargetedAdversarialRecipe,
)

__all__ = [
    "ErrorMinimizingRecipe",
    "IntensityRange",
    "ProtectReport",
    "Recipe",
    "RecipeContext",
    "SyntheticRecipe",
    "TargetedAdversarialRecipe",
    "protect",
    "survey",
]
