"""The tutorials run, at small size, and what they claim is so."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from tests.small_data import write_class_folders

NAME = "add_protection_to_a_pipeline.py"


@pytest.fixture(scope="module")
def script(request: pytest.FixtureRequest) -> Path:
    return Path(request.getfixturevalue("repository")) / "tutorials" / NAME


def _run(script: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> dict[str, Any]:
    monkeypatch.setattr(sys, "argv", [str(script), "--epochs", "1", "--rounds", "1", *arguments])
    return runpy.run_path(str(script), run_name="__main__")


@pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader")
def test_protected_pipeline_differs_by_at_most_the_radius(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images = write_class_folders(tmp_path / "images", per_class=4)
    done = _run(script, monkeypatch, "--images", str(images))
    largest = 0
    for item in done["protected"]:
        # MONAI's reader puts the width first.
        clean = np.asarray(Image.open(images / item["sample_id"])).T.astype(np.int64)
        difference = np.abs(item["image"].numpy()[0] - clean)
        assert (difference > 0).mean() > 0.5
        largest = max(largest, int(difference.max()))
    assert len(done["protected"]) == 8
    assert 0 < largest <= 8
    assert f"largest change: {largest} of 255" in capsys.readouterr().out
    assert done["restored"] is True
    done["work"].cleanup()


@pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader")
def test_without_a_folder_pictures_are_generated(
    script: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = _run(script, monkeypatch, "--pictures", "2")
    assert done["classes"] == ["horizontal", "vertical"] and len(done["items"]) == 4
    assert "comes off exactly: True" in capsys.readouterr().out
    done["work"].cleanup()


def test_protection_takes_fewer_than_thirty_lines(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    added = text.split("# --- protection: begin\n")[1].split("# --- protection: end")[0]
    lines = [line for line in added.splitlines() if line.strip() and not line.startswith("#")]
    assert 10 < len(lines) < 30
    assert all(len(line) <= 120 for line in lines)


@pytest.mark.parametrize("method", ["synthetic", "generator"])
@pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader")
def test_a_segmentation_task_is_protected_and_handed_out(
    request: pytest.FixtureRequest, method: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tutorial = Path(request.getfixturevalue("repository")) / "tutorials" / "share_a_segmentation_task.py"
    arguments = ["--volumes", "5", "--epochs", "1", "--rounds", "1", "--method", method]
    monkeypatch.setattr(sys, "argv", [str(tutorial), *arguments])
    done = runpy.run_path(str(tutorial), run_name="__main__")
    assert done["restored"] is True
    assert len(done["received"]) == 5
    for item in done["received"]:
        released, label = (np.asarray(nib.load(item[key]).dataobj).astype(np.int64) for key in ("image", "label"))  # type: ignore[attr-defined]
        name = Path(item["image"]).name
        clean = np.asarray(nib.load(done["task"] / "imagesTr" / name).dataobj).astype(np.int64)  # type: ignore[attr-defined]
        largest = int(np.abs(released - clean).max())
        assert 0 < largest <= (np.percentile(clean, 99.9) - clean.min()) * 8 / 255
        assert set(np.unique(label)) <= {0, 1, 2}
    said = capsys.readouterr().out
    assert "every original comes back bit for bit: True" in said
    assert "handed_out.zip: 5 volumes" in said
    assert not list((done["root"] / "received").rglob("*.pt")), "what the owner keeps is not handed out"
    done["work"].cleanup()


def test_the_demo_releases_a_whole_volume_and_gives_it_back(
    request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("nilearn")
    demo = runpy.run_path(str(Path(request.getfixturevalue("repository")) / "tutorials" / "demo.py"), run_name="demo")
    levels = np.random.default_rng(0).integers(20, 200, (24, 20, 16)).astype(np.uint8)
    volume = tmp_path / "brain.nii.gz"
    nib.save(nib.Nifti1Image(levels, np.diag([1, 1, 2, 1])), volume)
    assert demo["release_volume"](volume, tmp_path / "work") is True
    released: Any = nib.load(tmp_path / "work" / "release" / "brain.nii.gz")
    difference = np.asarray(released.dataobj).astype(np.int64) - levels
    assert set(np.unique(difference)) == {-8, 8}
    said = capsys.readouterr().out
    assert f"protected volume: {tmp_path / 'work' / 'release' / 'brain.nii.gz'}" in said
    assert "bit for bit: True" in said
    assert demo["brain_file"]().is_file()
