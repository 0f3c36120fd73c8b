"""Medical files in, the same files out: the whole road on real files."""

from __future__ import annotations

import gzip
import json
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from monai_unlearnable.budgets import L2Budget
from monai_unlearnable.release import file_writer, read_ledger, read_manifest, restore_release, verify_release, writer
from monai_unlearnable.release.hashing import file_sha256
from monai_unlearnable.sources import Source, open_source
from monai_unlearnable.stores import MappedStore
from monai_unlearnable.workflows import ProtectReport, SyntheticRecipe, protect
from tests.workflows.medical import brain_volumes, ct_files, ct_series, mixed_pictures

SECRETS = ("Lung_Dx", "A0001", "1.3.6.1.4.1.14519", "2.25.")


@dataclass(frozen=True)
class Road:
    """One source and everything that the road made of it."""

    root: Path
    labels: Path | None = None
    radius: str = "8 levels"

    @property
    def source_path(self) -> Path:
        return self.root / "source"

    @property
    def release(self) -> Path:
        return self.root / "release"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger"

    @property
    def source(self) -> Source:
        return open_source(self.source_path, self.labels)

    def protect(self) -> ProtectReport:
        return protect(
            self.source_path,
            output=self.release,
            ledger=self.ledger,
            labels=self.labels,
            recipe=SyntheticRecipe(),
            radius=self.radius,
            seed=3,
        )

    def check(self, *, largest: int) -> set[str]:
        """Prove every file with readers of the test's own choice, and return the names restored byte for byte."""
        source, released = self.source, open_source(self.release)
        for report in (verify_release(self.release), verify_release(self.release, self.ledger)):
            assert report.held, report.failures
            assert report.images == len(source) == len(released)
        assert report.pixels == report.pixels_held == sum(one.image.size for one in source)
        assert report.largest_delta_levels == largest
        deltas = MappedStore.open(self.ledger / "deltas")
        for index, sample in enumerate(source):
            other = released.read(index)
            assert other.dtype == sample.image.dtype
            delta = deltas.read([sample.sample_id])[0].numpy().astype(np.int64)
            assert np.array_equal(other.astype(np.int64) - sample.image, delta)
            assert 0 < np.abs(delta).max() <= largest
        assert Counter(released.labels.tolist()) == Counter(source.labels.tolist())
        assert released.class_names == source.class_names
        restored = restore_release(self.release, self.ledger, self.root / "restored")
        assert restored.held, restored.failures
        assert restored.images == len(source)
        back = open_source(self.root / "restored")
        for index, sample in enumerate(source):
            assert back.read(index).tobytes() == sample.image.tobytes()
        same = {
            name
            for name in (one.name for one in read_manifest(self.release).files if one.images)
            if (self.source_path / name).is_file()
            and (self.source_path / name).read_bytes() == (self.root / "restored" / name).read_bytes()
        }
        assert set(restored.identical) == same
        return same


def test_nifti_volumes(tmp_path: Path) -> None:
    road = Road(tmp_path)
    brain_volumes(road.source_path)
    report = road.protect()
    assert (report.images, report.files, report.converted) == (4, 4, 0)
    assert {"low/2.nii", "high/3.nii"} <= road.check(largest=8)
    names = {one.name: one.format for one in read_manifest(road.release).files}
    assert names == dict.fromkeys(("high/1.nii.gz", "high/3.nii", "low/0.nii.gz", "low/2.nii"), "nifti")
    packed = [gzip.decompress((tmp_path / one / "low/0.nii.gz").read_bytes()) for one in ("source", "restored")]
    assert packed[0] == packed[1]
    assert open_source(road.release).shape(0) == (1, 20, 18, 16)


def test_pictures_of_every_format_together(tmp_path: Path) -> None:
    road = Road(tmp_path, radius="8/255")
    mixed_pictures(road.source_path)
    report = road.protect()
    assert (report.images, report.converted) == (5, 1)
    assert {"a/coins.mha", "b/moon.nrrd"} <= road.check(largest=8)
    manifest = read_manifest(road.release)
    assert manifest.format == "mixed"
    assert {one.name: (one.source_format, one.format) for one in manifest.files} == {
        "a/camera.tif": ("tiff", "tiff"),
        "a/coins.mha": ("mha", "mha"),
        "a/moon.mha": ("mhd", "mha"),
        "b/camera.png": ("png", "png"),
        "b/moon.nrrd": ("nrrd", "nrrd"),
    }


def test_single_dicom_files(shared_data: Path, tmp_path: Path) -> None:
    road = Road(tmp_path, radius="10 HU")
    ct_files(shared_data, road.source_path)
    report = road.protect()
    assert (report.images, report.radii.levels, report.radii.unit) == (4, (10.0, 10.0), "HU")
    names = {"lower/1-40", "lower/1-41.dcm", "upper/1-01", "upper/1-02.dcm"}
    assert road.check(largest=10) == names
    originals, copies = (
        [pydicom.dcmread(tmp_path / one / name) for name in sorted(names)] for one in ("source", "release")
    )
    assert not {one.SOPInstanceUID for one in originals} & {one.SOPInstanceUID for one in copies}
    assert len({one.SeriesInstanceUID for one in copies}) == 1
    assert [one.PatientID for one in originals] == [one.PatientID for one in copies]


def test_dicom_series_are_volumes(shared_data: Path, tmp_path: Path) -> None:
    _, labels = ct_series(shared_data, tmp_path / "source")
    road = Road(tmp_path, labels=labels)
    report = road.protect()
    assert (report.images, report.files) == (2, 7)
    files = {one.name for one in read_manifest(road.release).files if one.images}
    assert road.check(largest=8) == files
    assert files == {one.relative_to(tmp_path / "source").as_posix() for one in road.source_path.rglob("*.dcm")}
    assert (road.release / "labels.csv").read_text() == labels.read_text()
    assert {one.volume for one in read_manifest(road.release).files} == {"first", "deep/second", ""}
    assert open_source(road.release).shape(0) == (1, 3, 512, 512)
    public = (road.release / "manifest.json").read_text()
    assert not [one for one in SECRETS if one in public]
    assert read_ledger(road.ledger).uid_secret not in public


def test_a_lost_or_foreign_slice_is_found(shared_data: Path, tmp_path: Path) -> None:
    _, labels = ct_series(shared_data, tmp_path / "source")
    road = Road(tmp_path, labels=labels)
    road.protect()
    lost = road.release / "first/1-02.dcm"
    data = lost.read_bytes()
    lost.unlink()
    for ledger in (None, road.ledger):
        report = verify_release(road.release, ledger)
        assert any(one.file == "first/1-02.dcm" and "is missing" in one.reason for one in report.failures)
    restored = restore_release(road.release, road.ledger, tmp_path / "part")
    assert (restored.images, [one.file for one in restored.failures]) == (1, ["first/1-02.dcm"])
    shutil.copy(road.release / "first/1-03.dcm", lost)
    reasons = " ".join(str(one) for one in verify_release(road.release, road.ledger).failures)
    assert "released pixels minus stored delta are not the original" in reasons
    lost.write_bytes(data)
    assert verify_release(road.release, road.ledger).held


def test_a_killed_run_goes_on_with_the_same_uids(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, labels = ct_series(shared_data, tmp_path / "source")
    road = Road(tmp_path, labels=labels)
    hashed: list[Path] = []

    def killed(path: Path) -> str:
        hashed.append(path)
        if len(hashed) == 4:
            raise KeyboardInterrupt
        return file_sha256(path)

    with monkeypatch.context() as patch:
        patch.setattr(file_writer, "file_sha256", killed)
        patch.setattr(writer, "_BATCH_FILES", 1)
        with pytest.raises(KeyboardInterrupt):
            road.protect()
    begun = {one: one.read_bytes() for one in road.release.rglob("*.dcm")}
    assert 0 < len(begun) < 6
    assert road.protect().resumed
    for path, content in begun.items():
        assert path.read_bytes() == content
    assert len({pydicom.dcmread(one).SeriesInstanceUID for one in road.release.rglob("*.dcm")}) == 1
    assert len(road.check(largest=8)) == 6


def test_an_older_ledger_is_refused(tmp_path: Path) -> None:
    road = Road(tmp_path, radius="8/255")
    mixed_pictures(road.source_path)
    road.protect()
    content = json.loads((road.ledger / "ledger.json").read_text())
    (road.ledger / "ledger.json").write_text(json.dumps(content | {"version": 1}))
    with pytest.raises(
        ValueError,
        match=r"is a ledger of version 1, and this package reads version 4\. Use the version of this package",
    ):
        verify_release(road.release, road.ledger)


def test_the_owner_is_told_what_stays_in_the_release(shared_data: Path, tmp_path: Path) -> None:
    _, labels = ct_series(shared_data, tmp_path / "source")
    (tmp_path / "source/first/1-02.dcm").unlink()
    (tmp_path / "source/first/notes.txt").write_text("no slice")
    one = pydicom.dcmread(tmp_path / "source/first/1-01.dcm")
    one.private_block(0x0029, "A COPY", create=True).add_new(0x10, "OB", bytes(5000))
    one.save_as(tmp_path / "source/first/1-01.dcm")
    notices = Road(tmp_path, labels=labels).protect().notices
    assert any(one.startswith("first: notes.txt is left out: it is no DICOM file") for one in notices)
    assert any("first/1-01.dcm: private elements as large as an image stay in the release" in one for one in notices)


def test_the_l2_budget_of_a_volume_holds_for_all_slices_together(shared_data: Path, tmp_path: Path) -> None:
    _, labels = ct_series(shared_data, tmp_path / "source")
    road = Road(tmp_path, labels=labels)
    report = protect(
        road.source_path,
        output=road.release,
        ledger=road.ledger,
        labels=labels,
        recipe=SyntheticRecipe(),
        radius="1500 levels",
        norm=L2Budget,
        seed=3,
    )
    assert report.held
    deltas = MappedStore.open(road.ledger / "deltas")
    lengths = [float(np.linalg.norm(deltas.read([name]).double())) for name in ("first", "deep/second")]
    assert 500 < max(lengths) <= 1500
    path = road.ledger / "ledger.json"
    content = json.loads(path.read_text())
    content["budgets"][0]["radius_levels"] = max(lengths) - 1  # every slice alone is still inside
    path.write_text(json.dumps(content))
    failures = verify_release(road.release, road.ledger).failures
    assert any("changed by" in one.reason and one.sample_id in ("first", "deep/second") for one in failures)


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, RLELossless, DeflatedExplicitVRLittleEndian])
def test_compressed_dicom_files_give_back_every_pixel(shared_data: Path, tmp_path: Path, syntax: str) -> None:
    road = Road(tmp_path)
    ct_files(shared_data, road.source_path)
    for path in [one for one in road.source_path.rglob("*") if one.is_file()]:
        one = pydicom.dcmread(path)
        if syntax == DeflatedExplicitVRLittleEndian:
            one.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        else:
            one.compress(syntax, generate_instance_uid=False)
        one.save_as(path)
    originals = {one: pydicom.dcmread(one) for one in road.source_path.rglob("*") if one.is_file()}
    assert road.protect().held
    road.check(largest=8)
    for path, original in originals.items():
        name = path.relative_to(road.source_path)
        back = pydicom.dcmread(tmp_path / "restored" / name)
        assert np.array_equal(back.pixel_array, original.pixel_array)
        assert back.SOPInstanceUID == original.SOPInstanceUID
        assert pydicom.dcmread(road.release / name).file_meta.TransferSyntaxUID == syntax
