"""Run many functions each in a process of its own, which may be killed, hang or crash.

Starting Python with PyTorch and MONAI takes seconds, so one process imports them and forks a child for each call. It
is this file: it gets a call as a line of JSON, and answers with a line of JSON when the child has ended.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.campaign.events import watch

_BUG = 99
_CLOCK_FOR_PROCESSOR = 30


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Attributes:
        status: exit code, or the negative number of the signal that ended it (SIGXCPU or SIGALRM: the time limit).
        out: what it printed.
        err: what it complained of.
        events: what it was about to do to the watched folder, one after the other.
        peak_mb: its largest resident memory.
    """

    status: int
    out: str
    err: str
    events: tuple[str, ...] = ()
    peak_mb: float = 0.0

    @property
    def crashed(self) -> bool:
        """Whether it ended in a way that no program should."""
        return self.status < 0 or self.status == _BUG or "Traceback" in self.err


@dataclass(frozen=True)
class Forks:
    """The process that forks; see :func:`forking`."""

    process: subprocess.Popen[str]

    def call(self, function: str, *arguments: Any, **options: Any) -> Ended:
        """Call ``module:function`` with JSON values in a child; it returns the exit code.

        Args:
            function: what to call.
            arguments: for the function.
            options: ``watch`` (a folder), ``kill_at`` (number of the event there before which the child is killed),
                ``limit_s`` (processor time), ``more_memory_mb`` (address space beyond what importing has taken),
                ``kill_after`` (a path and seconds: killed so long after the path appeared).
        """
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps({"function": function, "arguments": arguments, **options}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return Ended(**answer | {"events": tuple(answer["events"])})

    def command(self, *words: object, **options: Any) -> Ended:
        """Run the command line; DICOM UIDs are those of every other run, so that runs can be compared."""
        return self.call("tests.campaign.forks:run_command", [str(one) for one in words], **options)


@contextmanager
def forking() -> Iterator[Forks]:
    """Start the process that forks, and end it with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.campaign.forks"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        yield Forks(process)
    finally:
        assert process.stdin is not None and process.stdout is not None
        process.kill()  # it holds nothing that has to be put in order
        process.wait()
        process.stdin.close()
        process.stdout.close()


def run_command(words: list[str]) -> int:
    from monai_unlearnable.cli import main

    use_one_uid_secret()
    return main(words)


def use_one_uid_secret() -> None:
    """A ledger's secret for UIDs is random, whatever the seed."""
    secrets.token_hex = lambda nbytes=None: "5a" * (nbytes or 32)


def _serve() -> None:
    import torch
    import torch._dynamo  # an optimizer loads it, which takes a second

    for name in ("audit", "owner", "protect"):
        importlib.import_module(f"monai_unlearnable.verbs.{name}")
    importlib.import_module("tests.campaign.attempts")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            print(json.dumps(_fork(json.loads(line), Path(folder))), flush=True)


def _fork(call: dict[str, Any], folder: Path) -> dict[str, Any]:
    paths = {name: folder / name for name in ("out", "err", "events")}
    for path in paths.values():
        path.write_bytes(b"")
    child = os.fork()
    if child == 0:
        try:
            _child(call, paths)
        finally:
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
            os._exit(_BUG)
    if "kill_after" in call:
        _kill_after(child, Path(call["kill_after"][0]), call["kill_after"][1])
    _, status, usage = os.wait4(child, 0)
    texts = {name: path.read_text(errors="replace") for name, path in paths.items()}
    return {
        "status": os.waitstatus_to_exitcode(status),
        "peak_mb": usage.ru_maxrss / 1024,
        **texts,
        "events": texts["events"].splitlines(),
    }


def _kill_after(child: int, appears: Path, seconds: float) -> None:
    while not appears.exists() and not _has_ended(child):
        time.sleep(0.001)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)  # which is nothing to a child that has ended and is not waited for yet


def _has_ended(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _child(call: dict[str, Any], paths: dict[str, Path]) -> None:
    for name, target in (("out", 1), ("err", 2)):
        os.dup2(os.open(paths[name], os.O_WRONLY | os.O_CREAT), target)
    os.close(0)
    # Processor time, because the machine may be busy; the clock for what waits for ever. Both end C libraries too.
    limit_s = int(call.get("limit_s", 120))
    resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s + 5))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_CLOCK_FOR_PROCESSOR * limit_s)
    if "more_memory_mb" in call:
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        limit = taken + call["more_memory_mb"] * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    module, name = call["function"].split(":")
    function = getattr(importlib.import_module(module), name)
    if "watch" in call:
        watch(Path(call["watch"]), log=paths["events"], kill_at=call.get("kill_at"))
    code = function(*call["arguments"])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve()
