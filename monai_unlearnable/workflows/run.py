"""One protection run: everything around the engine, from the survey of the images to the proved release."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from monai_unlearnable.budgets import Budget, LinfBudget, parse_radius
from monai_unlearnable.engines import ProtectionEngine, SaveProtection
from monai_unlearnable.release import (
    Ledger,
    Manifest,
    ManifestFields,
    ReleaseBudget,
    ReleaseOptions,
    hold_ledger,
    plan_release,
    read_ledger,
    verify_release,
    write_release,
)
from monai_unlearnable.release.atomic import atomic_file
from monai_unlearnable.sources import Progress, Source
from monai_unlearnable.stores import ClassKey, MappedStore, SampleKey, StoreHeader
from monai_unlearnable.workflows.context import ImageFacts, RecipeContext
from monai_unlearnable.workflows.disk import errors_name, require_space
from monai_unlearnable.workflows.files import check_files, describe_files, take_source
from monai_unlearnable.workflows.folders import check_folders, check_writable
from monai_unlearnable.workflows.intensity import make_budget, survey
from monai_unlearnable.workflows.later import SURROGATE_NAME
from monai_unlearnable.workflows.notices import find_notices
from monai_unlearnable.workflows.outcomes import count_labels, find_outcomes
from monai_unlearnable.workflows.report import ProtectReport
from monai_unlearnable.workflows.settings import take_up

__all__ = ["ProtectionRun"]

_PRIVATE_FILE = 0o600


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
        radius: ``8/255``, ``'8 levels'``, ``'10 HU'``; a fraction is of the full scale for 8-bit images, else of their
            robust range.
        norm: :class:`LinfBudget` or :class:`L2Budget`.
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
        levels = survey(self.source, progress=self._report_on("reading"))
        self.budget = make_budget(radius, levels, norm)
        self.radius = str(radius)
        window = (levels.window_low_level, levels.window_high_level)
        configuration = {
            "method": method,
            "settings": dict(settings),
            "class_wise": class_wise,
            "budget": self.budget.describe(),
            "radius": self.radius,
            "images": ImageFacts.of(self.source, window_levels=window).describe(),
            "data_sha256": levels.data_sha256,
            **describe_files(self.source, self.options),
        }
        self.seed, self.resumed = take_up(self.ledger, configuration, seed)
        self._held = ExitStack()
        self._book: Ledger = self._held.enter_context(
            hold_ledger(
                ledger, source=self.source.path, release=output, configuration=configuration | {"seed": self.seed}
            )
        )
        try:
            self._keys = self.key(self.source.sample_ids, torch.as_tensor(self.source.labels))
            self.store = self._open_store(levels.data_sha256)
        except BaseException:
            self.close()
            raise
        self.context = RecipeContext(
            source=self.source,
            budget=self.budget,
            store=self.store,
            seed=self.seed,
            checkpoint=self._book.directory / "checkpoint",
            device=torch.device(device),
            window_levels=window,
        )

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
            DivergedError: the surrogate is no longer finite.
            ReleaseError: a file of the release cannot be written.
        """
        with errors_name(self.ledger):
            save.load(engine)
            if engine.state.epoch < engine.state.max_epochs:
                engine.run()
            self._keep_surrogate(engine)
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
            radius_levels=self.budget.radius_levels,
            passes=engine.state.epoch,
            surrogate_error=engine.state.metrics.get("surrogate_error"),
            resumed=self.resumed,
            seconds=time.monotonic() - self._began,
            verification=verify_release(self.output, self.ledger, progress=self._report_on("verifying")),
            notices=self._notices,
            class_counts=count_labels(self.source),
            outcomes=find_outcomes(self.source, plan_release(self.source), read_ledger(self.ledger).files),
        )

    def close(self) -> None:
        """Let go of the ledger; an unfinished run can be taken up again."""
        self._held.close()

    def __enter__(self) -> ProtectionRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _header(self, data_sha256: str) -> StoreHeader:
        return StoreHeader(
            shapes={key: self.source.shape(index) for index, key in enumerate(self._keys)},
            radius_levels=self.budget.largest_value_levels,
            budget=self.budget.describe(),
            method=self.method,
            seed=self.seed,
            data_sha256=data_sha256,
        )

    def _needed_bytes(self, header: StoreHeader) -> dict[Path, int]:
        """Count applied and working deltas, those of two checkpoints, and files as large as the source's."""
        pixels = sum(math.prod(self.source.shape(index)) for index in range(len(self.source)))
        working = sum(math.prod(shape) for shape in header.shapes.values())
        plan = plan_release(self.source)
        files = {one.template for one in plan.files} | {one.template for one in plan.copies}
        return {
            self.ledger: (pixels + 3 * working) * header.dtype.itemsize,
            self.output: sum(one.stat().st_size for one in files),
        }

    def _open_store(self, data_sha256: str) -> MappedStore:
        header = self._header(data_sha256)
        if not self.resumed:
            require_space(self._needed_bytes(header))
        folder = self._book.directory / "working"
        with errors_name(self.ledger):
            return MappedStore.open(folder, header) if folder.exists() else MappedStore.create(folder, header)

    def _keep_surrogate(self, engine: ProtectionEngine) -> None:
        if engine.surrogate is None:
            return
        with atomic_file(self._book.directory / SURROGATE_NAME, permissions=_PRIVATE_FILE) as unfinished:
            torch.save(engine.surrogate.state_dict(), unfinished)

    def _write(self) -> Manifest:
        fields = ManifestFields(
            method=self.method,
            budget=ReleaseBudget.from_description(self.budget.describe(), radius_given=self.radius),
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
