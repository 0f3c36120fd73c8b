from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_unlearnable.errors import LedgerError, ReleaseError
from monai_unlearnable.release import hold_ledger, read_ledger
from monai_unlearnable.release.hashing import file_sha256, pixels_sha256
from monai_unlearnable.stores import MappedStore
from tests.release.building import SEED, Built, built_folders, built_npz


def _hold(root: Path, **changes: Any) -> Any:
    places = {"source": root / "source", "release": root / "release", "configuration": {"seed": 0}}
    return hold_ledger(root / "ledger", **{**places, **changes})


def test_holds_what_the_owner_needs(tmp_path: Path) -> None:
    built = built_folders(tmp_path)
    built.write()
    content, source = read_ledger(built.ledger), built.source()
    assert (content.status, content.configuration["seed"], content.format) == ("complete", SEED, "png")
    assert content.manifest_sha256 == file_sha256(built.release / "manifest.json")
    assert [one.samples[0].sample_id for one in content.files] == list(source.sample_ids)
    deltas = MappedStore.open(built.ledger / "deltas")
    for index, file in enumerate(content.files):
        assert file.source_sha256 == file_sha256(built.source_path / source.sample_ids[index])
        assert file.sha256 == file_sha256(built.release / file.name)
        assert file.samples[0].original_sha256 == pixels_sha256(source.read(index))
        assert file.samples[0].label == source.labels[index]
        assert np.abs(deltas.read([source.sample_ids[index]]).numpy()).max() <= 8
    assert not (built.ledger / "journal.jsonl").exists()


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        built = built_npz(tmp_path)
        with _hold(tmp_path, source=built.source_path, configuration=built.configuration):
            (built.ledger / "engine").mkdir()
            (built.ledger / "engine" / "checkpoint.pt").write_bytes(b"x")
            assert stat.S_IMODE(built.ledger.stat().st_mode) == 0o700
            assert stat.S_IMODE((built.ledger / "ledger.json").stat().st_mode) == 0o600
        built.write()
    finally:
        os.umask(mask)
    for path in (built.ledger, *built.ledger.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path.name
    assert stat.S_IMODE((built.release / "set.npz").stat().st_mode) == 0o666


@pytest.mark.parametrize(
    ("ledger", "release", "source"),
    [
        ("release/ledger", "release", "source"),
        ("ledger", "ledger/release", "source"),
        ("ledger", "ledger", "source"),
        ("source/ledger", "release", "source"),
        ("ledger", "source/release", "source"),
        ("ledger", "source", "source"),
        ("ledger", "data", "data/set.npz"),
        ("link/ledger", "release", "source"),
    ],
)
def test_places_are_kept_apart(tmp_path: Path, ledger: str, release: str, source: str) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "source")
    with (
        pytest.raises(ReleaseError, match=r"lies in the .* give each a place of its own"),
        hold_ledger(tmp_path / ledger, source=tmp_path / source, release=tmp_path / release, configuration={}),
    ):
        raise AssertionError
    assert not (tmp_path / "ledger").exists()


def test_refuses_another_run_release_or_folder(tmp_path: Path) -> None:
    with _hold(tmp_path):
        pass
    with _hold(tmp_path):  # the same run again
        pass
    with (
        pytest.raises(LedgerError, match="run with seed=0, this one has 1"),
        _hold(tmp_path, configuration={"seed": 1}),
    ):
        pass
    with pytest.raises(LedgerError, match="belongs to the release"), _hold(tmp_path, release=tmp_path / "other"):
        pass
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("x")
    with pytest.raises(ReleaseError, match="full: is not empty; a release is never written over"):
        hold_ledger(
            tmp_path / "ledger2", source=tmp_path / "s", release=tmp_path / "full", configuration={}
        ).__enter__()
    with (
        pytest.raises(LedgerError, match="full: is not empty and holds no ledger"),
        hold_ledger(tmp_path / "full", source=tmp_path / "s", release=tmp_path / "r", configuration={}),
    ):
        pass


def test_two_runs_never_share_a_ledger(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from monai_unlearnable.release import hold_ledger\n"
        "root = Path(sys.argv[1])\n"
        "with hold_ledger(root/'ledger', source=root/'source', release=root/'release', configuration={'seed': 0}):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None and other.stdin is not None
    with other, other.stdin:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(LedgerError, match="another run is using this ledger"), _hold(tmp_path):
            pass
        other.kill()
        other.wait()
    with _hold(tmp_path):  # the lock went with its process
        pass


@pytest.fixture
def finished(tmp_path: Path) -> Built:
    built = built_npz(tmp_path)
    built.write()
    return built


def _change(built: Built, **changes: Any) -> None:
    path = built.ledger / "ledger.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 3}, "is a ledger of version 3, and this package reads version 4. Use the version of this package"),
        ({"surplus": 1}, "does not have the fields"),
        ({"status": 1}, "does not have the fields"),
        ({"files": {}}, "files, budgets or configuration are damaged"),
        ({"files": [1]}, "does not have the fields"),
        ({"budgets": [{"norm": "linf"}]}, "budgets are damaged"),
        ({"budgets": [{"norm": "l9", "radius_levels": 1, "low_level": 0, "high_level": 1}]}, "budgets are damaged"),
        ({"budgets": [{"norm": "linf", "radius_levels": "1", "low_level": 0, "high_level": 1}]}, "budgets are damaged"),
        ({"budgets": []}, "an image has budget number 0 of 0; it is damaged"),
        ({"budgets": {}}, "its files, budgets or configuration are damaged"),
    ],
)
def test_refuses_a_damaged_ledger(finished: Built, changes: dict[str, Any], message: str) -> None:
    _change(finished, **changes)
    with pytest.raises(LedgerError, match=message):
        read_ledger(finished.ledger)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "../../escape.npz", "is no plain relative path"),
        ("name", "/etc/passwd", "is no plain relative path"),
        ("name", 7, "is no plain relative path"),
        ("sha256", "xyz", "is no SHA-256"),
        ("untouched", {"a": 1}, "is no SHA-256"),
        ("samples", "abc", "are no lists"),
        ("samples", [{"sample_id": 1}], "does not have the fields"),
        ("converted", "yes", "not true or false"),
    ],
)
def test_refuses_damaged_entries(finished: Built, field: str, value: object, message: str) -> None:
    files = json.loads((finished.ledger / "ledger.json").read_text())["files"]
    files[0][field] = value
    _change(finished, files=files)
    with pytest.raises(LedgerError, match=message):
        read_ledger(finished.ledger)


def test_refuses_what_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"holds no ledger\.json"):
        read_ledger(tmp_path)
    for data in (b"{", b"\xff", b"[" * 100_000, b"[]"):
        (tmp_path / "ledger.json").write_bytes(data)
        with pytest.raises(LedgerError, match=r"cannot be read|is not a ledger"):
            read_ledger(tmp_path)
