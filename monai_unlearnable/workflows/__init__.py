"""Whole roads that Python users and the command line call: protect a source from files to proved files."""

from monai_unlearnable.workflows.context import ImageFacts
from monai_unlearnable.workflows.generator_recipe import GeneratorRecipe
from monai_unlearnable.workflows.intensity import ImageLevels, SourceLevels, survey
from monai_unlearnable.workflows.later import load_surrogate
from monai_unlearnable.workflows.later_generator import load_generator
from monai_unlearnable.workflows.linear_recipe import LinearErrorMinimizingRecipe
from monai_unlearnable.workflows.protect import protect
from monai_unlearnable.workflows.radii import make_budget, make_budgets
from monai_unlearnable.workflows.recipes import (
    AutoregressiveRecipe,
    ErrorMinimizingRecipe,
    Recipe,
    RecipeContext,
    SyntheticRecipe,
    TargetedAdversarialRecipe,
)
from monai_unlearnable.workflows.report import ProtectReport
from monai_unlearnable.workflows.robust_recipe import RobustErrorMinimizingRecipe
from monai_unlearnable.workflows.run import ProtectionRun

__all__ = [
    "AutoregressiveRecipe",
    "ErrorMinimizingRecipe",
    "GeneratorRecipe",
    "ImageFacts",
    "ImageLevels",
    "LinearErrorMinimizingRecipe",
    "ProtectReport",
    "ProtectionRun",
    "Recipe",
    "RecipeContext",
    "RobustErrorMinimizingRecipe",
    "SourceLevels",
    "SyntheticRecipe",
    "TargetedAdversarialRecipe",
    "load_generator",
    "load_surrogate",
    "make_budget",
    "make_budgets",
    "protect",
    "survey",
]
