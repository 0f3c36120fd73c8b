"""Bad data: exit code 1, a text that names the file or sample, the rule and the value, and nothing written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from monai_unlearnable.errors import DivergedError
from monai_unlearnable.workflows import TargetedAdversarialRecipe
from tests.cli.running import Answer, Command
from tests.small_data import class_images

PLACES = ("--output", "release", "--ledger", "ledger")


def _refused(answer: Answer, *texts: str) -> None:
    assert answer.code == 1, answer.err
    missing = [text for text in texts if text not in answer.err]
    assert not missing, answer.err
    assert "Traceback" not in answer.err and answer.out == ""
    assert not Path("release").exists()


def _archive(path: str, **arrays: object) -> str:
    images, labels = class_images(per_class=2, size_px=12)
    np.savez(path, **({"train_images": images, "train_labels": labels[:, None]} | arrays))  # type: ignore[arg-type]
    return path


def test_more_images_than_labels(synthetic: Command) -> None:
    answer = synthetic(_archive("a.npz", train_labels=np.zeros((3, 1), np.uint8)), *PLACES)
    _refused(answer, "a.npz: train_images holds 4 images, train_labels 3 labels; every image needs one")


def test_images_of_floats(synthetic: Command) -> None:
    images = np.full((4, 12, 12), np.nan, dtype=np.float32)
    _refused(synthetic(_archive("a.npz", train_images=images), *PLACES), "a.npz: ", "train_images", "float32")


def test_labels_that_are_nan(synthetic: Command) -> None:
    labels = np.full((4, 1), np.nan)
    _refused(synthetic(_archive("a.npz", train_labels=labels), *PLACES), "a.npz: ", "train_labels", "float64")


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ("left/000.png,a\nleft/000.png,b\n", "labels.csv: line 3: file 'left/000.png' is there twice, first in line 2"),
        ("left/000.png,a\nleft/999.png,b\n", "labels.csv: line 3: file 'left/999.png' is not there"),
        (",a\n", "labels.csv: line 2: file '' must be a plain path"),
        ("left/000.png,\n", "labels.csv: line 2: file 'left/000.png' has no label"),
        ("../set.npz,a\n", "labels.csv: line 2: file '../set.npz' must be a plain path"),
    ],
)
def test_labels_that_do_not_match(rows: str, text: str, synthetic: Command) -> None:
    Path("labels.csv").write_text(f"file,label\n{rows}")
    _refused(synthetic("images", "--labels", "labels.csv", *PLACES), text)


def test_image_that_cannot_be_read(synthetic: Command) -> None:
    path = Path("images/right/003.png")
    path.write_bytes(path.read_bytes()[:-30])
    _refused(synthetic("images", *PLACES), "images/right/003.png")
    path.write_bytes(b"no picture")
    _refused(synthetic("images", *PLACES), "images/right/003.png")


def test_damaged_archive(synthetic: Command) -> None:
    Path("set.npz").write_bytes(Path("set.npz").read_bytes()[:500])
    _refused(synthetic("set.npz", *PLACES), "set.npz: is not a whole .npz file")


def test_pictures_of_several_depths(synthetic: Command) -> None:
    Image.fromarray(np.full((12, 12), 3000, dtype=np.uint16)).save("images/left/deep.png")
    answer = synthetic("images", *PLACES)
    assert answer.code == 2 and "left/deep.png: radius 0.0313725 of the range: the image has no range" in answer.err
    deep = np.random.default_rng(0).integers(100, 3000, (12, 12)).astype(np.uint16)
    Image.fromarray(deep).save("images/left/deep.png")
    assert synthetic("images", *PLACES).code == 0


def test_level_size_that_cannot_be_used(synthetic: Command) -> None:
    for size, text in (("x", "'x' is not a number"), ("0", "'0' is not usable"), ("nan", "'nan' is not usable")):
        answer = synthetic("images", *PLACES, "--level-size", size)
        assert answer.code == 2 and f"--level-size: {text}" in answer.err
    _refused(
        synthetic("images", *PLACES, "--level-size", "0.5"), "level size of 0.5 is given, but no image is floating"
    )


def test_pictures_of_several_channels(synthetic: Command) -> None:
    Image.fromarray(np.zeros((12, 12, 3), dtype=np.uint8)).save("images/left/colour.png")
    _refused(
        synthetic("images", *PLACES),
        "images: holds images of [1, 3] channels (left/000.png has shape (1, 12, 12), left/colour.png has (3, 12, 12))",
    )


def test_class_wise_deltas_of_several_sizes(synthetic: Command) -> None:
    Image.fromarray(np.zeros((13, 12), dtype=np.uint8)).save("images/left/large.png")
    _refused(synthetic("images", *PLACES, "--class-wise"), "images: images have 2 shapes", "a class-wise delta has one")


def test_radius_too_small_for_deep_files_is_wrong_usage(synthetic: Command) -> None:
    images = np.random.default_rng(0).integers(1000, 1100, (4, 12, 12)).astype(np.uint16)
    answer = synthetic(_archive("a.npz", train_images=images), *PLACES, "--radius", "1/255")
    assert answer.code == 2 and "smaller than one level" in answer.err and "of a range of 9" in answer.err
    assert not Path("release").exists()


def test_surrogate_that_diverges(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("protect", "images", *PLACES, "--perturbation", "targeted_adversarial")
    monkeypatch.setattr("monai_unlearnable.verbs.protect.choose_recipe", _diverging)
    answer = command(*words)
    _refused(answer, "the surrogate's weight", "is NaN or infinite", "Lower the learning rate")
    deltas = np.fromfile("ledger/working/deltas.bin", dtype=np.int8)
    assert not deltas.any()


def _diverging(*_: object) -> TargetedAdversarialRecipe:
    return TargetedAdversarialRecipe(learning_rate=1e30, surrogate_epochs=2, steps=1)


def test_store_of_other_data(synthetic: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        _interrupt(patch)
        assert synthetic("images", *PLACES).code == 1
    header = Path("ledger/working/header.json")
    header.write_text(header.read_text().replace('"radius_levels": 8.0', '"radius_levels": 9.0'))
    _refused(synthetic("images", *PLACES), "ledger/working", "radius_levels")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--radius", "9/255"), "radius is '8/255' there and '9/255' here"),
        (("--class-wise",), "class_wise is False there and True here"),
        (("--norm", "l2", "--radius", "60 levels"), "budget.norm is 'linf' there and 'l2' here"),
        (("--seed", "5"), "the seed is another one"),
    ],
)
def test_other_settings_on_a_ledger(
    words: tuple[str, ...], text: str, synthetic: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _interrupt(patch)
        assert synthetic("images", *PLACES, "--seed", "4").code == 1
    _refused(synthetic("images", *PLACES, *words), "ledger: belongs to a run with other settings: ", text)
    assert synthetic("images", *PLACES).code == 0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--region", "contour:8"), "needs masks, and the labels of images are single_label"),
        (("--norm", "l2"), "would round to nothing. The smallest radius for them is"),
    ],
)
def test_what_images_do_not_allow_leaves_no_ledger_in_the_way(
    words: tuple[str, ...], text: str, synthetic: Command
) -> None:
    answer = synthetic("images", *PLACES, *words)
    assert answer.code == 2 and text in answer.err
    assert synthetic("images", *PLACES).code == 0


def test_other_images_on_a_ledger(synthetic: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        _interrupt(patch)
        assert synthetic("images", *PLACES).code == 1
    Image.fromarray(np.full((12, 12), 7, dtype=np.uint8)).save("images/left/000.png")
    _refused(synthetic("images", *PLACES), "belongs to a run with other settings: the images or labels are others")


def test_damaged_ledger(finished: Path, command: Command) -> None:
    ledger = finished / "ledger/ledger.json"
    content = json.loads(ledger.read_text())
    del content["files"]
    ledger.write_text(json.dumps(content))
    answer = command("verify", "release", "--ledger", "ledger", "--json")
    assert answer.code == 1 and answer.json["held"] is False
    assert "ledger/ledger.json: does not have the fields of a ledger" in answer.json["error"]


def test_changed_release_fails_its_check(finished: Path, command: Command) -> None:
    Image.fromarray(np.zeros((12, 12), dtype=np.uint8)).save("release/left/000.png")
    answer = command("verify", "release", "--ledger", "ledger", "--json")
    assert answer.code == 1 and answer.json["held"] is False
    assert answer.json["failures"][0]["file"] == "left/000.png"
    text = command("verify", "release")
    assert text.code == 1 and "NOT VERIFIED" in text.out and "FAILED left/000.png: its checksum" in text.out
    restored = command("restore", "release", "--ledger", "ledger", "--output", "originals")
    assert restored.code == 1 and "NOT ALL RESTORED" in restored.out and "FAILED left/000.png" in restored.out


def test_folder_that_is_read_only(synthetic: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("locked").mkdir()
    # The tests may run as root, whom permissions do not stop: the system's answer is played.
    monkeypatch.setattr("monai_unlearnable.workflows.folders.os.access", lambda path, mode: path.name != "locked")
    answer = synthetic("images", "--output", "locked/release", "--ledger", "ledger")
    _refused(answer, "locked/release: cannot be written to: ", "locked is read-only")
    assert not Path("ledger").exists()


def test_disk_that_is_full_from_the_start(synthetic: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("monai_unlearnable.workflows.disk.shutil.disk_usage", lambda path: usage)
    _refused(synthetic("images", *PLACES), "ledger and release: need about 1 MB, the disk has 1 MB free")


def test_disk_that_fills_up(synthetic: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("monai_unlearnable.release.formats.png.PngFormat.write", full)
        answer = synthetic("images", *PLACES, "--json")
    assert answer.code == 1
    assert answer.json == {"held": False, "error": "[Errno 28] No space left on device: 'release'"}
    assert not list(Path("release").rglob("*.png"))
    assert synthetic("images", *PLACES).code == 0


def test_bug_shows_its_traceback(synthetic: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("monai_unlearnable.verbs.protect.protect", broken)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        synthetic("images", *PLACES)


@pytest.mark.parametrize("error", [DivergedError("left it"), OSError(5, "failed", "a.png")])
def test_expected_errors_are_one_json_object(
    error: Exception, synthetic: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("monai_unlearnable.verbs.protect.protect", failing)
    answer = synthetic("images", *PLACES, "--json")
    assert answer.code == 1 and answer.json == {"held": False, "error": str(error)}


def _interrupt(patch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> torch.Tensor:
        raise KeyboardInterrupt

    patch.setattr("monai_unlearnable.workflows.run.write_release", interrupted)


def test_interruption_says_how_to_go_on(synthetic: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        _interrupt(patch)
        answer = synthetic("images", *PLACES, "--json")
    assert answer.code == 1
    assert answer.json == {"held": False, "error": "interrupted; give the same command again to go on."}
    report = synthetic("images", *PLACES, "--json").json
    assert report["held"] is True and report["resumed"] is True


def test_a_damaged_array_that_nobody_looks_at_is_found_first(command: Command) -> None:
    data = bytearray(Path("set.npz").read_bytes())
    with zipfile.ZipFile("set.npz") as archive:
        entry = archive.getinfo("test_images.npy")
    data[entry.header_offset + 30 + len(entry.filename) + entry.compress_size // 2] ^= 0xFF
    Path("set.npz").write_bytes(data)
    answer = command("protect", "set.npz", *PLACES)
    assert answer.code == 1 and "set.npz: is not a whole .npz file" in answer.err and not Path("ledger").exists()


def test_an_archive_in_capitals_is_an_archive(synthetic: Command) -> None:
    Path("set.npz").rename("SET.NPZ")
    assert synthetic("SET.NPZ", *PLACES).code == 0


def test_what_is_no_regular_file_is_refused(synthetic: Command) -> None:
    os.mkfifo("images/left/pipe.png")
    _refused(synthetic("images", *PLACES), "pipe.png: it is no regular file. Take it out.")


def test_a_list_that_names_no_regular_file_is_refused(synthetic: Command) -> None:
    os.mkfifo("images/pipe.png")
    Path("images/list.csv").write_text("file,label\npipe.png,b\n")
    answer = synthetic("images", "--labels", "images/list.csv", *PLACES)
    _refused(answer, "'pipe.png' is neither a file nor a folder. Take the line out.")


def test_a_name_that_is_no_text_is_shown_all_the_same(tmp_path: Path, command: Command) -> None:
    Path(os.fsdecode(b"images/left/\xdcbersicht.txt")).write_text("x")
    program = [sys.executable, "-m", "monai_unlearnable", "protect", "images", *PLACES, "--quiet"]
    done = subprocess.run(program, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"})
    assert done.returncode == 0 and b"bersicht.txt" in done.stdout + done.stderr


def test_a_full_disk_leaves_no_ledger_in_the_way(synthetic: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10))
        answer = synthetic("images", *PLACES)
        assert answer.code == 1 and "disk" in answer.err
        assert synthetic("images", *PLACES).code == 1, "asked again, not taken for a run that was killed"
    assert synthetic("images", "--output", "elsewhere", "--ledger", "ledger").code == 0
