"""One protection run: everything around the engine, from the survey of the images to the proved release."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from monai_unlearnable.budgets import Budget, ImageBudgets, LinfBudget, parse_radius
from monai_unlearnable.engines import ProtectionEngine, SaveProtection
from monai_unlearnable.errors import BudgetError
from monai_unlearnable.release import (
    Ledger,
    Manifest,
    ManifestFields,
    ReleaseOptions,
    hold_ledger,
    plan_release,
    read_ledger,
    verify_release,
    write_release,
)
from monai_unlearnable.sources import Progress, Source
from monai_unlearnable.stores import ClassKey, MappedStore, SampleKey, StoreHeader
from monai_unlearnable.workflows.context import ImageFacts, RecipeContext
from monai_unlearnable.workflows.disk import count_needed_bytes, errors_name, require_space
from monai_unlearnable.workflows.files import check_files, describe_files, take_source
from monai_unlearnable.workflows.folders import check_folders, check_writable
from monai_unlearnable.workflows.intensity import survey
from monai_unlearnable.workflows.kept import keep_networks
from monai_unlearnable.workflows.notices import find_notices
from monai_unlearnable.workflows.outcomes import count_labels, find_outcomes
from monai_unlearnable.workflows.radii import RadiusSpan, make_budgets, release_budgets
from monai_unlearnable.workflows.report import ProtectReport
from monai_unlearnable.workflows.settings import take_up

__all__ = ["ProtectionRun"]


class ProtectionRun:
    """Holds the ledger of a run, knows its budget and store, and turns a finished engine into a proved release.

    Bundles and :func:`protect` build their engine from :attr:`context` and hand it to :meth:`complete`. Making the same
    run again takes up an interrupted one.

    Args:
        source: a path, or an open source.
        output: folder of the release; must be new or empty.
        ledger: private folder of what the owner keeps; apart from source and release.
        method: name of the perturbation, for headers and the manifest.
        settings: effective settings of the method, JSON values, for the ledger.
        labels: list of images and labels when ``source`` is the path of a folder.
        class_wise: one delta for each class in the place of one for each image.
        radius: ``8/255``, ``'8 levels'``, ``'10 HU'``; a fraction is of the full scale of 8-bit images, and of the
            robust range of each deeper one; HU count by each image's own rescale.
        norm: :class:`LinfBudget` or :class:`L2Budget`.
        level_size: what one level adds to a stored value of floating-point files; None for files of whole numbers.
        seed: seed of everything random; by default drawn, and kept in the ledger only.
        device: where the surrogate runs.
        options: how files are released; of an open source its own ``allow_lossy`` counts.
        progress: makes a progress callback for a part of the work, given its name.

    Raises:
        SourceError: images or labels cannot be read or do not match, or the source is a release itself.
        BudgetError: the radius is not understood or below one level.
        ReleaseError: the output holds something already, cannot be written to or lies in another of the places, or
            the disk is too full.
        LedgerError: the ledger belongs to another run (the message names what differs).
    """

    def __init__(
        self,
        source: str | Path | Source,
        *,
        output: str | Path,
        ledger: str | Path,
        method: str,
        settings: Mapping[str, Any],
        labels: str | Path | None = None,
        class_wise: bool = False,
        radius: str | float = "8/255",
        norm: type[Budget] = LinfBudget,
        level_size: float | None = None,
        seed: int | None = None,
        device: str | torch.device = "cpu",
        options: ReleaseOptions | None = None,
        progress: Callable[[str], Progress] | None = None,
    ) -> None:
        self._began = time.monotonic()
        self.source, self.options = take_source(source, labels, options)
        self.output, self.ledger, self.method, self.class_wise = Path(output), Path(ledger), method, class_wise
        check_folders(self.source.path, output=self.output, ledger=self.ledger)
        check_writable(self.output, self.ledger)
        parse_radius(radius)
        check_files(self.source)
        self._notices = find_notices(self.source, self.options)
        self._report_on = progress if progress is not None else _silent
        self.levels = survey(self.source, level_size=level_size, progress=self._report_on("reading"))
        self.budget = make_budgets(radius, self.levels, norm)
        if class_wise and isinstance(self.budget, ImageBudgets):
            self.budget.require_one_radius()
        self.radius, self._level_size = str(radius), level_size
        configuration = self._configuration(settings)
        self.seed, self.resumed = take_up(self.ledger, configuration, seed)
        self._writing = False
        self._held = ExitStack()
        self._book: Ledger = self._held.enter_context(
            hold_ledger(
                ledger, source=self.source.path, release=output, configuration=configuration | {"seed": self.seed}
            )
        )
        try:
            self._keys = self.key(self.source.sample_ids, torch.as_tensor(self.source.labels))
            self.store = self._open_store()
        except BaseException:
            self._take_back()
            self.close()
            raise
        self.context = RecipeContext(
            source=self.source,
            budget=self.budget,
            store=self.store,
            seed=self.seed,
            checkpoint=self._book.directory / "checkpoint",
            device=torch.device(device),
            levels=self.levels,
        )

    def _configuration(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return everything that another run with the same results has in common, but for the seed."""
        return {
            "method": self.method,
            "settings": dict(settings),
            "class_wise": self.class_wise,
            "budget": self.budget.describe(),
            "radius": self.radius,
            "level_size": self._level_size,
            "images": ImageFacts.of(self.source, window_levels=self.levels.common_window_levels).describe(),
            "data_sha256": self.levels.data_sha256,
            **describe_files(self.source, self.options),
        }

    @property
    def key(self) -> SampleKey | ClassKey:
        """Which delta an image gets."""
        return ClassKey() if self.class_wise else SampleKey()

    def complete(self, engine: ProtectionEngine, save: SaveProtection) -> ProtectReport:
        """Run the engine (from its newest checkpoint), write the release, prove it, and let go of the ledger.

        Args:
            engine: writes deltas into :attr:`store`.
            save: the engine's own saving handler.

        Raises:
            BudgetError: the images do not allow what is asked for; a run that began with this call leaves no ledger.
            DivergedError: the surrogate is no longer finite.
            ReleaseError: a file of the release cannot be written.
        """
        with errors_name(self.ledger):
            save.load(engine)
            try:
                if engine.state.epoch < engine.state.max_epochs:
                    engine.run()
            except BudgetError:
                self._take_back()
                raise
            keep_networks(self._book.directory, engine, self.context)
        self._writing = True  # from here on the ledger is the only way back
        with errors_name(self.output):
            manifest = self._write()
        shutil.rmtree(self._book.directory / "checkpoint", ignore_errors=True)
        if not self.class_wise:  # class-wise deltas are kept for images that arrive later
            shutil.rmtree(self.store.directory, ignore_errors=True)
        self.close()
        return ProtectReport(
            method=self.method,
            images=manifest.image_count,
            files=len(manifest.files),
            converted=manifest.converted_count,
            radius_given=self.radius,
            radii=RadiusSpan.of(self.budget, self.levels),
            norm=self.budget.norm_name,
            passes=engine.state.epoch,
            surrogate_error=engine.state.metrics.get("surrogate_error"),
            resumed=self.resumed,
            seconds=time.monotonic() - self._began,
            verification=verify_release(self.output, self.ledger, progress=self._report_on("verifying")),
            notices=self._notices,
            class_counts=count_labels(self.source),
            outcomes=find_outcomes(self.source, plan_release(self.source), read_ledger(self.ledger).files),
        )

    def _take_back(self) -> None:
        """Leave no ledger of a run that these images do not allow, so that the corrected command finds no other run."""
        if not self.resumed and not self._writing:
            self._book.discard()

    def close(self) -> None:
        """Let go of the ledger; an unfinished run can be taken up again."""
        self._held.close()

    def __enter__(self) -> ProtectionRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, BudgetError):
            self._take_back()
        self.close()

    def _header(self) -> StoreHeader:
        return StoreHeader(
            shapes={key: self.source.shape(index) for index, key in enumerate(self._keys)},
            radius_levels=float(self.budget.largest_value_levels),
            budget=self.budget.describe(),
            method=self.method,
            seed=self.seed,
            data_sha256=self.levels.data_sha256,
            level_size=1.0 if self._level_size is None else float(self._level_size),
        )

    def _open_store(self) -> MappedStore:
        header = self._header()
        if not self.resumed:
            require_space(count_needed_bytes(self.source, header, output=self.output, ledger=self.ledger))
        folder = self._book.directory / "working"
        with errors_name(self.ledger):
            return MappedStore.open(folder, header) if folder.exists() else MappedStore.create(folder, header)

    def _write(self) -> Manifest:
        fields = ManifestFields(
            method=self.method,
            budgets=release_budgets(self.budget, self.levels, radius_given=self.radius),
            configuration={"class_wise": self.class_wise},
        )
        return write_release(
            self.source,
            self.store,
            self._keys,
            release=self.output,
            ledger=self._book,
            manifest_fields=fields,
            progress=self._report_on("writing"),
        )


def _silent(name: str) -> Progress:
    return lambda done, total: None
