"""The whole road: read a source, compute deltas, write the release, prove it."""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from monai_unlearnable.budgets import Budget, LinfBudget, parse_radius
from monai_unlearnable.engines import ProtectionEngine
from monai_unlearnable.errors import LedgerError, SourceError
from monai_unlearnable.release import (
    Ledger,
    ManifestFields,
    ReleaseBudget,
    VerifyReport,
    hold_ledger,
    read_ledger,
    verify_release,
    write_release,
)
from monai_unlearnable.release.plan import plan_release
from monai_unlearnable.sources import Progress, Source, open_source
from monai_unlearnable.stores import ClassKey, MappedStore, SampleKey, StoreHeader
from monai_unlearnable.workflows.intensity import IntensityRange, survey
from monai_unlearnable.workflows.recipes import ErrorMinimizingRecipe, Recipe, RecipeContext, SurrogateRecipe

__all__ = ["ProtectReport", "protect"]

_SURROGATE_NAME = "surrogate.pt"
_MIXED_SIZES_SURROGATE_PX = 96
_LARGEST_NATIVE_PX = 128


@dataclass(frozen=True)
class ProtectReport:
    """What protecting a source did.

    Attributes:
        method: name of the perturbation.
        images: number of protected images.
        files: number of released files.
        converted: how many of them were converted to another format (JPEG to PNG).
        radius_given: the radius as given.
        radius_levels: the radius in levels of the stored files.
        passes: passes of the engine.
        surrogate_error: the surrogate's error on the protected images at the end, 0 to 1; None without surrogate.
        resumed: whether an interrupted run was taken up again.
        seconds: time of this run.
        verification: what re-reading the release against the ledger found.
    """

    method: str
    images: int
    files: int
    converted: int
    radius_given: str
    radius_levels: float
    passes: int
    surrogate_error: float | None
    resumed: bool
    seconds: float
    verification: VerifyReport

    @property
    def held(self) -> bool:
        """Whether every image was protected and proved."""
        return self.verification.held

    def to_json(self) -> str:
        """Serialise to JSON."""
        content = asdict(self) | {"held": self.held, "verification": json.loads(self.verification.to_json())}
        return json.dumps(content, indent=1)


def protect(
    source: str | Path,
    *,
    output: str | Path,
    ledger: str | Path,
    labels: str | Path | None = None,
    recipe: Recipe | None = None,
    radius: str | float = "8/255",
    norm: type[Budget] = LinfBudget,
    seed: int | None = None,
    device: str | torch.device = "cpu",
    handlers: Sequence[Any] = (),
    trainer_handlers: Sequence[Any] = (),
    progress: Callable[[str], Progress] | None = None,
) -> ProtectReport:
    """Protect every labelled image of a source and write the release and the owner's ledger.

    The same call takes an interrupted run up again: deltas from the last whole pass, files from the last whole file.

    Args:
        source: an ``.npz`` file (its train split is protected), a folder of class folders, or a folder with ``labels``.
        output: folder of the release; must be new or empty.
        ledger: private folder of what the owner keeps; apart from source and release.
        labels: CSV of ``file,label`` for a folder.
        recipe: method and settings; error-minimizing by default.
        radius: ``8/255``, ``'8 levels'``; a fraction is of the full scale for 8-bit images, else of their robust range.
        norm: :class:`LinfBudget` or :class:`L2Budget`.
        seed: seed of everything random. By default one is drawn and kept in the ledger only: who knows the seed of
            synthetic deltas can take them off.
        device: where the surrogate runs.
        handlers: more Ignite handlers for the engine.
        trainer_handlers: more handlers for the surrogate's trainer.
        progress: makes a progress callback for a part of the work, given its name.

    Returns:
        What was done, with the proof of the files on disk.

    Raises:
        SourceError: images or labels cannot be read or do not match.
        BudgetError: the radius is not understood or below one level.
        ReleaseError: the output holds something already.
        LedgerError: the ledger belongs to another run, or lies in the release.
        DivergedError: the surrogate is no longer finite.
    """
    began = time.monotonic()
    images = open_source(source, labels)
    plan_release(images)
    report_on = progress if progress is not None else (lambda name: lambda done, total: None)
    levels = survey(images, progress=report_on("reading"))
    budget = make_budget(radius, levels, norm)
    recipe = _fit_recipe(ErrorMinimizingRecipe() if recipe is None else recipe, images)
    seed, resumed = _seed_of_run(Path(ledger), seed)
    configuration = {
        "recipe": recipe.describe(),
        "budget": budget.describe(),
        "radius": str(radius),
        "seed": seed,
        "data_sha256": levels.data_sha256,
    }
    with hold_ledger(ledger, source=images.path, release=output, configuration=configuration) as book:
        keys = _keys(images, recipe)
        store = _open_store(
            book,
            images,
            keys,
            StoreHeader(
                {"_": (1, 1)}, budget.largest_value_levels, budget.describe(), recipe.name, seed, levels.data_sha256
            ),
        )
        context = RecipeContext(
            source=images,
            budget=budget,
            store=store,
            seed=seed,
            checkpoint=book.directory / "checkpoint",
            device=torch.device(device),
            window_levels=(levels.window_low_level, levels.window_high_level),
            handlers=handlers,
            trainer_handlers=trainer_handlers,
        )
        engine = _compute(recipe, context, book)
        manifest = write_release(
            images,
            store,
            keys,
            release=output,
            ledger=book,
            manifest_fields=ManifestFields(
                method=recipe.name,
                budget=ReleaseBudget.from_description(budget.describe(), radius_given=str(radius)),
                configuration={"class_wise": recipe.class_wise},
            ),
            progress=report_on("writing"),
        )
        _drop_working_files(book, recipe)
    return ProtectReport(
        method=recipe.name,
        images=manifest.image_count,
        files=len(manifest.files),
        converted=manifest.converted_count,
        radius_given=str(radius),
        radius_levels=budget.radius_levels,
        passes=engine.state.epoch,
        surrogate_error=engine.state.metrics.get("surrogate_error"),
        resumed=resumed,
        seconds=time.monotonic() - began,
        verification=verify_release(output, ledger, progress=report_on("verifying")),
    )


def make_budget(radius: str | float, levels: IntensityRange, norm: type[Budget] = LinfBudget) -> Budget:
    """Turn a radius as people write it into a budget of a source.

    For L2 a fraction is of the window's width too: ``1.0`` is the length of one pixel changed over the whole window.
    """
    return norm(
        radius_levels=parse_radius(radius).levels(range_levels=levels.window_width_levels),
        low_level=levels.low_level,
        high_level=levels.high_level,
    )


def _fit_recipe(recipe: Recipe, images: Source) -> Recipe:
    """Let the surrogate look at a common size where the images have several, or are large."""
    shapes = {images.shape(index) for index in range(len(images))}
    if len({shape[0] for shape in shapes}) > 1:
        raise SourceError(
            f"{images.path}: holds images of {sorted({shape[0] for shape in shapes})} channels; protect them apart."
        )
    if recipe.class_wise and len(shapes) > 1:
        raise SourceError(
            f"{images.path}: images have {len(shapes)} shapes such as {sorted(shapes)[:2]}, and a class-wise delta has one. "
            "Use deltas of their own (leave class_wise out)."
        )
    large = max(max(shape[1:]) for shape in shapes) > _LARGEST_NATIVE_PX
    if isinstance(recipe, SurrogateRecipe) and recipe.surrogate_size_px is None and (len(shapes) > 1 or large):
        return replace(recipe, surrogate_size_px=_MIXED_SIZES_SURROGATE_PX)
    return recipe


def _seed_of_run(ledger: Path, seed: int | None) -> tuple[int, bool]:
    try:
        content = read_ledger(ledger)
    except LedgerError:
        return (secrets.randbits(62) if seed is None else seed), False
    kept = int(content.configuration["seed"])
    return (kept if seed is None else seed), content.status == "running"


def _keys(images: Source, recipe: Recipe) -> list[str]:
    key = ClassKey() if recipe.class_wise else SampleKey()
    return key(images.sample_ids, torch.as_tensor(images.labels))


def _open_store(book: Ledger, images: Source, keys: Sequence[str], header: StoreHeader) -> MappedStore:
    shapes = {key: images.shape(index) for index, key in enumerate(keys)}
    header, folder = replace(header, shapes=shapes), book.directory / "working"
    return MappedStore.open(folder, header) if folder.exists() else MappedStore.create(folder, header)


def _compute(recipe: Recipe, context: RecipeContext, book: Ledger) -> ProtectionEngine:
    engine, save = recipe.build(context)
    save.load(engine)
    if engine.state.epoch < engine.state.max_epochs:
        engine.run()
    if engine.surrogate is not None:
        unfinished = book.directory / f".{_SURROGATE_NAME}.unfinished"
        torch.save(engine.surrogate.state_dict(), unfinished)
        unfinished.rename(book.directory / _SURROGATE_NAME)
    return engine


def _drop_working_files(book: Ledger, recipe: Recipe) -> None:
    """Remove what only a running run needs; class-wise deltas are kept for images that arrive later."""
    shutil.rmtree(book.directory / "checkpoint", ignore_errors=True)
    if not recipe.class_wise:
        shutil.rmtree(book.directory / "working", ignore_errors=True)
