"""Lists, names, files left out and DICOM options as a new user gives them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import Command, contents

PLACES = ("--output", "release", "--ledger", "ledger")


def datalist(path: str = "list.json") -> str:
    items = [
        {"image": one.relative_to("images").as_posix(), "label": int(one.parent.name == "left")}
        for one in sorted(Path("images").rglob("*.png"))
    ]
    Path(path).write_text(json.dumps({"training": items, "validation": items[:1]}))
    return path


def test_the_whole_road_of_a_datalist_with_neutral_names(synthetic: Command, command: Command) -> None:
    answer = synthetic("images", *PLACES, "--labels", datalist(), "--rename")
    assert answer.code == 0, answer.err
    assert "labels: 0 (4), 1 (4)" in answer.out and "files of the source: 8 protected" in answer.out
    assert {one for one in contents(Path("release")) if one.endswith(".png")} == {
        f"image-{number:06d}.png" for number in range(1, 9)
    }
    assert command("verify", "release", "--ledger", "ledger").code == 0
    assert command("verify", "release").code == 0
    assert command("restore", "release", "--ledger", "ledger", "--output", "originals").code == 0
    assert {one for one in contents(Path("originals")) if one.endswith(".png")} == set(contents(Path("images")))
    audit = ("audit", "release", "--clean", "images", "--labels", "list.json", "--output", "report", "--epochs", "1")
    refused = command(*audit, "--seeds", "1")
    assert refused.code == 1 and "where its files were renamed the ledger" in refused.err
    report = command(*audit, "--seeds", "1", "--ledger", "ledger", "--json").json
    held = {one["name"]: one["held"] for one in report["checks"]}
    assert held["Release and clean source hold the same images"]


def test_sections(synthetic: Command) -> None:
    answer = synthetic("images", *PLACES, "--labels", datalist(), "--section", "fold0")
    assert answer.code == 1 and "has no section 'fold0'; there are: 'training', 'validation'" in answer.err
    assert "--on-error" not in answer.err
    answer = synthetic("images", *PLACES, "--section", "training")
    assert answer.code == 1 and "only a datalist (.json) has sections" in answer.err


def test_a_flat_folder_is_told_what_to_do(synthetic: Command) -> None:
    Path("flat").mkdir()
    for number, one in enumerate(sorted(Path("images").rglob("*.png"))):
        (Path("flat") / f"{number}.png").write_bytes(one.read_bytes())
    answer = synthetic("flat", *PLACES)
    assert answer.code == 1
    assert "flat: holds images without labels. Give each class a folder of its own" in answer.err
    assert "(--labels): a CSV file of file,label, or a datalist {" in answer.err


def test_what_cannot_be_read_stops_or_is_skipped(synthetic: Command, command: Command) -> None:
    broken = sorted(Path("images/left").glob("*.png"))[0]
    broken.write_bytes(broken.read_bytes()[:60])
    Path("images/right/notes.txt").write_text("no image")
    stopped = synthetic("images", *PLACES)
    assert stopped.code == 1 and f"{broken}: the file ends inside" in stopped.err
    assert "--on-error skip leaves out files that cannot be read" in stopped.err
    assert not Path("release").exists()
    answer = synthetic("images", *PLACES, "--on-error", "skip")
    assert answer.code == 1
    name = broken.relative_to("images").as_posix()
    assert "files of the source: 7 protected, 1 skipped, 1 not part of the source" in answer.out
    assert f"  SKIPPED {name}: the file ends inside" in answer.out
    assert "  left out right/notes.txt: is no image" in answer.out
    assert command("verify", "release", "--ledger", "ledger").code == 0
    report = synthetic("images", "--output", "r2", "--ledger", "l2", "--on-error", "skip", "--json").json
    assert report["held"] is False and report["verification"]["held"] is True
    assert [one["file"] for one in report["outcomes"] if one["outcome"] == "skipped"] == [name]
    assert len(report["outcomes"]) == 9


def test_other_choices_do_not_take_a_run_up(synthetic: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("monai_unlearnable.release.writer.write_bytes", killed)
        assert synthetic("images", *PLACES).code == 1
    answer = synthetic("images", *PLACES, "--rename")
    assert answer.code == 1 and "release.rename is False there and True here" in answer.err
    assert synthetic("images", *PLACES).code == 0


def test_telling_names_are_noted(synthetic: Command) -> None:
    old = sorted(Path("images/left").glob("*.png"))[0]
    old.rename(old.with_name("Smith_John_19870213.png"))
    answer = synthetic("images", *PLACES)
    assert answer.code == 0
    assert "note: 1 name looks like a date, such as 'Smith_John_19870213.png', and will be public." in answer.out
    answer = synthetic("images", "--output", "r2", "--ledger", "l2", "--rename")
    assert answer.code == 0 and "looks like" not in answer.out
    assert "Smith" not in Path("r2/manifest.json").read_text()
