"""What each verb of the command line does with its options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import torch
from ignite.handlers import ProgressBar
from tqdm import tqdm

from monai_unlearnable.audit import VictimRecipe, adam_optimizer, audit_release
from monai_unlearnable.budgets import L2Budget, LinfBudget, parse_radius
from monai_unlearnable.errors import BudgetError
from monai_unlearnable.networks import small_resnet, standard_densenet121, standard_resnet18
from monai_unlearnable.release import restore_release, verify_release
from monai_unlearnable.sources import Progress
from monai_unlearnable.workflows import (
    ErrorMinimizingRecipe,
    Recipe,
    SyntheticRecipe,
    TargetedAdversarialRecipe,
    protect,
)
from monai_unlearnable.workflows.recipes import SurrogateRecipe
from monai_unlearnable.workflows.summaries import (
    describe_audit,
    describe_protection,
    describe_restoration,
    describe_verification,
)

__all__ = ["VERBS"]

_Verb = Callable[[argparse.Namespace, argparse.ArgumentParser], int]


def _protect(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    _require_existing(options.source, parser)
    try:
        parse_radius(options.radius)
    except BudgetError as error:
        parser.error(str(error))
    bars = () if options.quiet else (_engine_bar("deltas"),)
    trainer_bars = () if options.quiet else (_engine_bar("surrogate"),)
    report = protect(
        options.source,
        output=options.output,
        ledger=options.ledger,
        labels=options.labels,
        recipe=_recipe(options, parser),
        radius=options.radius,
        norm=L2Budget if options.norm == "l2" else LinfBudget,
        seed=options.seed,
        device=_device(options.device, parser),
        handlers=bars,
        trainer_handlers=trainer_bars,
        progress=_bars(options.quiet),
    )
    print(report.to_json() if options.json else describe_protection(report, options.output, options.ledger))
    return 0 if report.held else 1


def _verify(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    report = verify_release(options.release, options.ledger, progress=_bars(options.quiet)("verifying"))
    print(report.to_json() if options.json else describe_verification(report, options.release))
    return 0 if report.held else 1


def _restore(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    report = restore_release(
        options.release, options.ledger, options.output, progress=_bars(options.quiet)("restoring")
    )
    print(report.to_json() if options.json else describe_restoration(report, options.output))
    return 0 if report.held else 1


def _audit(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    _require_existing(options.clean, parser)
    names = tuple(dict.fromkeys(options.victim or ("small_resnet",)))
    bar = None if options.quiet else tqdm(desc="auditing", file=sys.stderr, unit="epoch")

    def show(message: str, done: int, total: int) -> None:
        if bar is not None:
            bar.total, bar.n = total, done
            bar.set_postfix_str(message)

    report = audit_release(
        options.release,
        clean=options.clean,
        test=options.test,
        labels=options.labels,
        output=options.output,
        recipes=tuple(replace(VICTIMS[name], epochs=options.epochs) for name in names),
        seeds=options.seeds,
        first_seed=options.first_seed,
        device=_device(options.device, parser),
        progress=show,
    )
    if bar is not None:
        bar.close()
    print((options.output / "audit.json").read_text() if options.json else describe_audit(report, options.output))
    return 0 if report.held else 1


def _recipe(options: argparse.Namespace, parser: argparse.ArgumentParser) -> Recipe:
    recipe = RECIPES[options.perturbation]
    if options.class_wise:
        recipe = replace(recipe, class_wise=True)
    if options.surrogate_size_px is None:
        return recipe
    if not isinstance(recipe, SurrogateRecipe):
        parser.error(f"--surrogate-size-px: {options.perturbation} has no surrogate")
    return replace(recipe, surrogate_size_px=options.surrogate_size_px)


def _require_existing(path: Path, parser: argparse.ArgumentParser) -> None:
    if not path.exists():
        parser.error(f"{path}: there is no such file or folder")


def _device(name: str, parser: argparse.ArgumentParser) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        parser.error(f"--device {name}: {str(error).splitlines()[0]}")
    return device


def _engine_bar(name: str) -> ProgressBar:
    return ProgressBar(desc=name, file=sys.stderr)


def _bars(quiet: bool) -> Callable[[str], Progress]:
    """Return what makes a progress bar for a part of the work."""

    def make(name: str) -> Progress:
        if quiet:
            return lambda done, total: None
        bar = tqdm(desc=name, file=sys.stderr, unit="image")

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)
            if done >= total:
                bar.close()

        return show

    return make


VERBS: Mapping[str, _Verb] = MappingProxyType(
    {"protect": _protect, "verify": _verify, "restore": _restore, "audit": _audit}
)

VICTIMS: Mapping[str, VictimRecipe] = MappingProxyType(
    {
        "small_resnet": VictimRecipe(name="small_resnet", network=small_resnet),
        "resnet18": VictimRecipe(name="resnet18", network=standard_resnet18),
        "densenet121": VictimRecipe(
            name="densenet121",
            network=standard_densenet121,
            optimizer=adam_optimizer,
            learning_rate=1e-3,
            image_size_px=32,
        ),
    }
)
"""Victims that the command line knows by name."""

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {one.name: one for one in (ErrorMinimizingRecipe(), TargetedAdversarialRecipe(), SyntheticRecipe())}
)
"""Methods that the command line knows by name."""
