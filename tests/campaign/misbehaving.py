"""What a campaign must notice, done on purpose."""

from __future__ import annotations

import os
import signal
from pathlib import Path


def crash() -> int:
    os.kill(os.getpid(), signal.SIGSEGV)
    return 0


def hang() -> int:
    while True:
        pass


def fill_memory() -> int:
    return len(bytearray(2**30))


def raise_a_bug() -> int:
    raise ZeroDivisionError("a bug")


def write_badly(folder: str) -> int:
    """Write half of a file under its final name."""
    (Path(folder) / "release").mkdir(parents=True)
    with (Path(folder) / "release/a.png").open("wb") as stream:
        stream.write(b"who")
        stream.flush()
        (Path(folder) / "release/b.png").mkdir()
    return 0
