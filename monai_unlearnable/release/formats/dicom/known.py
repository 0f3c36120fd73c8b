"""Which UIDs belong to the files of a release, so that their references to each other can be mapped."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from monai_unlearnable.release.formats.dicom import tags
from monai_unlearnable.release.formats.dicom.edit import identified, value_text
from monai_unlearnable.release.formats.dicom.identity import ReleaseIdentity
from monai_unlearnable.release.formats.dicom.uids import UidMap
from monai_unlearnable.sources.dicom.content import read_content
from monai_unlearnable.sources.dicom.errors import errors_name

__all__ = ["check_identifiable", "known_uids"]

_SECRET_BYTES = 32


def check_identifiable(files: Iterable[Path]) -> None:
    """Check that every file can get a new identity, which writing it needs.

    Raises:
        ReleaseError: a file has no SOPInstanceUID.
        SourceError: a file cannot be read.
    """
    identity = ReleaseIdentity(uids=UidMap(bytes(_SECRET_BYTES)))  # what comes out is thrown away
    for file in files:
        with errors_name(file):
            identified(read_content(file), identity)


def known_uids(files: Iterable[Path]) -> frozenset[str]:
    """Return SOPInstanceUID and SeriesInstanceUID of every file.

    Raises:
        SourceError: a file cannot be read.
    """
    found: set[str] = set()
    for file in files:
        content = read_content(file)
        elements = (content.find(tags.SOP_INSTANCE_UID), content.find(tags.SERIES_INSTANCE_UID))
        found.update(value_text(one) for one in elements if one is not None)
    return frozenset(found - {""})
