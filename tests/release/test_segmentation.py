"""Segmentation sets there and back: images protected, masks byte for byte, and the same set when it is opened again."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from monai_unlearnable.release import read_manifest, restore_release, verify_release
from monai_unlearnable.release.ledger import Ledger
from monai_unlearnable.release.options import OPTIONS_KEY
from monai_unlearnable.sources import MaskFolderSource, Source, Task, open_source
from tests.release.building import SEED, Built
from tests.sources.files import save

RENAMED = {"seed": SEED, "radius": "8 levels", OPTIONS_KEY: {"rename": True}}
USUAL = {"seed": SEED, "radius": "8 levels"}


def pictures(root: Path) -> Path:
    """Images of several kinds with masks of several kinds, paired by the numbers at their ends."""
    generator = np.random.default_rng(0)
    for number, ending in enumerate(("jpg", "png", "bmp", "jpeg"), start=7):
        height, width = 12 + number, 16
        shape = (height, width) if ending == "bmp" else (height, width, 3)
        save(root / f"images/colonoscopy_{number:04d}.{ending}", generator.integers(0, 256, shape).astype(np.uint8))
        mask = np.zeros((height, width), dtype=np.uint8)
        mask[4 : 4 + number, 3:9] = 255
        save(root / f"masks/mask_{number:04d}.{'png' if number % 2 else 'jpg'}", mask)
    return root


def volumes(root: Path) -> Path:
    generator = np.random.default_rng(0)
    for number in range(3):
        for folder, array in (
            ("images", generator.integers(0, 900, (6, 7, 5)).astype(np.int16)),
            ("labels", generator.integers(0, 3 if number else 2, (6, 7, 5)).astype(np.float32)),
        ):
            path = root / folder / f"case_{number}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(array, np.diag([1.0, 2, 3, 1])), path)
    return root


def by_origin(source: Source, released: Source, ledger: Path) -> list[tuple[int, int]]:
    """Pair images with the ledger's words: the released one's index, and the original's."""
    names = {file.name: file.samples[0].sample_id for file in Ledger(ledger).read().files if file.samples}
    return [(index, source.sample_ids.index(names[one])) for index, one in enumerate(released.sample_ids)]


def check_road(built: Built) -> None:
    source = built.source()
    manifest = built.write()
    assert manifest.task == "segmentation" and manifest.class_names == source.class_names
    assert read_manifest(built.release) == manifest
    for report in (verify_release(built.release), verify_release(built.release, built.ledger)):
        assert report.held, report.failures
        assert report.images == len(source)
    assert 0 < report.largest_delta_levels <= 8
    released = open_source(built.release, allow_empty_masks=built.allow_empty_masks)
    assert type(released) is type(source) and released.task is Task.SEGMENTATION
    assert released.class_names == source.class_names
    pairs = by_origin(source, released, built.ledger)
    assert sorted(origin for _, origin in pairs) == list(range(len(source)))
    for index, origin in pairs:
        ours, theirs = source.mask_path(origin), released.mask_path(index)
        assert ours is not None and theirs is not None and ours.read_bytes() == theirs.read_bytes()
        assert np.array_equal(released.label(index), source.label(origin))
        assert np.array_equal(released.labels[index], source.labels[origin])
        change = released.read(index).astype(int) - source.read(origin).astype(int)
        assert 0 < np.abs(change).max() <= 8
    rows = {one.samples[0].sample_id: one.samples[0].label for one in Ledger(built.ledger).read().files if one.samples}
    assert rows == {one: source.labels[index].tolist() for index, one in enumerate(source.sample_ids)}
    check_way_back(built, source)


def check_way_back(built: Built, source: Source) -> None:
    report = restore_release(built.release, built.ledger, built.root / "restored")
    assert report.held, report.failures
    back = open_source(built.root / "restored", allow_empty_masks=built.allow_empty_masks)
    assert [one.rsplit(".", 1)[0] for one in back.sample_ids] == [one.rsplit(".", 1)[0] for one in source.sample_ids]
    for index in range(len(source)):
        assert np.array_equal(back.read(index), source.read(index))
        assert np.array_equal(back.label(index), source.label(index))
        ours, theirs = source.mask_path(index), back.mask_path(index)
        assert ours is not None and theirs is not None and ours.name == theirs.name
        assert ours.read_bytes() == theirs.read_bytes()


def names_below(folder: Path) -> list[str]:
    return sorted(one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file())


def test_a_folder_of_pictures_keeps_its_structure(tmp_path: Path) -> None:
    check_road(Built(tmp_path, pictures(tmp_path / "source"), configuration=USUAL))
    assert names_below(tmp_path / "release") == [
        *(f"images/colonoscopy_{number:04d}.png" for number in range(7, 11)),
        "manifest.json",
        *(f"masks/mask_{number:04d}.{'png' if number % 2 else 'jpg'}" for number in range(7, 11)),
    ]


def test_renamed_masks_follow_their_images(tmp_path: Path) -> None:
    check_road(Built(tmp_path, pictures(tmp_path / "source"), configuration=RENAMED))
    names = names_below(tmp_path / "release")
    assert names[:5] == [*(f"images/image-00000{number}.png" for number in range(1, 5)), "manifest.json"]
    assert all(re.fullmatch(r"masks/image-00000[1-4]\.(png|jpg)", one) for one in names[5:]) and len(names) == 9
    assert not re.search("colonoscopy|00(07|08|09|10)|mask_", (tmp_path / "release/manifest.json").read_text())


@pytest.mark.parametrize("configuration", [USUAL, RENAMED])
def test_a_folder_of_volumes(tmp_path: Path, configuration: Mapping[str, Any]) -> None:
    check_road(Built(tmp_path, volumes(tmp_path / "source"), configuration=configuration))
    assert {Path(one).parts[0] for one in names_below(tmp_path / "release")} == {"images", "labels", "manifest.json"}


@pytest.mark.parametrize("configuration", [USUAL, RENAMED])
@pytest.mark.parametrize("kind", ["csv", "datalist", "declared"])
def test_lists(tmp_path: Path, kind: str, configuration: Mapping[str, Any]) -> None:
    root = volumes(tmp_path / "source")
    pairs = [(f"images/case_{one}.nii.gz", f"labels/case_{one}.nii.gz") for one in range(3)]
    declared = {"labels": {"0": "background", "1": "anterior", "2": "posterior"}} if kind == "declared" else {}
    if kind == "csv":
        path = root / "labels.csv"
        path.write_text("file,mask\n" + "".join(f"{image},{mask}\n" for image, mask in pairs))
    else:
        path = root / "dataset.json"
        items = [{"image": f"./{image}", "label": f"./{mask}"} for image, mask in pairs]
        path.write_text(json.dumps({**declared, "training": items}))
    check_road(Built(tmp_path, root, configuration=configuration))
    if kind != "csv":
        for folder in ("release", "restored"):
            found = json.loads((tmp_path / folder / "dataset.json").read_text())
            assert found.get("labels") == declared.get("labels")


def test_empty_masks_are_released_and_verified(tmp_path: Path) -> None:
    root = pictures(tmp_path / "source")
    save(root / "masks/mask_0007.png", np.zeros((19, 16), dtype=np.uint8))
    check_road(Built(tmp_path, root, allow_empty_masks=True))
    assert open_source(tmp_path / "release", allow_empty_masks=True).labels.tolist() == [[1, 0]] + [[1, 1]] * 3


def test_a_changed_or_missing_mask_is_found(tmp_path: Path) -> None:
    built = Built(tmp_path, pictures(tmp_path / "source"))
    built.write()
    mask = built.release / "masks/mask_0007.png"
    array = np.asarray(Image.open(mask)).copy()
    array[0, 0] = 255
    save(mask, array)
    assert [(one.file, one.reason) for one in verify_release(built.release).failures] == [
        ("masks/mask_0007.png", "its checksum is not the one that was published")
    ]
    mask.unlink()
    reasons = [str(one) for one in verify_release(built.release, built.ledger).failures]
    assert any("mask_0007.png" in one and "is missing" in one for one in reasons)
    assert any("does not open as a labelled source" in one and "has no mask" in one for one in reasons)


def test_real_files(shared_data: Path, tmp_path: Path) -> None:
    for kind, name in (("images", "colonoscopy"), ("masks", "mask")):
        (tmp_path / "source" / kind).mkdir(parents=True)
        for number in (1, 2):
            shutil.copy(shared_data / f"kvasir_seg/{kind}/{name}_{number:04d}.jpg", tmp_path / "source" / kind)
    check_road(Built(tmp_path, tmp_path / "source", configuration=RENAMED))
    assert isinstance(open_source(tmp_path / "release"), MaskFolderSource)
