"""A program that runs the command line several times, each in a process of its own that may be killed at a moment.

Starting Python with MONAI takes seconds, so each run is a fork of one process that has only imported them.
Called with a JSON list of ``{"words": [...], "moment": name, "count": n, "signal": n, "largest_file_bytes": n}``;
prints a JSON list of ``{"status", "out", "err"}``, the status as of ``subprocess``.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # an optimizer loads it, which takes a second
from monai.engines import SupervisedTrainer

import monai_unlearnable.verbs.audit
import monai_unlearnable.verbs.owner
import monai_unlearnable.verbs.protect  # noqa: F401  (loaded before forking, too)
from monai_unlearnable.cli import main
from monai_unlearnable.engines import ProtectionEngine
from monai_unlearnable.release import file_writer, writer

MOMENTS: dict[str, tuple[Any, str]] = {
    "training": (SupervisedTrainer, "_iteration"),
    "pass": (ProtectionEngine, "_output"),  # deltas of this batch are in the store already
    "writing": (file_writer, "file_sha256"),  # a file has its name, the ledger does not know it yet
    "manifest": (writer, "write_bytes"),
}


def _kill_at(moment: str, count: int, number: int) -> None:
    owner, name = MOMENTS[moment]
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def counting(*arguments: Any, **keywords: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count:
            os.kill(os.getpid(), number)
        return original(*arguments, **keywords)

    setattr(owner, name, counting)


def _child(run: dict[str, Any], out: Path, err: Path) -> None:
    for path, target in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), target)
    if "largest_file_bytes" in run:
        resource.setrlimit(resource.RLIMIT_FSIZE, (run["largest_file_bytes"], resource.RLIM_INFINITY))
    # A shell that starts the tests in the background lets them ignore SIGINT, and they pass that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if "moment" in run:
        _kill_at(run["moment"], run.get("count", 1), run.get("signal", signal.SIGKILL))
    code = main(run["words"])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _fork(run: dict[str, Any], folder: Path) -> dict[str, Any]:
    out, err = folder / "out", folder / "err"
    out.write_bytes(b"")
    err.write_bytes(b"")
    child = os.fork()
    if child == 0:
        try:
            _child(run, out, err)
        finally:
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
            os._exit(99)
    _, status = os.waitpid(child, 0)
    return {"status": os.waitstatus_to_exitcode(status), "out": out.read_text(), "err": err.read_text()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps([_fork(run, Path(name)) for run in json.load(sys.stdin)]))
