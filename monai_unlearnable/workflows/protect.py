"""The whole road in one call: read a source, compute deltas, write the release, prove it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from monai_unlearnable.budgets import Budget, LinfBudget
from monai_unlearnable.release import ReleaseOptions
from monai_unlearnable.sources import OnError, Progress, open_source
from monai_unlearnable.workflows.fitting import fit_recipe
from monai_unlearnable.workflows.folders import check_folders
from monai_unlearnable.workflows.recipes import Recipe, SyntheticRecipe
from monai_unlearnable.workflows.report import ProtectReport
from monai_unlearnable.workflows.run import ProtectionRun

__all__ = ["protect"]


def protect(
    source: str | Path,
    *,
    output: str | Path,
    ledger: str | Path,
    labels: str | Path | None = None,
    section: str | None = None,
    on_error: OnError | str = OnError.STOP,
    allow_empty_masks: bool = False,
    options: ReleaseOptions | None = None,
    recipe: Recipe | None = None,
    radius: str | float = "8/255",
    norm: type[Budget] = LinfBudget,
    level_size: float | None = None,
    seed: int | None = None,
    device: str | torch.device = "cpu",
    handlers: Sequence[Any] = (),
    trainer_handlers: Sequence[Any] = (),
    progress: Callable[[str], Progress] | None = None,
) -> ProtectReport:
    """Protect every labelled image of a source and write the release and the owner's ledger.

    The same call takes an interrupted run up again: deltas from the last whole pass, files from the last whole file.

    Args:
        source: an ``.npz`` file (its train split is protected), a folder of class folders, or a folder with a list.
        output: folder of the release; must be new or empty.
        ledger: private folder of what the owner keeps; apart from source and release.
        labels: a list of the images of a folder: a CSV file of ``file,label``, or a MONAI datalist (``.json``).
        section: which list of a datalist; by default ``training``, or the only one there is.
        on_error: ``stop`` at a file that cannot be read, or ``skip`` it: then it is not in the release, and the report
            and the ledger say why.
        allow_empty_masks: take masks that show nothing but background, as those of healthy people.
        options: how files are released: neutral names, DICOM options.
        recipe: method and settings; synthetic by default, of which readers with countermeasures regain least.
        radius: ``8/255``, ``'8 levels'``, ``'10 HU'``; a fraction is of the full scale of 8-bit images, and of the
            robust range of each deeper one; HU count by each image's own rescale.
        norm: :class:`LinfBudget` or :class:`L2Budget`.
        level_size: what one level adds to a stored value of floating-point files, such as 0.5. Files that hold whole
            numbers only need none: their levels are 1.
        seed: seed of everything random. By default one is drawn and kept in the ledger only: who knows the seed of
            synthetic deltas can take them off.
        device: where the surrogate runs.
        handlers: more Ignite handlers for the engine.
        trainer_handlers: more handlers for the surrogate's trainer.
        progress: makes a progress callback for a part of the work, given its name.

    Returns:
        What was done, with the proof of the files on disk.

    Raises:
        SourceError: images or labels cannot be read or do not match, or the source is a release itself.
        BudgetError: the radius is not understood or below one level.
        ReleaseError: the output holds something already, cannot be written to or lies in another of the places, or
            the disk is too full.
        LedgerError: the ledger belongs to another run (the message names what differs).
        DivergedError: the surrogate is no longer finite.
    """
    check_folders(source, output=output, ledger=ledger)
    options = ReleaseOptions() if options is None else options
    images = open_source(
        source,
        labels,
        section=section,
        on_error=on_error,
        allow_lossy=options.allow_lossy,
        allow_empty_masks=allow_empty_masks,
        progress=None if progress is None else progress("checking"),
    )
    recipe = fit_recipe(SyntheticRecipe() if recipe is None else recipe, images)
    with ProtectionRun(
        images,
        output=output,
        ledger=ledger,
        method=recipe.name,
        settings=recipe.describe(),
        class_wise=recipe.class_wise,
        radius=radius,
        norm=norm,
        level_size=level_size,
        seed=seed,
        device=device,
        options=options,
        progress=progress,
    ) as run:
        context = replace(run.context, handlers=handlers, trainer_handlers=trainer_handlers)
        return run.complete(*recipe.build(context))
