"""Lists, masks, neutral names and files left out, on the whole road."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from monai.data import load_decathlon_datalist
from numpy.typing import NDArray
from pydicom.data import get_testdata_file

from monai_unlearnable.audit.pairing import open_data
from monai_unlearnable.errors import LedgerError, SourceError
from monai_unlearnable.release import ReleaseOptions, file_writer, read_ledger, restore_release, verify_release, writer
from monai_unlearnable.release.hashing import file_sha256
from monai_unlearnable.release.owner import original_ids
from monai_unlearnable.sources import open_source
from monai_unlearnable.workflows import ProtectReport, SyntheticRecipe, protect
from monai_unlearnable.workflows.report import Outcome
from tests.sources.files import grey, save
from tests.workflows.medical import ct_series

NAMES = ("Smith_John", "Doe_Jane", "Roe_Richard", "Loe_Laura")


def run(root: Path, *, labels: Path | None = None, **options: Any) -> ProtectReport:
    return protect(
        root / "source",
        output=root / "release",
        ledger=root / "ledger",
        labels=labels,
        recipe=SyntheticRecipe(),
        radius="8 levels",
        seed=3,
        **options,
    )


def public_text(release: Path) -> str:
    """Every name and every text of a release."""
    texts = [one.relative_to(release).as_posix() for one in sorted(release.rglob("*"))]
    return "\n".join(
        [*texts, *(one.read_text() for one in release.rglob("*.json")), *map(Path.read_text, release.rglob("*.csv"))]
    )


def voxels(path: Path) -> NDArray[Any]:
    image: Any = nib.load(path)
    return np.asarray(image.dataobj)


def decathlon(root: Path, *, file: str = "dataset.json") -> Path:
    """Write a Decathlon folder of four volumes and masks with a class each, and a test section that is not there."""
    items = []
    for number, name in enumerate(NAMES):
        level = np.random.default_rng(number).integers(0, 200, (9, 8, 7)).astype(np.uint8)
        for folder, data in (("imagesTr", level), ("labelsTr", (level > 100).astype(np.uint8))):
            (root / "source" / folder).mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(data, np.diag([1.0, 2, 3, 1])), root / f"source/{folder}/{name}.nii.gz")
        items.append(
            {
                "image": f"./imagesTr/{name}.nii.gz",
                "label": f"./labelsTr/{name}.nii.gz",
                "class": number % 2,
                "fold": number,
            }
        )
    path = root / "source" / file
    path.write_text(json.dumps({"name": "study of Dr. Who", "training": items, "test": ["./imagesTs/x.nii.gz"]}))
    return path


def test_the_same_code_loads_a_decathlon_and_its_release(tmp_path: Path) -> None:
    report = run(tmp_path, labels=decathlon(tmp_path))
    assert report.held and (report.images, report.files) == (4, 9)
    found = {}
    for name in ("source", "release"):
        root = tmp_path / name
        items = load_decathlon_datalist(root / "dataset.json", is_segmentation=True, data_list_key="training")
        found[name] = [
            (
                str(Path(one["image"]).relative_to(root)),
                str(Path(one["label"]).relative_to(root)),
                one["class"],
                one["fold"],
            )
            for one in items
        ]
        assert all(voxels(one["image"]).shape == voxels(one["label"]).shape for one in items)
    assert found["source"] == found["release"]
    for mask in (tmp_path / "source/labelsTr").iterdir():
        assert (tmp_path / "release/labelsTr" / mask.name).read_bytes() == mask.read_bytes()
    assert "Dr. Who" not in public_text(tmp_path / "release")
    assert verify_release(tmp_path / "release").held
    restored = restore_release(tmp_path / "release", tmp_path / "ledger", tmp_path / "restored")
    assert restored.held and restored.images == 4
    for name in NAMES:
        ours, theirs = (voxels(tmp_path / one / f"imagesTr/{name}.nii.gz") for one in ("source", "restored"))
        assert np.array_equal(ours, theirs)


def test_a_changed_or_lost_mask_is_found(tmp_path: Path) -> None:
    run(tmp_path, labels=decathlon(tmp_path))
    mask = tmp_path / "release/labelsTr/Doe_Jane.nii.gz"
    data = mask.read_bytes()
    mask.write_bytes(data + b"\0")
    for ledger in (None, tmp_path / "ledger"):
        failures = verify_release(tmp_path / "release", ledger).failures
        assert any(one.file == "labelsTr/Doe_Jane.nii.gz" and "checksum" in one.reason for one in failures)
    restored = restore_release(tmp_path / "release", tmp_path / "ledger", tmp_path / "restored")
    assert [one.file for one in restored.failures] == ["labelsTr/Doe_Jane.nii.gz"]
    mask.unlink()
    assert any("is missing" in one.reason for one in verify_release(tmp_path / "release").failures)


@pytest.mark.parametrize("kind", ["datalist", "csv"])
def test_neutral_names_stay_in_the_ledger(tmp_path: Path, kind: str) -> None:
    labels = decathlon(tmp_path)
    if kind == "csv":
        labels.unlink()
        labels = tmp_path / "source/labels.csv"
        rows = [f"imagesTr/{name}.nii.gz,labelsTr/{name}.nii.gz,{number % 2}" for number, name in enumerate(NAMES)]
        labels.write_text("\n".join(["file,mask,label", *rows]) + "\n")
    report = run(tmp_path, labels=labels, options=ReleaseOptions(rename=True))
    assert report.held
    text = public_text(tmp_path / "release")
    assert not [name for name in (*NAMES, *" ".join(NAMES).replace("_", " ").split()) if name in text]
    names = {one.name for one in (tmp_path / "release").iterdir()}
    numbers = {f"{what}-{number:06d}.nii.gz" for what in ("image", "mask") for number in range(1, 5)}
    assert names == numbers | {"manifest.json", "dataset.json" if kind == "datalist" else "labels.csv"}
    source, released = open_source(tmp_path / "source", labels), open_source(tmp_path / "release")
    known = original_ids(tmp_path / "ledger")
    for index, sample_id in enumerate(released.sample_ids):
        origin = source.sample_ids.index(known[sample_id])
        assert np.array_equal(released.labels[index], source.labels[origin])
        ours, theirs = source.mask_path(origin), released.mask_path(index)
        assert ours is not None and theirs is not None and ours.read_bytes() == theirs.read_bytes()
    restored = restore_release(tmp_path / "release", tmp_path / "ledger", tmp_path / "restored")
    assert restored.held
    back = open_source(tmp_path / "restored")
    assert back.sample_ids == source.sample_ids and back.labels.tolist() == source.labels.tolist()
    assert all(np.array_equal(back.read(index), source.read(index)) for index in range(4))
    assert back.mask_path(2) == tmp_path / "restored/labelsTr/Roe_Richard.nii.gz"


def test_neutral_names_say_nothing_of_the_order_and_are_kept_by_a_resumed_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(24):
        save(tmp_path / f"source/{'ab'[number % 2]}/{number:02d}.png", grey(size_px=12, seed=number))
    hashed: list[Path] = []

    def killed(path: Path) -> str:
        hashed.append(path)
        if len(hashed) == 20:
            raise KeyboardInterrupt
        return file_sha256(path)

    with monkeypatch.context() as patch:
        patch.setattr(file_writer, "file_sha256", killed)
        patch.setattr(writer, "_BATCH_FILES", 4)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, options=ReleaseOptions(rename=True))
    begun = {one: one.read_bytes() for one in (tmp_path / "release").rglob("*.png")}
    assert begun
    assert run(tmp_path, options=ReleaseOptions(rename=True)).resumed
    assert all(path.read_bytes() == content for path, content in begun.items())
    known = original_ids(tmp_path / "ledger")
    assert {Path(new).parent.name for new in known} == {"a", "b"}
    assert sorted(int(re.findall(r"\d+", new)[0]) for new in known) == list(range(1, 25))
    order = [known[new] for new in sorted(known, key=lambda name: name.split("-")[1])]
    assert order != sorted(order) and order != sorted(order, key=lambda name: name.split("/")[1])
    listed = [one["name"] for one in json.loads((tmp_path / "release/manifest.json").read_text())["files"]]
    assert listed == sorted(listed)


def test_an_audit_pairs_renamed_images_with_the_ledgers_names(tmp_path: Path) -> None:
    run(tmp_path, labels=(labels := decathlon(tmp_path)), options=ReleaseOptions(rename=True))
    with pytest.raises(ValueError, match=r"no released image has a clean original of its name.*the ledger"):
        open_data(tmp_path / "release", clean=tmp_path / "source", labels=labels)
    data = open_data(
        tmp_path / "release", clean=tmp_path / "source", labels=labels, names=original_ids(tmp_path / "ledger")
    )
    assert len(data.pairs) == 4
    for released, clean in data.pairs:
        difference = data.release.read(released).astype(int) - data.clean.read(clean).astype(int)
        assert 0 < np.abs(difference).max() <= 8


def test_files_that_cannot_be_read_are_skipped_and_named_everywhere(tmp_path: Path) -> None:
    for number in range(6):
        save(tmp_path / f"source/{'ab'[number % 2]}/{number}.png", grey(size_px=12, seed=number))
    (tmp_path / "source/a/0.png").write_bytes((tmp_path / "source/a/0.png").read_bytes()[:60])
    (tmp_path / "source/b/anim.gif").write_bytes(b"GIF89a")
    (tmp_path / "source/b/notes.txt").write_text("no image")
    with pytest.raises(SourceError, match=r"anim\.gif: only PNG"):
        run(tmp_path)
    assert not (tmp_path / "release").exists() and not (tmp_path / "ledger").exists()
    report = run(tmp_path, on_error="skip")
    assert not report.held and report.verification.held and report.images == 5
    assert report.class_counts == {"a": 2, "b": 3}
    outcomes = {one.file: (one.outcome, one.released) for one in report.outcomes}
    assert outcomes == {
        **{f"{'ab'[one % 2]}/{one}.png": (Outcome.PROTECTED, f"{'ab'[one % 2]}/{one}.png") for one in range(1, 6)},
        "a/0.png": (Outcome.SKIPPED, ""),
        "b/anim.gif": (Outcome.SKIPPED, ""),
        "b/notes.txt": (Outcome.IGNORED, ""),
    }
    said = json.loads(report.to_json())
    assert said["held"] is False and len(said["outcomes"]) == 8
    kept = read_ledger(tmp_path / "ledger").configuration["skipped"]
    assert set(kept) == {"a/0.png", "b/anim.gif"} and str(tmp_path) not in json.dumps(kept)
    assert "anim" not in public_text(tmp_path / "release")
    assert restore_release(tmp_path / "release", tmp_path / "ledger", tmp_path / "restored").images == 5


def test_a_class_that_nothing_is_left_of_stops_the_run(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png"):
        save(tmp_path / "source" / name)
    (tmp_path / "source/b/1.png").write_bytes(b"damaged")
    with pytest.raises(SourceError, match=r"no image of class 'b' can be read\. The first: b/1\.png: is not a picture"):
        run(tmp_path, on_error="skip")
    with pytest.raises(SourceError, match=r"on_error='ignore': must be 'stop' or 'skip'"):
        run(tmp_path, on_error="ignore")


def test_other_options_are_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = decathlon(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(writer, "write_bytes", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, labels=labels)
    for name in ("rename", "drop_private_tags", "reference_source", "allow_lossy", "keep_compressed"):
        with pytest.raises(LedgerError, match=rf"release\.{name} is False there and True here"):
            run(tmp_path, labels=labels, options=ReleaseOptions(**{name: True}))
    assert run(tmp_path, labels=labels).resumed


def test_private_elements_can_be_left_out_and_come_back(shared_data: Path, tmp_path: Path) -> None:
    _, labels = ct_series(shared_data, tmp_path / "source")
    one = pydicom.dcmread(tmp_path / "source/first/1-01.dcm")
    one.private_block(0x0029, "A COPY", create=True).add_new(0x10, "OB", bytes(5000))
    one.save_as(tmp_path / "source/first/1-01.dcm")
    report = run(tmp_path, labels=labels, options=ReleaseOptions(drop_private_tags=True, reference_source=True))
    assert report.held and not [one for one in report.notices if "private" in one]
    for path in (tmp_path / "release").rglob("*.dcm"):
        released = pydicom.dcmread(path)
        assert not [element for element in released.iterall() if element.tag.is_private]
        original = pydicom.dcmread(tmp_path / "source" / path.relative_to(tmp_path / "release"))
        assert released.SourceImageSequence[-1].ReferencedSOPInstanceUID == original.SOPInstanceUID
    restored = restore_release(tmp_path / "release", tmp_path / "ledger", tmp_path / "restored")
    assert restored.held and len(restored.identical) == 6


@pytest.mark.parametrize("keep", [False, True])
def test_lossy_files_are_taken_on_demand(tmp_path: Path, keep: bool) -> None:
    lossy = get_testdata_file("JPEG2000.dcm", download=False)
    for name in ("a/1.dcm", "a/2.dcm", "b/1.dcm", "b/2.dcm"):
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(str(lossy), tmp_path / "source" / name)
    with pytest.raises(SourceError, match="which loses something at every writing"):
        run(tmp_path)
    report = run(tmp_path, options=ReleaseOptions(allow_lossy=True, keep_compressed=keep))
    assert report.held
    restored = restore_release(tmp_path / "release", tmp_path / "ledger", tmp_path / "restored")
    assert restored.held and len(restored.identical) == (4 if keep else 0)
    data = open_data(tmp_path / "release", clean=tmp_path / "source")
    assert len(data.pairs) == 4


def test_class_folders_that_are_patients_show_in_the_counts(shared_data: Path, tmp_path: Path) -> None:
    ct_series(shared_data, tmp_path / "source")
    (tmp_path / "source/first").rename(tmp_path / "source/series")
    (tmp_path / "source/Smith_John").mkdir()
    (tmp_path / "source/series").rename(tmp_path / "source/Smith_John/first")
    report = run(tmp_path)
    assert report.class_counts == {"Smith_John": 1, "deep": 1}
    assert any("looks like a person's name, such as 'Smith_John'" in one for one in report.notices)


def test_what_no_release_can_be_made_of_is_found_before_anything_is_computed(tmp_path: Path) -> None:
    for number in range(2):
        made = pydicom.dcmread(str(get_testdata_file("CT_small.dcm", download=False)))
        if number:
            del made.SOPInstanceUID
        (tmp_path / f"source/{'ab'[number]}").mkdir(parents=True)
        made.save_as(tmp_path / f"source/{'ab'[number]}/{number}.dcm")
    with pytest.raises(ValueError, match=r"b/1\.dcm: has no SOPInstanceUID, so it cannot get a new one\. Take it out"):
        run(tmp_path)
    assert not (tmp_path / "ledger").exists()


def test_packed_masks_that_hold_a_name_are_noted(tmp_path: Path) -> None:
    labels = decathlon(tmp_path)
    mask = tmp_path / "source/labelsTr/Doe_Jane.nii.gz"
    content = gzip.decompress(mask.read_bytes())
    for one in (tmp_path / "source/labelsTr").iterdir():
        data = gzip.decompress(one.read_bytes())
        with one.open("wb") as stream, gzip.GzipFile("Jane.nii" if one == mask else "", "wb", fileobj=stream) as packed:
            packed.write(data)
    assert gzip.decompress(mask.read_bytes()) == content
    notices = run(tmp_path, labels=labels, options=ReleaseOptions(rename=True)).notices
    assert [one for one in notices if "mask" in one] == [
        "labelsTr/Doe_Jane.nii.gz: the packed mask holds a file name of its own."
    ]
