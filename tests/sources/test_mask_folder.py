"""Images beside masks: which mask belongs to which image, and what is no segmentation set."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources import ClassFolderSource, CsvSource, MaskFolderSource, Task, check_masks, open_source
from monai_unlearnable.sources.mask_folder import pair_by_name
from tests.sources.files import grey, save

HALF = np.array([[0, 0, 1, 1]] * 4, dtype=np.uint8)


def put(root: Path, images: list[str], masks: list[str], *, folder: str = "masks") -> Path:
    for seed, name in enumerate(images):
        save(root / "images" / name, grey(seed=seed))
    (root / folder).mkdir(parents=True, exist_ok=True)
    for name in masks:
        save(root / folder / name, HALF * 255 if name.endswith("jpg") else HALF)
    return root


@pytest.mark.parametrize("folder", ["masks", "labels"])
def test_equal_names(tmp_path: Path, folder: str) -> None:
    put(tmp_path, ["b.jpg", "a.png"], ["a.png", "b.bmp"], folder=folder)
    source = open_source(tmp_path)
    assert isinstance(source, MaskFolderSource)
    assert (source.task, source.class_names) == (Task.SEGMENTATION, ("0", "1"))
    assert source.sample_ids == ("images/a.png", "images/b.jpg")
    assert source.masks == (f"{folder}/a.png", f"{folder}/b.bmp")
    assert source.labels.tolist() == [[1, 1], [1, 1]]
    assert all(np.array_equal(sample.label, HALF) for sample in source)
    source.check_readable()


def test_equal_numbers_at_the_end(tmp_path: Path) -> None:
    source = open_source(put(tmp_path, ["scan_1.png", "scan_2.jpg"], ["m-0002.jpg", "m-0001.jpg", "m-7.png"]))
    assert isinstance(source, MaskFolderSource)
    assert source.masks == ("masks/m-0001.jpg", "masks/m-0002.jpg")
    assert source.ignored_files == ("masks/m-7.png",)


def test_what_else_lies_there_is_ignored(tmp_path: Path) -> None:
    put(tmp_path, ["a.png"], ["a.png", "spare.png"])
    for name in ("images/notes.txt", "masks/Thumbs.db", "readme.md", "images/.hidden.png", "extra/.hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("no picture")
    save(tmp_path / "extra/deep/b.png")
    source = open_source(tmp_path)
    assert source.sample_ids == ("images/a.png",)
    assert sorted(source.ignored_files) == [
        "extra/deep/b.png",
        "images/notes.txt",
        "masks/Thumbs.db",
        "masks/spare.png",
        "readme.md",
    ]


def test_an_image_without_a_mask(tmp_path: Path) -> None:
    put(tmp_path, ["a.png", "b.png", "c.png", "d.png"], ["a.png", "c.png", "d.png"])
    shutil.move(tmp_path / "masks/d.png", tmp_path / "masks/d.gif")
    with pytest.raises(SourceError, match=r"images/b\.png: has no mask: .* a CSV file of file,mask; or, if these are"):
        open_source(tmp_path)
    source = open_source(tmp_path, on_error="skip")
    assert source.sample_ids == ("images/a.png", "images/c.png")
    assert [one.name for one in source.skipped] == ["images/b.png", "images/d.png"]
    assert source.skipped[1].reason.startswith("its mask masks/d.gif is no mask that can be released as it is (PNG")


def test_an_empty_mask(tmp_path: Path) -> None:
    put(tmp_path, ["a.png", "b.png"], ["a.png", "b.png"])
    save(tmp_path / "masks/b.png", HALF * 0)
    with pytest.raises(SourceError, match=r"masks/b\.png: shows nothing but background"):
        open_source(tmp_path)
    source = open_source(tmp_path, on_error="skip")
    assert (source.sample_ids, [one.name for one in source.skipped]) == (("images/a.png",), ["images/b.png"])
    assert open_source(tmp_path, allow_empty_masks=True).labels.tolist() == [[1, 1], [1, 0]]


def test_class_folders_of_these_names_are_not_taken_for_it(tmp_path: Path) -> None:
    put(tmp_path, ["cat.png", "dog.png"], ["carnival.png", "venice.png"])
    with pytest.raises(SourceError, match=r"images/cat\.png: has no mask: no file in 'masks' has its name.*file,label"):
        open_source(tmp_path)
    with pytest.raises(SourceError, match=r"'images' holds no image with a mask\. The first: images/cat\.png: has no"):
        open_source(tmp_path, on_error="skip")
    assert isinstance(ClassFolderSource(tmp_path), ClassFolderSource)
    (tmp_path / "labels.csv").write_text("file,label\nimages/cat.png,image\nmasks/venice.png,mask\n")
    assert isinstance(open_source(tmp_path), CsvSource)


def test_refuses(tmp_path: Path) -> None:
    put(tmp_path / "both", ["a.png"], ["a.png"])
    put(tmp_path / "both", [], ["a.png"], folder="labels")
    put(tmp_path / "twice", ["a.png", "a.jpg"], ["a.png"])
    put(tmp_path / "twice_masks", ["a.png"], ["a.png", "a.bmp"])
    put(tmp_path / "deep", ["case/a.png"], ["a.png"])
    put(tmp_path / "other", ["a.png"], ["a.png"])
    (tmp_path / "other/images/b.gif").write_text("")
    put(tmp_path / "colours", ["a.png"], [])
    save(tmp_path / "colours/masks/a.png", np.random.default_rng(0).integers(0, 9, (4, 4, 3)).astype(np.uint8))
    (put(tmp_path / "none", [], ["a.png"]) / "images").mkdir()
    for name, message in (
        ("both", "beside the folder 'images' there must be one of 'masks' or 'labels', not both"),
        ("twice", r"'a\.jpg' and 'a\.png' differ in nothing but their ending"),
        ("twice_masks", r"'a\.bmp' and 'a\.png' differ in nothing but their ending"),
        ("deep", "is a folder inside the folder of images; images must lie right in it"),
        ("other", r"b\.gif: only PNG, JPEG"),
        ("colours", r"masks/a\.png: holds colours"),
        ("none", "'images' holds no image with a mask"),
    ):
        with pytest.raises(SourceError, match=message) as caught:
            open_source(tmp_path / name)
        assert str(caught.value).startswith(str(tmp_path / name))
    with pytest.raises(SourceError, match="one of 'masks' or 'labels', not none"):
        MaskFolderSource(tmp_path)


stems = st.text(st.sampled_from("ab_019"), min_size=1, max_size=5)


@example(images={"a_1", "b_1"}, masks={"1"})
@example(images={"a_1"}, masks={"b_1", "1"})
@example(images={"a_1", "b_9"}, masks={"b_01", "a_9"})
@given(images=st.sets(stems, min_size=1, max_size=6), masks=st.sets(stems, max_size=6))
def test_pairs_are_by_name_or_else_by_a_number_that_is_unique(images: set[str], masks: set[str]) -> None:
    found = pair_by_name([f"{one}.png" for one in images], [f"{one}.nii.gz" for one in masks], where=Path("set"))
    pairs = {image.removesuffix(".png"): mask.removesuffix(".nii.gz") for image, mask in found.items()}
    assert len(set(pairs.values())) == len(pairs)
    if images & masks:
        assert pairs == {one: one for one in images & masks}
        return

    def number(name: str) -> int | None:
        digits = name[len(name.rstrip("019")) :]
        return int(digits) if digits else None

    ours, theirs = ([number(one) for one in names] for names in (images, masks))
    if any(one is None or names.count(one) > 1 for names in (ours, theirs) for one in names):
        assert pairs == {}
    else:
        assert pairs == {image: mask for image in images for mask in masks if number(image) == number(mask)}


def test_a_series_is_one_image(shared_data: Path, tmp_path: Path) -> None:
    scan = tmp_path / "images/scan7"
    scan.mkdir(parents=True)
    for number in range(1, 4):
        shutil.copy(shared_data / f"dicom/ct_chest/1-{number:02d}.dcm", scan)
    (tmp_path / "masks").mkdir()
    mask = np.zeros((512, 512, 3), dtype=np.uint8)
    mask[100:200] = 1
    affine: Any = np.eye(4)
    nib.save(nib.Nifti1Image(mask, affine), tmp_path / "masks/scan7.nii.gz")
    with pytest.raises(
        SourceError, match=r"masks/scan7\.nii\.gz: does not fit its image scan7: its voxels lie in other"
    ):
        open_source(tmp_path)
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(scan)))
    bone = SimpleITK.Cast(reader.Execute() > 200, SimpleITK.sitkUInt8)
    SimpleITK.WriteImage(SimpleITK.Flip(bone, (False, True, False)), str(tmp_path / "masks/scan7.nii.gz"))
    source = open_source(tmp_path)
    assert source.sample_ids == ("images/scan7",) and source.header(0).format == "dicom"
    assert np.array_equal(source.label(0), SimpleITK.GetArrayFromImage(bone))


def test_kvasir(shared_data: Path, tmp_path: Path) -> None:
    for number in range(1, 7):
        for kind, name in (("images", "colonoscopy"), ("masks", "mask")):
            (tmp_path / kind).mkdir(exist_ok=True)
            shutil.copy(shared_data / f"kvasir_seg/{kind}/{name}_{number:04d}.jpg", tmp_path / kind)
    source = open_source(tmp_path)
    assert isinstance(source, MaskFolderSource)
    assert len(source) == 6 and source.labels.tolist() == [[1, 1]] * 6
    source.check_readable()
    for index in range(6):
        digits = source.sample_ids[index][-8:-4]
        assert source.masks[index] == f"masks/mask_{digits}.jpg"
        expected = np.asarray(Image.open(tmp_path / source.masks[index]).convert("L")) > 127
        assert np.array_equal(source.label(index), expected)
        assert source.shape(index)[1:] == expected.shape


def test_hippocampus(shared_data: Path) -> None:
    source = open_source(shared_data / "msd_hippocampus")
    assert isinstance(source, MaskFolderSource)
    assert (len(source), source.class_names, source.ignored_files) == (260, ("0", "1", "2"), ())
    assert source.labels.all()
    check_masks(source)
    for index in range(0, 260, 37):
        path = shared_data / "msd_hippocampus/labels" / Path(source.sample_ids[index]).name
        expected = nib.load(path).get_fdata()  # type: ignore[attr-defined]
        assert np.array_equal(source.label(index), expected) and source.label(index).dtype == np.int64
