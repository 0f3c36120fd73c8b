"""What an owner should know of the files of a release before it is shared, and that is no error."""

from __future__ import annotations

from pathlib import Path

from monai_unlearnable.release import plan_release
from monai_unlearnable.release.formats.dicom import large_private_elements
from monai_unlearnable.sources import Source
from monai_unlearnable.sources.dicom import DicomHeader
from monai_unlearnable.sources.dicom.content import read_content

__all__ = ["find_notices"]


def find_notices(source: Source) -> tuple[str, ...]:
    """Return what is odd about a source's DICOM files, in whole sentences that begin with a file or sample.

    Private elements as large as an image are named, because they stay in the release and may hold a copy of the
    unprotected image; so are files that a series leaves out, and slices that seem to be missing.

    Raises:
        SourceError: a file cannot be read.
    """
    found: list[str] = []
    for index, sample_id in enumerate(source.sample_ids):
        header = source.header(index)
        if isinstance(header, DicomHeader):
            found += [f"{sample_id}: {notice}" for notice in header.notices]
    for file in plan_release(source).dicom_files:
        found += _private(file, source.path)
    return tuple(found)


def _private(file: Path, root: Path) -> list[str]:
    elements = large_private_elements(read_content(file))
    if not elements:
        return []
    return [
        f"{file.relative_to(root).as_posix()}: private elements as large as an image stay in the release and may "
        f"hold a copy of the unprotected one: {', '.join(elements)}."
    ]
