"""What verify and restore say when somebody changed something."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_unlearnable.errors import LedgerError, ReleaseError
from monai_unlearnable.release import VerifyReport, restore_release, verify_release
from monai_unlearnable.release.formats import PngFormat
from monai_unlearnable.sources import open_source
from monai_unlearnable.types import StoredArray
from monai_unlearnable.workflows import SyntheticRecipe, protect
from tests.release.building import Built, built_folders, built_npz
from tests.workflows.test_dense_road import pictures


@pytest.fixture
def built(tmp_path: Path) -> Built:
    built = built_folders(tmp_path)
    (built.source_path / "b" / "rgb16.png").unlink()  # the reader of 16 bit RGB takes seconds to load
    built.write()
    return built


def _reasons(report: VerifyReport, file: str) -> str:
    assert not report.held
    return " | ".join(one.reason for one in report.failures if one.file == file)


def test_flipped_byte(built: Built) -> None:
    path = built.release / "a" / "grey8.png"
    data = bytearray(path.read_bytes())
    data[50] ^= 1
    path.write_bytes(bytes(data))
    public, owner = verify_release(built.release), verify_release(built.release, built.ledger)
    assert "checksum is not the one that was published" in _reasons(public, "a/grey8.png")
    assert "cannot be decoded" in _reasons(public, "a/grey8.png")
    assert {one.file for one in owner.failures} == {"a/grey8.png"}
    assert json.loads(public.to_json())["held"] is False
    restored = restore_release(built.release, built.ledger, built.root / "restored")
    assert not restored.held
    assert [one.file for one in restored.failures] == ["a/grey8.png"]
    assert "a/grey8.png" in str(restored.failures[0])
    assert not (built.root / "restored" / "a" / "grey8.png").exists()
    assert len(restored.files) == 4
    assert not list((built.root / "restored").rglob(".unfinished*"))


def test_changed_pixel_in_a_whole_file(built: Built) -> None:
    path = built.release / "b" / "dark.png"
    image = np.asarray(Image.open(path)).copy()
    image[0, 0] += 1
    Image.fromarray(image).save(path)
    owner = verify_release(built.release, built.ledger)
    assert "released pixels minus stored delta are not the original" in _reasons(owner, "b/dark.png")
    assert owner.pixels - owner.pixels_held == image.size
    restored = restore_release(built.release, built.ledger, built.root / "restored")
    assert [one.file for one in restored.failures] == ["b/dark.png"]


def test_pixels_written_anew_can_still_be_restored(built: Built) -> None:
    path = built.release / "a" / "grey8.png"
    Image.open(path).save(path, compress_level=0)
    assert "checksum" in _reasons(verify_release(built.release, built.ledger), "a/grey8.png")
    assert restore_release(built.release, built.ledger, built.root / "restored").held


def test_missing_and_surplus_files(built: Built) -> None:
    (built.release / "a" / "grey8.png").unlink()
    Image.fromarray(np.zeros((3, 3), np.uint8)).save(built.release / "a" / "extra.png")
    (built.release / "b" / "link.png").symlink_to(built.source_path / "a" / "grey8.png")
    for report in (verify_release(built.release), verify_release(built.release, built.ledger)):
        assert "is missing" in _reasons(report, "a/grey8.png")
        assert "is not part of the release" in _reasons(report, "a/extra.png")
        assert "is not part of the release" in _reasons(report, "b/link.png")
        assert "lists 5 images, the folder opens with 6" in _reasons(report, "manifest.json")


def test_released_file_replaced_by_a_link_outside(built: Built) -> None:
    path = built.release / "a" / "grey8.png"
    path.rename(built.root / "outside.png")
    path.symlink_to(built.root / "outside.png")
    for ledger in (None, built.ledger):
        assert "leaves the folder" in _reasons(verify_release(built.release, ledger), "a/grey8.png")
    assert "leaves the folder" in str(restore_release(built.release, built.ledger, built.root / "r").failures[0])


def test_changed_manifest(built: Built) -> None:
    path = built.release / "manifest.json"
    value = json.loads(path.read_text())
    value["budgets"][0]["radius_levels"] = 1.0
    path.write_text(json.dumps(value))
    assert verify_release(built.release).held  # only the owner can know
    assert "is not the manifest" in _reasons(verify_release(built.release, built.ledger), "manifest.json")
    value["files"] = value["files"][1:]
    value["counts"] |= {"files": 4, "images": 4}
    path.write_text(json.dumps(value))
    assert "is listed by only one" in _reasons(verify_release(built.release, built.ledger), "a/grey16.png")
    path.write_text("{")
    assert "is not JSON" in _reasons(verify_release(built.release), "manifest.json")
    path.unlink()
    assert "unfinished release" in _reasons(verify_release(built.release), "manifest.json")


def test_changed_deltas(built: Built) -> None:
    path = built.ledger / "deltas" / "deltas.bin"
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(bytes(data))
    report = verify_release(built.release, built.ledger)
    assert len(report.failures) == 1
    assert "the ledger's deltas were changed" in report.failures[0].reason
    restored = restore_release(built.release, built.ledger, built.root / "restored")
    assert [one.file for one in restored.failures] == [report.failures[0].file]
    path.write_bytes(bytes(data[:-1]))
    with pytest.raises(LedgerError, match="its deltas cannot be read"):
        verify_release(built.release, built.ledger)


def test_budget_is_proved_from_the_files(built: Built) -> None:
    path = built.ledger / "ledger.json"
    value = json.loads(path.read_text())
    value["budgets"][0] |= {"radius_levels": 7.0, "high_level": 200.0}
    path.write_text(json.dumps(value))
    report = verify_release(built.release, built.ledger)
    assert "changed by 8 levels, the budget is 7" in _reasons(report, "a/grey8.png")
    assert "leave 0 to 200" in _reasons(report, "a/grey16.png")
    assert report.pixels_held < report.pixels


def test_changed_array_that_is_not_protected(tmp_path: Path) -> None:
    built = built_npz(tmp_path)
    built.write()
    with np.load(built.release / "set.npz") as arrays:
        content = {name: arrays[name] for name in arrays.files}
    content["val_images"] = content["val_images"] + 1
    np.savez_compressed(built.release / "set.npz", **content)
    report = verify_release(built.release, built.ledger)
    assert "what is not protected is not as it was" in _reasons(report, "set.npz")
    restored = restore_release(built.release, built.ledger, tmp_path / "restored")
    assert "what is not protected" in restored.failures[0].reason
    assert not any((tmp_path / "restored").iterdir())


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.98])
def test_truncated_npz(tmp_path: Path, keep: float) -> None:
    built = built_npz(tmp_path)
    built.write()
    path = built.release / "set.npz"
    os.truncate(path, int(keep * path.stat().st_size))
    for ledger in (None, built.ledger):
        assert "cannot be decoded" in _reasons(verify_release(built.release, ledger), "set.npz")
    assert not restore_release(built.release, built.ledger, tmp_path / "restored").held


def test_ledger_of_another_release(tmp_path: Path) -> None:
    built = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        images = np.random.default_rng(len(name) + ord(name[0])).integers(0, 256, (4, 5, 5)).astype(np.uint8)
        built.append(built_npz(tmp_path / name, images))
        built[-1].write()
    report = verify_release(built[0].release, built[1].ledger)
    assert not report.held
    assert report.pixels_held == 0
    with pytest.raises(LedgerError, match=r"ledger: nothing can be restored with it, .* the ledger of another release"):
        restore_release(built[0].release, built[1].ledger, tmp_path / "restored")
    assert not list((tmp_path / "restored").iterdir())
    assert restore_release(built[0].release, built[0].ledger, tmp_path / "restored").held


def test_ledger_of_another_release_with_the_same_masks(tmp_path: Path) -> None:
    source = pictures(tmp_path / "source")
    for number in (4, 8):
        output, ledger = tmp_path / f"release{number}", tmp_path / f"ledger{number}"
        protect(source, output=output, ledger=ledger, recipe=SyntheticRecipe(), radius=f"{number} levels")
    with pytest.raises(LedgerError, match=r"ledger8: nothing can be restored with it, .* ledger of another release"):
        restore_release(tmp_path / "release4", tmp_path / "ledger8", tmp_path / "restored")
    assert not list((tmp_path / "restored").iterdir())


def test_restored_file_is_read_back_before_it_appears(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    write = PngFormat.write

    def write_brighter(self: PngFormat, path: Path, *, template: Path, images: Iterator[StoredArray]) -> None:
        write(self, path, template=template, images=(image ^ 1 for image in images))

    monkeypatch.setattr(PngFormat, "write", write_brighter)
    restored = restore_release(built.release, built.ledger, built.root / "restored")
    assert len(restored.failures) == 5
    assert "read back does not hold the original pixels" in restored.failures[0].reason
    assert not list((built.root / "restored").rglob("*.*"))


def test_refuses(built: Built) -> None:
    with pytest.raises(ReleaseError, match="no such folder"):
        verify_release(built.root / "nowhere")
    with pytest.raises(ReleaseError, match="no such folder"):
        restore_release(built.root / "nowhere", built.ledger, built.root / "r")
    with pytest.raises(LedgerError, match=r"holds no ledger\.json"):
        verify_release(built.release, built.release)
    with pytest.raises(ReleaseError, match="is not empty; originals are never"):
        restore_release(built.release, built.ledger, built.source_path)
    for inside in (built.release / "r", built.ledger / "r"):
        with pytest.raises(ReleaseError, match="give each a place of its own"):
            restore_release(built.release, built.ledger, inside)
    assert verify_release(built.release, built.ledger).held
    path = built.ledger / "ledger.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "status": "running"}))
    with pytest.raises(LedgerError, match="its run has not finished"):
        restore_release(built.release, built.ledger, built.root / "r")
    assert len(open_source(built.release)) == 5
