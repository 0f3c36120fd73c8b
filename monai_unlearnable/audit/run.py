"""Audit a release: train victims on its files beside clean baselines and report what they learned."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from monai_unlearnable.audit.extras import Extra, ExtraRuns, extra_epochs, require_extras
from monai_unlearnable.audit.facts import read_facts
from monai_unlearnable.audit.fidelity import measure_fidelity
from monai_unlearnable.audit.html import render_html
from monai_unlearnable.audit.machine import describe_machine
from monai_unlearnable.audit.outcomes import NotApplied, RecipeOutcome
from monai_unlearnable.audit.output import check_outside, claim_output
from monai_unlearnable.audit.overlays import draw_overlays
from monai_unlearnable.audit.pairing import AuditData, open_data, require_clean_test
from monai_unlearnable.audit.previews import pick_examples
from monai_unlearnable.audit.report import AuditReport
from monai_unlearnable.audit.runs import RunFolder, write_atomically
from monai_unlearnable.audit.selfchecks import Check, check_release
from monai_unlearnable.audit.trainings import AuditProgress, Trainings
from monai_unlearnable.audit.victims import VictimRecipe, default_recipe
from monai_unlearnable.errors import DivergedError, NotApplicableError
from monai_unlearnable.sources.base import Task

__all__ = ["audit_release"]


def audit_release(
    release: str | Path,
    *,
    clean: str | Path,
    output: str | Path,
    test: str | Path | None = None,
    labels: str | Path | None = None,
    section: str | None = None,
    names: Mapping[str, str] | None = None,
    recipes: Sequence[VictimRecipe] | None = None,
    seeds: int = 3,
    first_seed: int = 0,
    resume: bool = True,
    runs: str | Path | None = None,
    device: str | torch.device = "cpu",
    extras: Sequence[Extra | str] = (),
    progress: AuditProgress | None = None,
) -> AuditReport:
    """Train victims on a release and on its clean source, and write ``audit.json`` and ``audit.html``.

    For every recipe and seed one victim is trained on released files and one, the same way, on the clean files of
    the same samples; both are scored on clean test images. Finished trainings are kept as JSON files and used
    again when data, recipe and seed are the same.

    Args:
        release: the release (any source of labelled images); only read.
        clean: the source that it was made from; only read.
        output: a new folder, or that of an earlier audit.
        test: clean test images; default: the test split of an ``.npz``, else a fifth of each class, held out.
        labels: labels CSV or datalist of the clean folder.
        section: which list of a datalist; by default ``training``, or the only one there is.
        names: the clean sample id of each released one that has another; the owner's ledger knows them.
        recipes: the victims, with names that differ (default: the one of
            :func:`~monai_unlearnable.audit.victims.default_recipe`).
        seeds: number of trainings of each kind.
        first_seed: their seeds are ``first_seed``, ``first_seed + 1``, ...
        resume: use finished trainings again.
        runs: folder of finished trainings (default ``output/runs``); several audits may share one.
        device: where to train.
        extras: what else to look at, such as ``["authorised-use", "membership"]``; see
            :class:`~monai_unlearnable.audit.extras.Extra`.
        progress: called after every epoch.

    Raises:
        ValueError: no recipe, two of one name, ``seeds`` below 1, or an extra that is none or needs another victim.
        SourceError: images or labels cannot be read or do not fit.
        ReleaseError: not a release of this source, or an output folder that cannot be used.
        DivergedError: the loss of a victim without a countermeasure is no longer finite. Others are left out and named.
        NotApplicableError: no victim's countermeasure is one for these images. Single ones are left out and named.
    """
    _check_arguments(recipes, seeds=seeds)
    wanted = tuple(dict.fromkeys(map(Extra, extras)))
    folder, where = Path(output), torch.device(device)
    data = open_data(release, clean=clean, test=test, labels=labels, section=section, names=names)
    require_clean_test(data)
    victims = (default_recipe(data.clean.task),) if recipes is None else recipes
    all_seeds = tuple(range(first_seed, first_seed + seeds))
    require_extras(wanted, victims, data, all_seeds)
    run_folder = folder / "runs" if runs is None else Path(runs)
    inputs = tuple(Path(one) for one in (release, clean, test) if one is not None)
    for one in (run_folder, folder):
        check_outside(one, inputs=inputs)
    claim_output(folder)
    facts = read_facts(release)
    fidelity = measure_fidelity(data.release, data.clean, data.pairs, labels=data.clean.mask_labels)
    checks = check_release(data, fidelity, facts)
    own_epochs = seeds * sum(one.epochs + (one.baseline or one).epochs for one in victims)
    trainings = Trainings(
        runs=RunFolder(run_folder),
        resume=resume,
        device=where,
        progress=progress,
        all_epochs=own_epochs + extra_epochs(wanted, victims, seeds=seeds),
    )
    outcomes, not_applied = _train_all(victims, trainings, data, all_seeds)
    extra_runs = ExtraRuns(wanted, trainings.runs, resume, where, trainings.tell)
    report = AuditReport(
        task=data.clean.task,
        class_names=data.clean.class_names,
        counts=_counts(data),
        test_origin=data.test_origin,
        facts=facts,
        outcomes=outcomes,
        fidelity=fidelity,
        checks=(*checks, *(_baseline_check(one) for one in outcomes if one.recipe.is_plain)),
        machine=describe_machine(where),
        not_applied=not_applied,
        extras=extra_runs.find(data, [one.recipe for one in outcomes], all_seeds),
    )
    overlays = [picture for one in outcomes for picture in draw_overlays(data, one)]
    page = render_html(report, pick_examples(data), overlays)
    write_atomically(folder / "audit.json", json.dumps(report.to_json(), indent=1) + "\n")
    write_atomically(folder / "audit.html", page)
    return report


def _counts(data: AuditData) -> dict[str, int]:
    return {
        "released": len(data.release),
        "clean": len(data.clean),
        "trained_on": len(data.train_pairs),
        "tested_on": len(data.test_indices),
    }


def _train_all(
    victims: Sequence[VictimRecipe], trainings: Trainings, data: AuditData, seeds: tuple[int, ...]
) -> tuple[tuple[RecipeOutcome, ...], tuple[NotApplied, ...]]:
    outcomes: list[RecipeOutcome] = []
    not_applied: list[NotApplied] = []
    for recipe in victims:
        try:
            outcomes.append(trainings.outcome(recipe, data, seeds))
        except NotApplicableError as error:
            not_applied.append(NotApplied(recipe, str(error)))
        except DivergedError as error:
            if recipe.is_plain:
                raise
            not_applied.append(NotApplied(recipe, str(error), diverged=True))
    if not outcomes:
        raise NotApplicableError(
            f"no victim is left to be trained. {not_applied[0].recipe.name}: {not_applied[0].reason}"
        )
    return tuple(outcomes), tuple(not_applied)


def _check_arguments(recipes: Sequence[VictimRecipe] | None, *, seeds: int) -> None:
    names = [one.name for one in recipes] if recipes is not None else ["default"]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"recipes: got the names {names}; an audit needs at least one victim, and different names.")
    if seeds < 1:
        raise ValueError(f"seeds={seeds}: at least 1 is needed, and 3 for a figure that is published.")


def _baseline_check(outcome: RecipeOutcome) -> Check:
    score = sum(one.score for one in outcome.clean) / len(outcome.clean)
    trivial = "best trivial predictor" if outcome.task is Task.SEGMENTATION else "majority class"
    detail = f"clean score {score:.3f}, {trivial} {outcome.majority:.3f}"
    if not outcome.clean_learned:
        detail += "; this victim learns nothing even from clean images, so its figure means nothing"
    return Check(f"Victim {outcome.recipe.name} learns from clean images", outcome.clean_learned, detail)
