"""Write the files of a release that hold no protected image: masks, and the list of images and labels."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath

from monai_unlearnable.release.atomic import atomic_file, write_bytes
from monai_unlearnable.release.hashing import bytes_sha256, file_sha256
from monai_unlearnable.release.planned import PlannedCopy, PlannedList
from monai_unlearnable.release.records import FileRecord

__all__ = ["write_copy", "write_list"]


def write_copy(copy: PlannedCopy, folder: Path) -> FileRecord:
    """Copy a file that is released as it is.

    Args:
        copy: the file.
        folder: the release.
    """
    path = folder / copy.name
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as unfinished:
        shutil.copyfile(copy.template, unfinished)
    checksum = file_sha256(path)
    return FileRecord(
        name=copy.name,
        original_name=copy.original_name,
        sha256=checksum,
        source_sha256=checksum,
        source_format="mask",
        converted=False,
        untouched={},
        samples=(),
        format="mask",
    )


def write_list(planned: PlannedList, folder: Path) -> FileRecord:
    """Write the list of a release.

    Args:
        planned: the list.
        folder: the release.
    """
    data, kind = planned.text.encode(), PurePosixPath(planned.name).suffix[1:]
    write_bytes(folder / planned.name, data)
    return FileRecord(
        name=planned.name,
        original_name=planned.name,
        sha256=bytes_sha256(data),
        source_sha256="",
        source_format=kind,
        converted=False,
        untouched={},
        samples=(),
        format=kind,
        original="" if planned.text == planned.original_text else planned.original_text,
    )
