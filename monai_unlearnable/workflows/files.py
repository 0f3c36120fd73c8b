"""The files of a run: opened, checked before anything is computed, and noted in the ledger."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from monai_unlearnable.release import ReleaseOptions, plan_release
from monai_unlearnable.release.formats.dicom import check_identifiable
from monai_unlearnable.release.options import OPTIONS_KEY
from monai_unlearnable.sources import Source, check_masks, open_source

__all__ = ["check_files", "describe_files", "take_source"]


def take_source(
    source: str | Path | Source, labels: str | Path | None, options: ReleaseOptions | None
) -> tuple[Source, ReleaseOptions]:
    """Open a source, unless it is open, and return it with the options that hold for it.

    Raises:
        SourceError: it cannot be opened.
    """
    chosen = ReleaseOptions() if options is None else options
    if not isinstance(source, Source):
        source = open_source(source, labels, allow_lossy=chosen.allow_lossy)
    return source, replace(chosen, allow_lossy=getattr(source, "allow_lossy", False))


def check_files(source: Source) -> None:
    """Check that every file can be released: names, formats, identities and masks.

    Raises:
        ReleaseError: two files would get the same name, or a file cannot get a new identity.
        SourceError: a header or mask cannot be read, or a mask does not fit its image.
    """
    check_identifiable(plan_release(source).dicom_files)
    check_masks(source)


def describe_files(source: Source, options: ReleaseOptions) -> dict[str, Any]:
    """Return what a ledger's configuration says of the files: a run with other ones is another run."""
    return {OPTIONS_KEY: options.describe(), "skipped": {one.name: one.reason for one in source.skipped}}
