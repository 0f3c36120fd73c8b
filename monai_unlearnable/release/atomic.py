"""A file is complete or absent, never half-written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["PRIVATE_FILE", "UNFINISHED_PREFIX", "atomic_file", "sync_directory", "write_bytes"]

UNFINISHED_PREFIX = ".unfinished."
"""A file whose name starts so was being written when its writer was killed."""

PRIVATE_FILE = 0o600


@contextmanager
def atomic_file(path: Path, *, permissions: int | None = None, sync_folder: bool = True) -> Iterator[Path]:
    """Give a temporary path beside ``path``; what was written there becomes ``path`` when the block ends well.

    The content is on the disk before the name appears. After an error the temporary file is removed and ``path`` is
    as it was. Only one writer at a time may write the same path.

    Args:
        path: where the file shall appear; its folder must exist.
        permissions: permission bits of the file from its first byte on; by default the process's own.
        sync_folder: make the name durable at once. A caller who writes many files may do so once at their end, with
            :func:`sync_directory`.
    """
    unfinished = path.with_name(UNFINISHED_PREFIX + path.name)
    try:
        unfinished.unlink(missing_ok=True)
        if permissions is not None:
            os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, permissions))
        yield unfinished
        with unfinished.open("rb+") as stream:
            os.fsync(stream.fileno())
        unfinished.replace(path)
        if sync_folder:
            sync_directory(path.parent)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, data: bytes, *, permissions: int | None = None) -> None:
    """Write a whole small file so that it is complete or absent."""
    with atomic_file(path, permissions=permissions) as unfinished:
        unfinished.write_bytes(data)


def sync_directory(directory: Path) -> None:
    """Make names that appeared in a folder durable, where the system can."""
    if os.name == "nt":  # Windows opens no folders
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
