"""Keep two runs from sharing a ledger or a release."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monai_unlearnable.errors import LedgerError
from monai_unlearnable.release.atomic import PRIVATE_FILE

__all__ = ["hold_lock"]


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; the system lets it go when the process ends, however it ends.

    Raises:
        LedgerError: another process holds it.
    """
    import fcntl  # absent on Windows, where verifying and restoring still work

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, PRIVATE_FILE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LedgerError(
                f"{path.parent}: another run is using this ledger. Wait for it to end, or use another ledger."
            ) from error
        yield
    finally:
        os.close(descriptor)
