"""Killed runs: what is on the disk is whole, and the same command goes on to the same bytes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import contents, write_archive, write_pictures

KILLS = (("training", 13), ("pass", 1), ("pass", 2), ("writing", 3), ("manifest", 1))


@dataclass(frozen=True)
class Places:
    """Where one run writes."""

    root: Path
    name: str

    @property
    def release(self) -> Path:
        return self.root / self.name / "release"

    @property
    def ledger(self) -> Path:
        return self.root / self.name / "ledger"

    def words(
        self, *more: str, source: str = "images", seed: str | None = "5", method: str = "error_minimizing"
    ) -> list[str]:
        seeds = [] if seed is None else ["--seed", seed]
        places = ["--output", str(self.release), "--ledger", str(self.ledger)]
        return ["protect", str(self.root / source), *places, *seeds, "--perturbation", method, *more]

    def synthetic_words(self) -> list[str]:
        return self.words(source="set.npz", seed=None, method="synthetic")


def _run(runs: list[dict[str, Any]], root: Path) -> list[dict[str, Any]]:
    answer = subprocess.run(
        [sys.executable, "-m", "tests.cli.killing"],
        input=json.dumps(runs),
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    answers: list[dict[str, Any]] = json.loads(answer.stdout)
    return answers


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    write_pictures(folder / "images")
    write_archive(folder / "set.npz")
    return folder


@pytest.fixture(scope="module")
def killed(root: Path) -> dict[str, dict[str, Any]]:
    """One uninterrupted run, and one killed at each moment (a copy of its places is looked at below)."""
    runs: dict[str, dict[str, Any]] = {"whole": {"words": Places(root, "whole").words()}}
    for moment, count in KILLS:
        name = f"{moment}-{count}"
        runs[name] = {"words": Places(root, name).words(), "moment": moment, "count": count}
    runs["no_seed"] = {"words": Places(root, "no_seed").words(seed=None), "moment": "pass", "count": 2}
    runs["interrupted"] = {"words": Places(root, "interrupted").words(), "moment": "training", "signal": signal.SIGINT}
    runs["full"] = {"words": Places(root, "full").words(), "largest_file_bytes": 400_000}
    runs["full_release"] = {"words": Places(root, "full_release").synthetic_words(), "largest_file_bytes": 4500}
    return dict(zip(runs, _run(list(runs.values()), root), strict=True))


@pytest.fixture(scope="module")
def half_way(killed: dict[str, dict[str, Any]], root: Path) -> dict[str, dict[str, bytes]]:
    """Files of every release after the kill, before anything went on."""
    return {name: contents(Places(root, name).release) if killed else {} for name in killed}


@pytest.fixture(scope="module")
def resumed(half_way: dict[str, dict[str, bytes]], root: Path) -> dict[str, dict[str, Any]]:
    """The same commands once more; the run without a seed without one again."""
    names = [name for name in half_way if name != "whole"]
    words = {name: Places(root, name).words() for name in names}
    words["no_seed"] = Places(root, "no_seed").words("--json", seed=None)
    words["full_release"] = Places(root, "full_release").synthetic_words()
    answers = _run([{"words": words[name]} for name in names], root)
    return dict(zip(names, answers, strict=True))


NAMES = [f"{moment}-{count}" for moment, count in KILLS]


@pytest.mark.parametrize("name", NAMES)
def test_killed_run_left_whole_files(
    name: str, killed: dict[str, dict[str, Any]], half_way: dict[str, dict[str, bytes]], root: Path
) -> None:
    assert killed["whole"]["status"] == 0, killed["whole"]["err"]
    assert killed[name]["status"] == -signal.SIGKILL, killed[name]["err"]
    final, found = half_way["whole"], half_way[name]
    assert "manifest.json" not in found
    complete = {key: data for key, data in found.items() if not Path(key).name.startswith(".unfinished.")}
    assert all(final[key] == data for key, data in complete.items())
    assert bool(complete) is name.startswith(("writing", "manifest"))
    private = [one for one in Places(root, name).ledger.rglob("*") if one.is_dir()]
    assert all(one.stat().st_mode & 0o077 == 0 for one in [Places(root, name).ledger, *private])


@pytest.mark.parametrize("name", [*NAMES, "interrupted", "full"])
def test_same_command_goes_on_to_the_same_bytes(name: str, resumed: dict[str, dict[str, Any]], root: Path) -> None:
    assert resumed[name]["status"] == 0, resumed[name]["err"]
    assert "(resumed)" in resumed[name]["out"]
    whole, other = Places(root, "whole"), Places(root, name)
    assert contents(other.release) == contents(whole.release)
    for part in ("deltas/deltas.bin", "deltas/header.json", "surrogate.pt"):
        assert (other.ledger / part).read_bytes() == (whole.ledger / part).read_bytes(), part
    assert {one.name for one in other.ledger.iterdir()} == {one.name for one in whole.ledger.iterdir()}


def test_seed_is_taken_from_the_ledger(killed: dict[str, Any], resumed: dict[str, Any]) -> None:
    assert killed["no_seed"]["status"] == -signal.SIGKILL
    assert resumed["no_seed"]["status"] == 0, resumed["no_seed"]["err"]
    assert json.loads(resumed["no_seed"]["out"])["resumed"] is True


def test_interruption_ends_with_1_and_one_line(killed: dict[str, Any]) -> None:
    answer = killed["interrupted"]
    assert answer["status"] == 1
    assert answer["err"].strip() == "monai-unlearnable: interrupted; give the same command again to go on."


def test_checkpoint_that_cannot_be_written_names_the_ledger(killed: dict[str, Any], root: Path) -> None:
    answer = killed["full"]
    assert answer["status"] == 1, answer["err"]
    assert "Traceback" not in answer["err"] and str(Places(root, "full").ledger) in answer["err"]


def test_file_that_cannot_be_written_names_the_release(
    killed: dict[str, Any], resumed: dict[str, Any], half_way: dict[str, dict[str, bytes]], root: Path
) -> None:
    answer = killed["full_release"]
    assert answer["status"] == 1 and "Traceback" not in answer["err"], answer["err"]
    assert "File too large: '" in answer["err"] and str(Places(root, "full_release").release) in answer["err"]
    assert half_way["full_release"] == {}
    assert resumed["full_release"]["status"] == 0, resumed["full_release"]["err"]
