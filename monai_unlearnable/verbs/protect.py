"""``protect``: a source in, a proved release and the owner's ledger out."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields, replace

from monai_unlearnable.budgets import L2Budget, LinfBudget, parse_radius
from monai_unlearnable.errors import BudgetError, SourceError, UnlearnableError
from monai_unlearnable.perturbations import Stripes
from monai_unlearnable.release import ReleaseOptions
from monai_unlearnable.verbs.paths import refuse_missing, require_device, set_threads
from monai_unlearnable.verbs.progress import ProgressBars
from monai_unlearnable.workflows import (
    AutoregressiveRecipe,
    ErrorMinimizingRecipe,
    GeneratorRecipe,
    LinearErrorMinimizingRecipe,
    Recipe,
    RobustErrorMinimizingRecipe,
    SyntheticRecipe,
    TargetedAdversarialRecipe,
    protect,
)
from monai_unlearnable.workflows.folders import check_folders
from monai_unlearnable.workflows.recipe_base import SurrogateRecipe
from monai_unlearnable.workflows.regions import parse_region
from monai_unlearnable.workflows.summaries import describe_protection

__all__ = ["choose_recipe", "run_protect"]

_GUESSABLE_SEED_BITS = 40
"""Seeds below 2**40 are tried out in hours."""


def run_protect(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Run the verb; 0 when every image was protected and proved, 1 when one was not."""
    refuse_missing(parser, SOURCE=options.source, labels=options.labels, generator=options.generator)
    if options.labels is not None and options.source.is_file():
        parser.error(f"--labels: {options.source} holds its own labels; leave --labels out")
    recipe = choose_recipe(options, parser)
    try:
        parse_radius(options.radius)
        check_folders(options.source, output=options.output, ledger=options.ledger)
    except UnlearnableError as error:
        parser.error(str(error))
    device = require_device(options.device, parser)
    set_threads(options.threads)
    _warn_of_seed(recipe, options.seed)
    bars = ProgressBars(quiet=options.quiet)
    try:
        report = protect(
            options.source,
            output=options.output,
            ledger=options.ledger,
            labels=options.labels,
            section=options.section,
            on_error=options.on_error,
            allow_empty_masks=options.allow_empty_masks,
            options=ReleaseOptions(**{one.name: getattr(options, one.name) for one in fields(ReleaseOptions)}),
            recipe=recipe,
            radius=options.radius,
            level_size=options.level_size,
            norm=L2Budget if options.norm == "l2" else LinfBudget,
            seed=options.seed,
            device=device,
            handlers=bars.engine_bars("deltas"),
            trainer_handlers=bars.engine_bars("surrogate"),
            progress=bars.images,
        )
    except SourceError as error:
        if options.on_error == "stop" and str(error).startswith(f"{options.source}/"):
            print("(--on-error skip leaves out files that cannot be read, and says which.)", file=sys.stderr)
        raise
    except BudgetError as error:
        parser.error(str(error))  # a radius or setting that these images do not allow: the command has to change
    print(report.to_json() if options.json else describe_protection(report, options.output, options.ledger))
    return 0 if report.held else 1


def _warn_of_seed(recipe: Recipe, seed: int | None) -> None:
    if isinstance(recipe, SyntheticRecipe) and seed is not None and seed < 2**_GUESSABLE_SEED_BITS:
        print(
            f"warning: --seed {seed}: whoever guesses this seed can compute the synthetic deltas and take them "
            "off. For a release that leaves the house, leave --seed out: one is drawn and kept in the ledger.",
            file=sys.stderr,
        )


def choose_recipe(options: argparse.Namespace, parser: argparse.ArgumentParser) -> Recipe:
    """Return the recipe that the options ask for, with the literature's settings for class-wise deltas."""
    if options.generator is not None and options.perturbation != GeneratorRecipe.name:
        parser.error(
            f"--generator: {options.perturbation} has none; it goes with --perturbation {GeneratorRecipe.name}"
        )
    recipe: Recipe
    if options.perturbation == ErrorMinimizingRecipe.name:
        recipe = ErrorMinimizingRecipe.for_classes() if options.class_wise else ErrorMinimizingRecipe()
    elif options.perturbation == RobustErrorMinimizingRecipe.name:
        recipe = RobustErrorMinimizingRecipe(class_wise=options.class_wise)
    elif options.perturbation == LinearErrorMinimizingRecipe.name:
        recipe = LinearErrorMinimizingRecipe(class_wise=options.class_wise)
    elif options.perturbation == TargetedAdversarialRecipe.name:
        recipe = TargetedAdversarialRecipe(class_wise=options.class_wise)
    elif options.perturbation == GeneratorRecipe.name:
        recipe = _generator_recipe(options, parser)
    elif options.perturbation == AutoregressiveRecipe.name:
        recipe = AutoregressiveRecipe(class_wise=options.class_wise)
    else:
        recipe = SyntheticRecipe(class_wise=options.class_wise)
    try:
        recipe = replace(recipe, region=parse_region(options.region))
    except BudgetError as error:
        parser.error(f"--region: {error}")
    recipe = _shaped(recipe, options, parser)
    if options.surrogate_size_px is None:
        return recipe
    if not isinstance(recipe, SurrogateRecipe | GeneratorRecipe):
        parser.error(f"--surrogate-size-px: {options.perturbation} has no surrogate")
    return replace(recipe, surrogate_size_px=options.surrogate_size_px)


def _shaped(recipe: Recipe, options: argparse.Namespace, parser: argparse.ArgumentParser) -> Recipe:
    """Return the recipe with deltas of that fineness, and with the pattern that the options say."""
    if options.phases is not None:
        recipe = _phased(recipe, options, parser)
    if options.channel_signs is not None:
        if not isinstance(recipe, SyntheticRecipe):
            parser.error(f"--channel-signs: {options.perturbation} is not made of patterns alone")
        recipe = replace(recipe, channel_signs=options.channel_signs)
    if options.kept_share is not None:
        if not isinstance(recipe, SurrogateRecipe):
            parser.error(f"--kept-share: {options.perturbation} has no surrogate, or a pattern already")
        recipe = replace(recipe, kept_patterns=Stripes(phases=options.phases or 1), kept_share=options.kept_share)
    if options.low_pass is not None:
        return _low_passed(recipe, options, parser)
    if options.block_size_px is None:
        return recipe
    if not isinstance(recipe, SurrogateRecipe | SyntheticRecipe):
        parser.error(f"--block-size-px: {options.perturbation} makes deltas as fine as its network does")
    return replace(recipe, block_size_px=options.block_size_px)


def _low_passed(recipe: Recipe, options: argparse.Namespace, parser: argparse.ArgumentParser) -> SurrogateRecipe:
    """Return the recipe with the longest waves of deltas alone."""
    if isinstance(recipe, SyntheticRecipe):
        parser.error(f"--low-pass: {options.perturbation} has no surrogate; --block-size-px draws coarser patterns")
    if not isinstance(recipe, SurrogateRecipe):
        parser.error(f"--low-pass: {options.perturbation} makes deltas as fine as its network does")
    if options.block_size_px is not None:
        parser.error("--low-pass and --block-size-px both say how fine deltas are; give one")
    return replace(recipe, low_pass_share=options.low_pass)


def _phased(recipe: Recipe, options: argparse.Namespace, parser: argparse.ArgumentParser) -> Recipe:
    """Return the recipe with so many phases of each class's stripes."""
    if isinstance(recipe, SyntheticRecipe) and recipe.patterns is None:
        return replace(recipe, patterns=Stripes(phases=options.phases))
    if isinstance(recipe, ErrorMinimizingRecipe) and isinstance(recipe.start, Stripes):
        return replace(recipe, start=replace(recipe.start, phases=options.phases))
    if options.kept_share is None:
        parser.error(f"--phases: {recipe.name} draws no stripes")
    return recipe  # those that keep a share of the radius have the phases


def _generator_recipe(options: argparse.Namespace, parser: argparse.ArgumentParser) -> GeneratorRecipe:
    if options.class_wise:
        parser.error("--class-wise: a generator looks at each image, so each has a delta of its own")
    if options.generator is not None and options.surrogate_size_px is not None:
        parser.error("--surrogate-size-px: networks look at images as they did in the run of --generator")
    return GeneratorRecipe(generator_ledger=options.generator)
