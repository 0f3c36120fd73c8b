"""Runs that are killed: at every operation on a file, or at random moments of real processes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.campaign.forks import Ended, Forks
from tests.campaign.places import UNFINISHED, Case, Place, differences, unlike
from tests.cli.running import contents

REPOSITORY = Path(__file__).parents[2]
_RESTORING_S = 0.3
_LEFT_OVER = ("ledger: journal.jsonl", "ledger: checkpoint/", "ledger: working/")
_ALREADY = "already holds this run's finished release"


@dataclass
class Killed:
    """What one kill led to.

    Attributes:
        case: source and method.
        verb: what was killed.
        moment: before which operation, or after which share of the run's time.
        stage: how far the run had come.
        kills: how often it was killed before it was left in peace.
        problems: what is not as it should be.
    """

    case: str
    verb: str
    moment: str
    stage: str = ""
    kills: int = 1
    problems: list[str] = field(default_factory=list)


def prepare(forks: Forks, case: Case, folder: Path) -> tuple[Place, tuple[str, ...]]:
    """Run a case without interruption; return its place and what it did to the disk."""
    source = case.write(folder / case.name / "source")
    whole = Place(case, source, folder / case.name / "whole")
    ended = forks.command(*whole.protect(), watch=str(whole.folder))
    restored = forks.command(*whole.restore())
    assert (ended.status, restored.status) == (0, 0), ended.err + restored.err
    return whole, ended.events


def opened_under_final_names(events: Iterable[str]) -> list[str]:
    """Every file of a release that is opened for writing must have the name of an unfinished one."""
    names = [one.split(" ", 1)[1] for one in events if one.startswith("open ")]
    return [name for name in names if name.startswith("release/") and not Path(name).name.startswith(UNFINISHED)]


def at_operations(
    forks: Forks, whole: Place, events: tuple[str, ...], *, moments: Iterable[int], again: random.Random | None = None
) -> Iterator[Killed]:
    """Kill a run before operations on its files; with ``again`` kill every second one once more while it goes on."""
    for number, moment in enumerate(moments):
        place = whole.beside(f"at-{moment}")
        killed = Killed(whole.case.name, "protect", f"before operation {moment} ({_general(events[moment])})")
        ended = forks.command(*place.protect(), watch=str(place.folder), kill_at=moment)
        killed.stage = stage(place)
        if ended.status != -signal.SIGKILL:
            killed.problems.append(f"was not killed: {ended.status} {ended.err[-300:]}")
        killed.problems += unlike(place.release, whole.release)
        if again is not None and number % 2:
            second = again.randrange(8, 60)
            forks.command(*place.protect(), watch=str(place.folder), kill_at=second)
            killed.moment += f", then before operation {second}"
            killed.kills = 2
            killed.problems += unlike(place.release, whole.release)
        finish(forks.command(*place.protect()), killed, place, whole, forks)
        place.remove()
        yield killed


def finish(ended: Ended, killed: Killed, place: Place, whole: Place, forks: Forks) -> None:
    """Check what became of a killed run that was left to go on."""
    done_before = ended.status == 2 and _ALREADY in ended.err
    if ended.status != 0 and not done_before:
        killed.problems.append(f"does not go on: {ended.status} {ended.err.strip()[-300:]}")
        return
    killed.problems += [
        one
        for one in differences(place, whole)
        # Killed after the last file: the run is finished, and what only it needed was not cleared away.
        if not (done_before and one.startswith(_LEFT_OVER))
    ]
    verified = forks.command(*place.verify())
    if verified.status != 0:
        killed.problems.append(f"does not verify: {verified.out[-300:]} {verified.err[-300:]}")


def stage(place: Place) -> str:
    """How far a run has come, told from what it left."""
    if not (place.ledger / "ledger.json").exists():
        return "before the ledger"
    if (place.release / "manifest.json").exists():
        return "all files written"
    if not (place.ledger / "journal.jsonl").exists():
        return "deltas" if (place.ledger / "working").exists() else "before the deltas"
    return "files"


def restores_at_operations(forks: Forks, whole: Place, *, stride: int = 1) -> Iterator[Killed]:
    """Kill ``restore`` before operations on its files; it is not taken up, but given a new folder."""
    trial = whole.folder.with_name("restoring")
    trial.mkdir()  # otherwise the watched run makes it, and has an operation more than those that follow
    events = forks.command(*whole.restore(trial / "whole"), watch=str(trial / "whole")).events
    for moment in range(0, len(events), stride):
        killed = Killed(
            whole.case.name, "restore", f"before operation {moment} ({_general(events[moment])})", stage="restoring"
        )
        target, other = trial / f"at-{moment}", trial / f"other-{moment}"
        ended = forks.command(*whole.restore(target), watch=str(target), kill_at=moment)
        if ended.status != -signal.SIGKILL:
            killed.problems.append(f"was not killed: {ended.status}")
        killed.problems += unlike(target, whole.restored)
        begun = target.exists() and any(target.iterdir())
        refused = forks.command(*whole.restore(target))
        if begun:
            if refused.status != 2 or str(target) not in refused.err or "Traceback" in refused.err:
                killed.problems.append(f"the same folder again: {refused.status} {refused.err[-300:]}")
            if forks.command(*whole.restore(other)).status != 0 or contents(other) != contents(whole.restored):
                killed.problems.append("a new folder does not hold the originals")
        elif refused.status != 0 or contents(target) != contents(whole.restored):
            killed.problems.append(f"an empty folder is not filled: {refused.status} {refused.err[-300:]}")
        yield killed


def at_random_times(forks: Forks, wholes: Sequence[Place], *, kills: int, seed: int) -> Iterator[Killed]:
    """Kill ``protect`` and ``restore`` with ``kill -9`` after random shares of their time.

    Shares are of the time between the first folder and the last file that a run makes. Every eighth process is started
    as a user starts it; the others are forked from one that has imported everything, and kill no imports.
    """
    generator = random.Random(seed)
    seconds = {whole.case.name: _timed(forks, whole) for whole in wholes}
    for number in range(kills):
        whole = wholes[number % len(wholes)]
        verb, share = "restore" if number % 10 == 9 else "protect", generator.random()
        place = whole.beside(f"time-{number}")
        killed = Killed(whole.case.name, verb, f"after {share:.3f} of its time")
        if verb == "restore":
            forks.command(*whole.restore(place.restored), kill_after=[str(place.restored), share * _RESTORING_S])
            is_whole = contents(place.restored) == contents(whole.restored)
            killed.stage = "all files written" if is_whole else "restoring"
            killed.problems += unlike(place.restored, whole.restored)
        else:
            after_s = share * seconds[whole.case.name]
            if number % 8 == 0:
                killed.moment += ", started by python -m"
                _kill_started(place, after_s)
            else:
                forks.command(*place.protect(), kill_after=[str(place.ledger), after_s])
            killed.stage = stage(place)
            killed.problems += unlike(place.release, whole.release)
            finish(forks.command(*place.protect()), killed, place, whole, forks)
        place.remove()
        yield killed


def _timed(forks: Forks, whole: Place) -> float:
    """Return how many seconds lie between the first and the last file of a run."""
    place = whole.beside("timed")
    ended = forks.command(*place.protect())
    assert ended.status == 0, ended.err
    return (place.release / "manifest.json").stat().st_mtime - (place.ledger / "lock").stat().st_mtime


def summary(results: list[Killed]) -> dict[str, Any]:
    """Return counts by verb and stage, and every kill that led to a problem."""
    stages: dict[str, int] = {}
    for one in results:
        key = f"{one.verb}: {one.stage}"
        stages[key] = stages.get(key, 0) + 1
    return {
        "kills": sum(one.kills for one in results),
        "runs_killed": len(results),
        "by_stage": dict(sorted(stages.items())),
        "runs_with_problems": [asdict(one) for one in results if one.problems],
    }


def _general(event: str) -> str:
    """An operation without the number of its process."""
    return " ".join(".".join("N" if part.isdigit() else part for part in one.split(".")) for one in event.split(" "))


def _kill_started(place: Place, after_s: float) -> None:
    """Start a run as a process of its own, and kill it some seconds after it made its ledger."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.campaign.same_uids", *place.protect()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)},
    ) as process:
        while not place.ledger.exists() and process.poll() is None:
            time.sleep(0.002)
        time.sleep(after_s)
        process.kill()
