"""Folders and disks that a run cannot use."""

from __future__ import annotations

import errno
import json
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from monai_unlearnable.errors import BudgetError, LedgerError, ReleaseError, SourceError
from monai_unlearnable.release import restore_release
from monai_unlearnable.sources import Task
from monai_unlearnable.workflows import SyntheticRecipe
from monai_unlearnable.workflows.disk import errors_name, require_space
from monai_unlearnable.workflows.folders import check_folders, check_writable
from monai_unlearnable.workflows.run import ProtectionRun
from tests.small_data import write_class_folders

_Usage = namedtuple("_Usage", "total used free")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_class_folders(tmp_path / "source", per_class=2)


def test_new_and_empty_places_are_fine(source: Path, tmp_path: Path) -> None:
    (tmp_path / "release").mkdir()
    check_folders(source, output=tmp_path / "release", ledger=tmp_path / "ledger")


def test_python_callers_are_refused_before_any_image_is_read(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("an image was read")

    monkeypatch.setattr("monai_unlearnable.workflows.run.survey", never)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/a").touch()

    def run(**places: Path) -> None:
        ProtectionRun(source, method="synthetic", settings={}, **places)  # type: ignore[arg-type]

    with pytest.raises(ReleaseError, match="full: is not empty; a release is never written over"):
        run(output=tmp_path / "full", ledger=tmp_path / "ledger")
    with pytest.raises(LedgerError, match="full: is not empty and holds no ledger"):
        run(output=tmp_path / "release", ledger=tmp_path / "full")
    with pytest.raises(ReleaseError, match=r"the ledger \(.*\) lies in the source"):
        run(output=tmp_path / "release", ledger=source / "ledger")


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"software": 3}', '{"software": {"name": "other"}}'])
def test_other_manifests_are_no_release(text: str, source: Path, tmp_path: Path) -> None:
    (source / "manifest.json").write_text(text)
    check_folders(source, output=tmp_path / "release", ledger=tmp_path / "ledger")


def test_own_manifest_makes_a_release(source: Path, tmp_path: Path) -> None:
    (source / "manifest.json").write_text(json.dumps({"software": {"name": "monai-unlearnable"}}))
    with pytest.raises(SourceError, match=r"is a release already.*Protect the originals"):
        check_folders(source, output=tmp_path / "release", ledger=tmp_path / "ledger")


def test_a_finished_ledger_stays_whatever_comes_after_it(tmp_path: Path) -> None:
    source = write_class_folders(tmp_path / "images", per_class=3)
    context_of_run: dict[str, Any] = {"method": "synthetic", "settings": {}}
    recipe = SyntheticRecipe().for_task(Task.SINGLE_LABEL)
    with (
        pytest.raises(BudgetError),
        ProtectionRun(source, output=tmp_path / "release", ledger=tmp_path / "ledger", **context_of_run) as run,
    ):
        assert run.complete(*recipe.build(run.context)).held
        ProtectionRun(source, output=tmp_path / "o", ledger=tmp_path / "l", radius="0.001", **context_of_run)
    assert restore_release(tmp_path / "release", tmp_path / "ledger", tmp_path / "restored").held


def test_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check_writable(tmp_path / "new" / "deep")
    with pytest.raises(ReleaseError, match=r"release: cannot be written to: .*file is a file"):
        check_writable(tmp_path / "file" / "release")


def test_room_is_counted_for_each_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: _Usage(9, 9, 5_000_000))
    require_space({tmp_path / "a": 2_000_000, tmp_path / "b": 3_000_000})
    with pytest.raises(ReleaseError, match=r"a and .*b: need about 6 MB, the disk has 5 MB free. Make room"):
        require_space({tmp_path / "a": 2_500_000, tmp_path / "b": 3_000_000})


def test_errors_without_a_path_get_one() -> None:
    with pytest.raises(OSError, match="No space left on device: 'there'") as caught, errors_name(Path("there")):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.errno == errno.ENOSPC
    with pytest.raises(OSError, match="'here'"), errors_name(Path("there")):
        raise OSError(errno.EACCES, "denied", "here")


def test_archive_writer_of_torch_is_an_error_of_writing() -> None:
    with pytest.raises(OSError, match=r"a checkpoint cannot be written .*: 'ledger'"), errors_name(Path("ledger")):
        raise RuntimeError("PytorchStreamWriter failed writing file data/1: file write failed")
    with pytest.raises(RuntimeError, match="shape"), errors_name(Path("ledger")):
        raise RuntimeError("shape mismatch")
