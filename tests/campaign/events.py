"""Watch what a process does to a folder, and kill it at a moment."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

_PATHS_OF = {
    "os.mkdir": 1,
    "os.remove": 1,
    "os.rename": 2,
    "os.rmdir": 1,
    "os.truncate": 1,
    "os.chmod": 1,
}


def watch(folder: Path, *, log: Path, kill_at: int | None = None) -> None:
    """Note in ``log`` whatever this process is about to change in a folder, and kill it before event ``kill_at``.

    An event is a file that is opened for writing, or anything that is made, renamed, removed or restricted. The
    process cannot be unwatched.
    """
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    root = str(folder.resolve())
    count = 0

    def hook(name: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        paths = _changed(name, arguments)
        if not any(one == root or one.startswith(root + os.sep) for one in paths):
            return
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1
        os.write(output, f"{name} {' '.join(os.path.relpath(one, root) for one in paths)}\n".encode())

    sys.addaudithook(hook)


def _changed(name: str, arguments: tuple[Any, ...]) -> list[str]:
    if name == "open":
        path, mode, flags = arguments
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        writes = writes or (isinstance(mode, str) and bool(set(mode) & set("wax+")))
        return _absolute([path]) if writes else []
    return _absolute(arguments[: _PATHS_OF[name]]) if name in _PATHS_OF else []


def _absolute(paths: Any) -> list[str]:
    return [str(Path(os.fsdecode(one)).absolute()) for one in paths if isinstance(one, str | bytes | os.PathLike)]
