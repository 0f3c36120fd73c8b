"""Padding of DICOM files stays, and nothing else becomes padding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import torch

from monai_unlearnable.release import ReleaseBudget, restore_release, verify_release
from monai_unlearnable.sources import open_source
from monai_unlearnable.stores import MappedStore
from tests.release.building import Built, random_store
from tests.sources.dicom.building import write

PADDING = 100
BUDGET = ReleaseBudget(norm="linf", radius_levels=8.0, low_level=0, high_level=4095)


def _built(root: Path, **attributes: Any) -> Built:
    """Two files whose every level is at most 9 from the padding value, a quarter of the voxels padding."""
    for number, name in enumerate("ab"):
        cells = np.random.default_rng(number).integers(PADDING - 9, PADDING + 10, (1, 16, 16, 1)).astype(np.uint16)
        cells[0, :4] = PADDING
        fields = {"BitsStored": 12, "PixelPaddingValue": PADDING, "SOPInstanceUID": f"1.2.{number}", **attributes}
        write(root / "source" / name / "x.dcm", cells, **fields)
    return Built(root, root / "source")


@pytest.mark.parametrize("limit", [None, PADDING + 2])
def test_padding_stays_padding(tmp_path: Path, limit: int | None) -> None:
    built = _built(tmp_path, **({} if limit is None else {"PixelPaddingRangeLimit": limit}))
    built.write(budget=BUDGET)
    deltas, moved = MappedStore.open(built.ledger / "deltas"), 0
    for name in ("a/x.dcm", "b/x.dcm"):
        before, after = (pydicom.dcmread(folder / name).pixel_array for folder in (built.source_path, built.release))
        masks = [(one >= PADDING) & (one <= (limit or PADDING)) for one in (before, after)]
        assert np.array_equal(masks[0], masks[1]) and masks[0].any() and not masks[0].all()
        assert np.array_equal(before[masks[0]], after[masks[0]])
        assert np.array_equal(after.astype(int) - before, deltas.read([name])[0, 0].numpy())
        moved += int((before != after).sum())
    assert moved > 200
    report = verify_release(built.release, built.ledger)
    assert report.held, report.failures
    restored = restore_release(built.release, built.ledger, tmp_path / "restored")
    assert restored.identical == ("a/x.dcm", "b/x.dcm")


def test_without_a_padding_value_every_voxel_moves(tmp_path: Path) -> None:
    built = _built(tmp_path, PixelPaddingValue=None)
    source = built.source()
    store = random_store(source)
    for name in source.sample_ids:
        store.write([name], torch.full((1, *store.shape(name)), 5))
    built.write(store=store, budget=BUDGET)
    released = open_source(built.release)
    assert all((released.read(index) == source.read(index) + 5).all() for index in range(2))


def test_verify_sees_changed_padding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = _built(tmp_path)
    monkeypatch.setattr("monai_unlearnable.release.file_writer.off_padding", _without_the_second_look)
    built.write(budget=BUDGET)
    reasons = {one.reason for one in verify_release(built.release, built.ledger).failures}
    assert reasons == {"its padding is not as it was in the source"}


def _without_the_second_look(source: Any, index: int, original: Any, applied: Any) -> Any:
    return np.where(source.untouchable(index), 0, applied)


def test_manifest_and_ledger_keep_apart_what_names_a_patient(tmp_path: Path) -> None:
    built = _built(tmp_path)
    built.write(budget=BUDGET)
    public = (built.release / "manifest.json").read_text()
    assert not [one for one in ("Doe", "1.2.0", "1.2.826", "2.25.") if one in public]
    ledger = json.loads((built.ledger / "ledger.json").read_text())
    assert ledger["files"][0]["original"] and len(bytes.fromhex(ledger["uid_secret"])) == 32


@pytest.mark.parametrize("change", [{"original": ""}, {"original": 7}, {"format": "jpeg"}, {"format": "nifti"}])
def test_a_damaged_record_restores_nothing(tmp_path: Path, change: dict[str, Any]) -> None:
    built = _built(tmp_path)
    built.write(budget=BUDGET)
    path = built.ledger / "ledger.json"
    content = json.loads(path.read_text())
    content["files"][0] |= change
    path.write_text(json.dumps(content))
    try:
        report = restore_release(built.release, built.ledger, tmp_path / "restored")
    except ValueError as error:
        assert "damaged" in str(error) or "there is no release format 'jpeg'" in str(error)
        return
    assert [one.file for one in report.failures] == ["a/x.dcm"]
    assert not (tmp_path / "restored/a/x.dcm").exists()


def test_no_two_runs_share_uids(tmp_path: Path) -> None:
    uids = set()
    for name in ("x", "y"):
        built = _built(tmp_path / name)
        built.write(budget=BUDGET)
        uids |= {pydicom.dcmread(one).SOPInstanceUID for one in built.release.rglob("*.dcm")}
    assert len(uids) == 4
