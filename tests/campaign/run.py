"""Kill runs, fill disks and damage files, and write what came of it: ``python -m tests.campaign.run``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from monai_unlearnable import __version__
from tests.campaign import disks, kills, mutants
from tests.campaign.forks import Forks, forking
from tests.campaign.places import CASES

SEED = 20
MOMENTS_OF_A_CASE = 20
KILLS_BY_TIME = 50
DAMAGES_OF_A_FILE = 42


def kill_at_operations(forks: Forks, folder: Path) -> dict[str, Any]:
    results: list[kills.Killed] = []
    opened: list[str] = []
    for case in CASES:
        whole, events = kills.prepare(forks, case, folder)
        opened += kills.opened_under_final_names(events)
        moments = sorted(random.Random(SEED).sample(range(len(events)), MOMENTS_OF_A_CASE))
        again = random.Random(SEED)
        results += shown(kills.at_operations(forks, whole, events, moments=moments, again=again))
        if case.perturbation == "synthetic":
            results += shown(kills.restores_at_operations(forks, whole, stride=3))
    return kills.summary(results) | {"files_opened_under_their_final_name": opened}


def kill_by_time(forks: Forks, folder: Path) -> dict[str, Any]:
    return kills.summary(list(shown(kills.at_random_times(forks, folder, kills=KILLS_BY_TIME, seed=SEED))))


def fill_disks(forks: Forks, folder: Path) -> dict[str, Any]:
    reason = disks.why_not(folder / "try")
    if reason:
        return {"skipped": reason}
    results: list[disks.Filled] = []
    for case in (CASES[0], CASES[3]):
        whole, _ = kills.prepare(forks, case, folder)
        growth = 1.25 if case is CASES[0] else 1.6
        for place in ("release", "ledger", "both"):
            results += shown(disks.sweep(forks, whole, on_it=place, growth=growth))
        results += shown(disks.restore_onto(forks, whole, size_kb=size) for size in (4, 8, 16, 32, 64, 128))
    return disks.summary(results)


def damage_files(forks: Forks, folder: Path) -> dict[str, Any]:
    return mutants.summary(list(shown(mutants.try_all(forks, folder, each=DAMAGES_OF_A_FILE, seed=SEED))))


PARTS: dict[str, Callable[[Forks, Path], dict[str, Any]]] = {
    "killed_before_an_operation_on_a_file": kill_at_operations,
    "processes_killed_at_random_times": kill_by_time,
    "full_disks": fill_disks,
    "damaged_files": damage_files,
}


def shown(results: Iterable[Any]) -> Iterable[Any]:
    """Pass results on, and show each as it comes."""
    for one in results:
        print(one, file=sys.stderr, flush=True)
        yield one


def problems(content: dict[str, Any]) -> int:
    """Count what is not as it should be."""
    lists = [value for part in content["parts"].values() for value in part.values() if isinstance(value, list)]
    return sum(isinstance(one, dict | str) for found in lists for one in found)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs/campaign.json"))
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; the others stay as they are")
    options = parser.parse_args(words)
    content: dict[str, Any] = {"parts": {}}
    if options.part and options.output.exists():
        content = json.loads(options.output.read_text(encoding="utf-8"))
    for name in options.part or PARTS:
        began = time.monotonic()
        with forking() as forks, tempfile.TemporaryDirectory() as folder:
            found = PARTS[name](forks, Path(folder))
        content["parts"][name] = found | {"minutes": round((time.monotonic() - began) / 60, 1)}
        content |= {"command": "make campaign", "seed": SEED, "machine": _machine(), "problems": problems(content)}
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{options.output}: {content['problems']} problems")
    return 1 if content["problems"] else 0


def _machine() -> dict[str, Any]:
    versions = {"package": __version__, "python": platform.python_version(), "torch": torch.__version__}
    return versions | {"system": f"{platform.system()} {platform.machine()}", "processors": os.cpu_count()}


if __name__ == "__main__":
    sys.exit(main())
