"""Which UIDs belong to the files of a release, so that their references to each other can be mapped."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from monai_unlearnable.release.formats.dicom.edit import identified
from monai_unlearnable.release.formats.dicom.identity import ReleaseIdentity
from monai_unlearnable.release.formats.dicom.uids import UidMap
from monai_unlearnable.sources.base import Source
from monai_unlearnable.sources.dicom import DicomHeader
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


def known_uids(source: Source) -> frozenset[str]:
    """Return SOPInstanceUID and SeriesInstanceUID of every file, from the headers that the source has read.

    Raises:
        SourceError: a file cannot be read.
    """
    headers = (source.header(index) for index in range(len(source)))
    return frozenset[str]().union(*(one.uids for one in headers if isinstance(one, DicomHeader)))
