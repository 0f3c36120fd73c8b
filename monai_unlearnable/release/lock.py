"""Keep two runs from sharing a ledger or a release."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from monai_unlearnable.errors import LedgerError, ReleaseError
from monai_unlearnable.release.atomic import PRIVATE_FILE

__all__ = ["hold_folder", "hold_lock"]


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; the system lets it go when the process ends, however it ends.

    Raises:
        LedgerError: another process holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, PRIVATE_FILE)
    with _closing(descriptor):
        try:
            _lock(descriptor)
        except BlockingIOError as error:
            raise LedgerError(
                f"{path.parent}: another run is using this ledger. Wait for it to end, or use another ledger."
            ) from error
        yield


@contextmanager
def hold_folder(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the folder of a release, likewise; it is made, and taken away again if it stays empty.

    Raises:
        ReleaseError: another process holds it.
    """
    path.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    with _closing(descriptor):
        try:
            _lock(descriptor)
        except BlockingIOError as error:
            raise ReleaseError(f"{path}: another run is writing its release there. Give another folder.") from error
        try:
            yield
        finally:
            with suppress(OSError):
                path.rmdir()


def _lock(descriptor: int) -> None:
    import fcntl  # absent on Windows, where verifying and restoring still work

    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)
