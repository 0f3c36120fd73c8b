"""Which UIDs belong to the files of a release, so that their references to each other can be mapped."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from monai_unlearnable.release.formats.dicom import tags
from monai_unlearnable.release.formats.dicom.edit import value_text
from monai_unlearnable.sources.dicom.content import read_content

__all__ = ["known_uids"]


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
