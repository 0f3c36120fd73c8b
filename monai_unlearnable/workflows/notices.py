"""What an owner should know of the files of a release before it is shared, and that is no error."""

from __future__ import annotations

from pathlib import Path

from monai_unlearnable.release import ReleaseOptions, plan_release
from monai_unlearnable.release.formats.dicom import large_private_elements
from monai_unlearnable.release.planned import PlannedCopy
from monai_unlearnable.sources import Source
from monai_unlearnable.sources.dicom import DicomHeader
from monai_unlearnable.sources.dicom.content import read_content
from monai_unlearnable.workflows.telling_names import notices_of_names

__all__ = ["find_notices"]


def find_notices(source: Source, options: ReleaseOptions | None = None) -> tuple[str, ...]:
    """Return what is odd about a source's names and DICOM files, in whole sentences.

    Names that look like a person's, an id or a date are counted. Private elements as large as an image are named,
    because they stay in the release and may hold a copy of the unprotected image; so are files that a series leaves
    out, slices that seem to be missing, and masks whose file holds a name of its own.

    Args:
        source: the images.
        options: what the owner chose about the release.

    Raises:
        SourceError: a file cannot be read.
    """
    chosen = ReleaseOptions() if options is None else options
    found = [*notices_of_names(source, rename=chosen.rename)]
    for index, sample_id in enumerate(source.sample_ids):
        header = source.header(index)
        if isinstance(header, DicomHeader):
            found += [f"{sample_id}: {notice}" for notice in header.notices]
    plan = plan_release(source)
    if not chosen.drop_private_tags:
        found += [one for file in plan.dicom_files for one in _private(file, source.path)]
    if chosen.rename:
        found += [f"{one.name}: the packed mask holds a file name of its own." for one in plan.copies if _is_named(one)]
    return tuple(found)


def _private(file: Path, root: Path) -> list[str]:
    elements = large_private_elements(read_content(file))
    if not elements:
        return []
    return [
        f"{file.relative_to(root).as_posix()}: private elements as large as an image stay in the release and may "
        f"hold a copy of the unprotected one: {', '.join(elements)}. --drop-private-tags leaves them out."
    ]


def _is_named(copy: PlannedCopy) -> bool:
    """Tell whether a gzipped file says what it was called (RFC 1952: the flag FNAME)."""
    with copy.template.open("rb") as stream:
        start = stream.read(4)
    return start[:2] == b"\x1f\x8b" and len(start) == 4 and bool(start[3] & 8)
