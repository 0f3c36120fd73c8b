"""Protect images that arrive later with the generator of a finished run: one forward pass, no optimisation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from monai_unlearnable.errors import LedgerError
from monai_unlearnable.perturbations import GeneratedDeltas, InRegion
from monai_unlearnable.workflows.generator_recipe import GeneratorRecipe
from monai_unlearnable.workflows.intensity import ImageLevels
from monai_unlearnable.workflows.kept_generator import KeptGenerator
from monai_unlearnable.workflows.later import EACH_ITS_OWN, later_budget

__all__ = ["load_generator"]


def load_generator(
    ledger: str | Path,
    recipe: GeneratorRecipe | None = None,
    *,
    image: ImageLevels | None = None,
    device: str | torch.device = "cpu",
) -> GeneratedDeltas | InRegion:
    """Return the method that gives images the deltas of a finished run's generator.

    It is what :class:`~monai_unlearnable.transforms.GeneratorPerturbation` takes. The network is built by ``recipe``: a
    ledger names no code that would be loaded. Of a whole set of images,
    ``protect(..., recipe=GeneratorRecipe(generator_ledger=ledger))`` writes a release.

    Args:
        ledger: the run's ledger.
        recipe: builds the run's network, with the run's region; the default one by default.
        image: levels of the image that shall get a delta, from :func:`survey`: its budget and window are made of them
            as they were made for the run's own images. Only where all of these had the same, it may be left out.
        device: where the generator goes.

    Returns:
        The perturbation with the run's budget, or the image's, in the run's region; its network is frozen.

    Raises:
        LedgerError: there is no finished run, it has no generator, another network or another region, its files are
            damaged, or ``image`` is needed.
        BudgetError: the run's radius is below one level of the image, or in HU where it has none.
    """
    kept = KeptGenerator.read(ledger, device=device)
    budget = later_budget(kept.content.configuration, image, kept.folder)
    facts = kept.facts if image is None else replace(kept.facts, window_levels=image.window_levels)
    if facts.window_levels is None:
        raise LedgerError(f"{kept.folder}: {EACH_ITS_OWN}")
    own = replace(GeneratorRecipe() if recipe is None else recipe, surrogate_size_px=kept.seen_px)
    kept.require_region(own.region)
    generator = own.build_generator(facts, device=device)
    kept.load_into(generator)
    method = own.perturbation(facts, budget=budget, generator=generator)
    return method if own.region is None else InRegion(perturbation=method, region=own.region)
