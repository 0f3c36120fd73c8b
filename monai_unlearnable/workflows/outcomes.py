"""What became of every file of a source."""

from __future__ import annotations

import numpy as np

from monai_unlearnable.release.planned import PlannedFile, ReleasePlan
from monai_unlearnable.release.records import FileRecord
from monai_unlearnable.sources import Source, Task
from monai_unlearnable.sources.listed import ListedSource
from monai_unlearnable.workflows.report import FileOutcome, Outcome

__all__ = ["count_labels", "find_outcomes"]


def find_outcomes(source: Source, plan: ReleasePlan, records: tuple[FileRecord, ...]) -> tuple[FileOutcome, ...]:
    """List every file of a source: protected, released unchanged, skipped, or no part of it.

    Args:
        source: the images.
        plan: of their release, under original names.
        records: what the ledger holds of the released files.
    """
    released = {one.original_name: one.name for one in records}
    no_part = "the list does not name it" if isinstance(source, ListedSource) else "is no image"
    return (
        *(_protected(one, source, released[one.original_name]) for one in plan.files),
        *(FileOutcome(one.original_name, Outcome.COPIED, released[one.original_name]) for one in plan.copies),
        *(FileOutcome(one.name, Outcome.SKIPPED, reason=one.reason) for one in source.skipped),
        *(FileOutcome(one, Outcome.IGNORED, reason=no_part) for one in source.ignored_files),
    )


def count_labels(source: Source) -> dict[str, int]:
    """Return how many images each class, or label column, has; of masks how many show each class."""
    if source.task is not Task.SINGLE_LABEL:
        counts = source.labels.sum(axis=0)
    else:
        counts = np.bincount(source.labels, minlength=len(source.class_names))
    return dict(zip(source.class_names, counts.tolist(), strict=True))


def _protected(file: PlannedFile, source: Source, released: str) -> FileOutcome:
    root = source.path if source.path.is_dir() else source.path.parent
    name = file.template.relative_to(root).as_posix()
    return FileOutcome(name, Outcome.CONVERTED if file.converted else Outcome.PROTECTED, released)
