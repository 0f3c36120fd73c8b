"""A small part of the campaign; `make campaign` runs the whole of it."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.campaign import counts, disks, kills, mutants
from tests.campaign.forks import Forks, forking
from tests.campaign.inventory import file_sets
from tests.campaign.places import CASES, Place, unlike

MOMENTS = (3, 14, 47, 61, 98, 124)


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with forking() as running:
        yield running


@pytest.fixture(scope="module")
def whole(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, tuple[str, ...]]:
    """An uninterrupted run of mixed volumes, DICOM series among them, and what it did to the disk."""
    return kills.prepare(forks, CASES[2], tmp_path_factory.mktemp("campaign"))


def test_killed_runs_go_on_to_the_same_bytes(forks: Forks, whole: tuple[Place, tuple[str, ...]]) -> None:
    place, events = whole
    assert kills.opened_under_final_names(events) == []
    results = list(kills.at_operations(forks, place, events, moments=MOMENTS, again=random.Random(0)))
    assert kills.summary(results)["runs_with_problems"] == []
    assert len(kills.summary(results)["by_stage"]) >= 3


def test_killed_restores_leave_whole_files(forks: Forks, whole: tuple[Place, tuple[str, ...]]) -> None:
    results = list(kills.restores_at_operations(forks, whole[0], stride=17))
    assert len(results) > 2 and kills.summary(results)["runs_with_problems"] == []


def test_full_disks_are_named_and_runs_go_on(
    forks: Forks, whole: tuple[Place, tuple[str, ...]], tmp_path: Path
) -> None:
    reason = disks.why_not(tmp_path / "try")
    if reason:
        pytest.skip(reason)
    results = [disks.fill(forks, whole[0], on_it=place, size_kb=36) for place in ("release", "both")]
    results += [disks.fill(forks, whole[0], on_it="ledger", size_kb=size) for size in (8, 12, 16, 20, 24, 28, 36)]
    results.append(disks.restore_onto(forks, whole[0], size_kb=16))
    assert disks.summary(results)["disks_with_problems"] == []
    assert "full on the way" in {one.outcome for one in results}


def test_damaged_files_are_protected_or_refused_by_name(forks: Forks, tmp_path: Path) -> None:
    found = mutants.summary(list(mutants.try_all(forks, tmp_path, each=2, seed=3)))
    assert found["files_with_problems"] == []
    assert set(found["by_outcome"]) == {"protected", "refused"} and found["files"] > 50


def test_real_files_are_counted(forks: Forks, tmp_path: Path) -> None:
    files = [
        path for name, paths in file_sets(tmp_path) for path in paths if path.name in ("CT_small.dcm", "coins.png")
    ]
    files.append(tmp_path / "nothing.png")
    files[-1].write_bytes(b"")
    results = list(counts.count_files(forks, [("some", sorted(files))], folder=tmp_path / "counted"))
    content = json.loads(json.dumps(counts.as_json(results)))
    row = content["sets"]["some"]
    assert row.pop("byte for byte") >= 1  # of a PNG it depends on who packed it
    wanted = {"files": 3, "protected, verified, restored": 2, "seen by another library": 2}
    wanted |= {"of them with --allow-lossy": 0, "of them with --level-size": 0, "refused": 1, "failed": 0}
    assert row == wanted
    assert content["refused"][0]["files"] == 1 and "nothing.png: is not a picture" in content["refused"][0]["example"]
    assert "| some | 3 | 2 | 0 | 0 | 2 | " in counts.as_markdown(content)


def test_byte_for_byte_is_asked_of_every_file_of_a_source(tmp_path: Path) -> None:
    archive, restored = tmp_path / "source/set.npz", tmp_path / "restored"
    for folder in (archive.parent, restored):
        folder.mkdir()
        (folder / "set.npz").write_bytes(b"one")
    assert counts.identical(archive, restored) and counts.identical(archive.parent, restored)
    (restored / "set.npz").write_bytes(b"two")
    assert not counts.identical(archive, restored) and not counts.identical(archive.parent, restored)
    (restored / "set.npz").unlink()
    assert not counts.identical(archive, restored)
    archive.unlink()
    assert not counts.identical(archive.parent, restored), "of nothing nothing is said"


def test_what_a_child_does_is_told(forks: Forks, tmp_path: Path) -> None:
    """The campaign would see a crash, a hang, memory without end, a file that is half written and one that differs."""
    module = "tests.campaign.misbehaving"
    assert forks.call(f"{module}:crash").crashed
    assert forks.call(f"{module}:hang", limit_s=1).status == -signal.SIGXCPU
    assert "MemoryError" in forks.call(f"{module}:fill_memory", more_memory_mb=256).err
    assert forks.call(f"{module}:raise_a_bug").crashed
    written = forks.call(f"{module}:write_badly", str(tmp_path / "folder"), watch=str(tmp_path / "folder"), kill_at=4)
    assert written.status == -signal.SIGKILL
    assert kills.opened_under_final_names(written.events) == ["release/a.png"]
    (tmp_path / "final").mkdir()
    (tmp_path / "final/a.png").write_bytes(b"whole")
    assert unlike(tmp_path / "folder/release", tmp_path / "final") == ["a.png is not as it will be"]
