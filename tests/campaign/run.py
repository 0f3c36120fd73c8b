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
from tests.campaign.places import CASES, Case, Place

SEED = 20
MOMENTS_OF_A_CASE = {"synthetic": 24, "error_minimizing": 6}
KILLS_BY_TIME = 50
DAMAGES_OF_A_FILE = 36
ROOM_FOR_CHECKPOINTS_KB = (256, 1024, 1600)


class Campaign:
    """Everything that the parts share."""

    def __init__(self, forks: Forks, folder: Path) -> None:
        self.forks, self.folder = forks, folder
        self._wholes: dict[str, tuple[Place, tuple[str, ...]]] = {}

    def whole(self, case: Case) -> tuple[Place, tuple[str, ...]]:
        """Return an uninterrupted run of a case, and what it did to the disk."""
        if case.name not in self._wholes:
            self._wholes[case.name] = kills.prepare(self.forks, case, self.folder)
        return self._wholes[case.name]

    def kill_at_operations(self) -> dict[str, Any]:
        results: list[kills.Killed] = []
        opened: list[str] = []
        for case in CASES:
            whole, events = self.whole(case)
            opened += kills.opened_under_final_names(events)
            moments = sorted(random.Random(SEED).sample(range(len(events)), MOMENTS_OF_A_CASE[case.perturbation]))
            again = random.Random(SEED)
            results += shown(kills.at_operations(self.forks, whole, events, moments=moments, again=again))
            if case.perturbation == "synthetic":
                results += shown(kills.restores_at_operations(self.forks, whole, stride=4))
        return kills.summary(results) | {"files_opened_under_their_final_name": opened}

    def kill_by_time(self) -> dict[str, Any]:
        wholes = [self.whole(case)[0] for case in CASES]
        return kills.summary(list(shown(kills.at_random_times(self.forks, wholes, kills=KILLS_BY_TIME, seed=SEED))))

    def fill_disks(self) -> dict[str, Any]:
        reason = disks.why_not(self.folder / "try")
        if reason:
            return {"skipped": reason}
        whole, slow = self.whole(CASES[0])[0], self.whole(CASES[3])[0]
        results: list[disks.Filled] = []
        for place in ("release", "ledger", "both"):
            results += shown(disks.sweep(self.forks, whole, on_it=place))
        for size in ROOM_FOR_CHECKPOINTS_KB:
            results += shown([disks.fill(self.forks, slow, on_it="ledger", size_kb=size)])
        results += shown(disks.restore_onto(self.forks, whole, size_kb=size) for size in (4, 8, 16, 32, 64, 128))
        return disks.summary(results)

    def damage_files(self) -> dict[str, Any]:
        tried = mutants.try_all(self.forks, self.folder / "damaged", each=DAMAGES_OF_A_FILE, seed=SEED)
        return mutants.summary(list(shown(tried)))


PARTS: dict[str, Callable[[Campaign], dict[str, Any]]] = {
    "processes_killed_at_random_times": Campaign.kill_by_time,
    "killed_before_an_operation_on_a_file": Campaign.kill_at_operations,
    "full_disks": Campaign.fill_disks,
    "damaged_files": Campaign.damage_files,
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
    with forking() as forks, tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(forks, Path(folder))
        for name in options.part or PARTS:
            began = time.monotonic()
            content["parts"][name] = PARTS[name](campaign) | {"minutes": round((time.monotonic() - began) / 60, 1)}
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
