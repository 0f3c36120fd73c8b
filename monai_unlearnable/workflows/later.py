"""Protect images that arrive later with the surrogate of a finished run (Liu et al. 2023, section III)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch

from monai_unlearnable.budgets import Budget, L2Budget, LinfBudget
from monai_unlearnable.errors import BudgetError, LedgerError, ReleaseError
from monai_unlearnable.perturbations import ErrorMinimizing, InRegion, OnGrid, TargetedAdversarial, on_grid
from monai_unlearnable.release import LedgerContent, ReleaseBudget, read_ledger
from monai_unlearnable.surrogates import Surrogate
from monai_unlearnable.workflows.context import ImageFacts
from monai_unlearnable.workflows.intensity import ImageLevels
from monai_unlearnable.workflows.kept import SURROGATE_NAME, load_frozen, read_weights
from monai_unlearnable.workflows.radii import make_budget
from monai_unlearnable.workflows.recipe_base import SurrogateRecipe
from monai_unlearnable.workflows.settings import describe_differences, find_differences

__all__ = ["EACH_ITS_OWN", "later_budget", "load_surrogate", "read_finished"]

EACH_ITS_OWN = (
    "each image of its run has a budget or window of its own. Give the levels of the image that shall get a delta: "
    "image=survey(source).images[0]."
)

_NORMS: tuple[type[Budget], ...] = (LinfBudget, L2Budget)


def load_surrogate(
    ledger: str | Path,
    recipe: SurrogateRecipe,
    *,
    image: ImageLevels | None = None,
    device: str | torch.device = "cpu",
) -> tuple[Surrogate, ErrorMinimizing | TargetedAdversarial | OnGrid | InRegion]:
    """Return the trained surrogate of a finished run, and the method that makes deltas with it.

    Both are what :class:`~monai_unlearnable.transforms.SurrogatePerturbation` takes. The network is built by
    ``recipe``, which must be the run's own: a ledger names no code that would be loaded.

    Args:
        ledger: the run's ledger.
        recipe: the run's method and settings, with ``surrogate_size_px`` where the run chose one.
        image: levels of the image that shall get a delta, from :func:`survey`: its budget and window are made of them
            as they were made for the run's own images. Only where all of these had the same, it may be left out.
        device: where the surrogate goes.

    Returns:
        The surrogate in evaluation mode, weights frozen; and the perturbation with the run's budget, or the image's, in
        the run's region.

    Raises:
        LedgerError: there is no finished run, it has other settings (the message names them) or no surrogate, its
            files are damaged, its deltas are not the surrogate's alone, or ``image`` is needed.
        BudgetError: the run's radius is below one level of the image, or in HU where it has none.
    """
    folder = Path(ledger)
    content = read_finished(folder)
    _check_settings(content, recipe, folder)
    configuration = content.configuration
    facts = ImageFacts.from_description(configuration.get("images"))
    budget = later_budget(configuration, image, folder)
    if image is not None:
        facts = replace(facts, window_levels=image.window_levels)
    elif facts.window_levels is None:
        raise LedgerError(f"{folder}: {EACH_ITS_OWN}")
    seed = configuration.get("seed")
    if not isinstance(seed, int):
        raise LedgerError(f"{folder}: its seed is no whole number; the ledger is damaged.")
    if recipe.kept_patterns is not None:
        raise LedgerError(
            f"{folder}: the deltas of its run share their radius with a pattern, and a surrogate alone makes no such "
            "deltas. Protect images that arrive later in a run of their own, or make runs without kept_patterns."
        )
    surrogate = recipe.surrogate(facts, device=device)
    weights = read_weights(folder / SURROGATE_NAME, device, what="surrogate")
    load_frozen(surrogate, weights, folder / SURROGATE_NAME)
    method = recipe.perturbation(facts, budget=budget, seed=seed)
    if isinstance(method, ErrorMinimizing):
        # Deltas of the run started from a pattern; these start from nothing, which is never enough.
        method = replace(method, enough_loss=None)
    whole = on_grid(method, None, recipe.block_size_px, recipe.low_pass_share)
    return surrogate, whole if recipe.region is None else InRegion(perturbation=whole, region=recipe.region)


def read_finished(folder: Path) -> LedgerContent:
    """Read the ledger of a finished run.

    Raises:
        LedgerError: there is none, or its run has not finished.
    """
    content = read_ledger(folder)
    if content.status != "complete":
        raise LedgerError(f"{folder}: its run has not finished; take it up again with the command that began it.")
    return content


def _check_settings(content: LedgerContent, recipe: SurrogateRecipe, folder: Path) -> None:
    kept = content.configuration.get("settings")
    if not isinstance(kept, dict):
        raise LedgerError(f"{folder}: does not say with which settings it was made; the ledger is damaged.")
    found = find_differences(kept, recipe.describe())
    if found:
        raise LedgerError(
            f"{folder}: its run had other settings than this recipe: {describe_differences(found)}. Give the recipe "
            "that the run was made with."
        )


def later_budget(configuration: Mapping[str, Any], image: ImageLevels | None, folder: Path) -> Budget:
    """Return the budget of a run, or what that run's radius is for an image.

    Raises:
        LedgerError: the budget is damaged, or each image has its own and none is given.
        BudgetError: the radius is below one level of the image, or in HU where it has none.
    """
    description = configuration.get("budget")
    try:
        norm = next(one for one in _NORMS if one.norm_name == cast(Any, description)["norm"])
        if image is not None:
            return make_budget(str(configuration["radius"]), image, norm)
        if any(isinstance(one, list) for one in cast(Any, description).values()):
            raise LedgerError(f"{folder}: {EACH_ITS_OWN}")
        plain = ReleaseBudget.from_description(cast(Any, description))
        return norm(radius_levels=plain.radius_levels, low_level=plain.low_level, high_level=plain.high_level)
    except (LedgerError, BudgetError):
        raise
    except (ReleaseError, ValueError, TypeError, KeyError, AttributeError, StopIteration) as error:
        raise LedgerError(f"{folder}: its budget is damaged ({error}).") from error
