"""A mask's numbers lie on its image's voxels, whatever order the two files have their axes in."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray
from PIL import Image

from monai_unlearnable.audit.fidelity import measure_fidelity
from monai_unlearnable.sources import open_source
from monai_unlearnable.sources.base import Source
from tests.benchmarks.release_files import write_series


def _labels(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 4, shape).astype(np.uint8)


def _listed(folder: Path, image: str, mask: str) -> Source:
    (folder / "labels.csv").write_text(f"file,label,mask\n{image},one,{mask}\n", encoding="utf-8")
    return open_source(folder)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_nifti_mask_of_a_dicom_series_is_turned_onto_it(order: tuple[int, ...], tmp_path: Path) -> None:
    labels = _labels(4, 6, 5)  # slice, row, column
    for number, signs in enumerate(product((1, -1), repeat=3)):
        folder = tmp_path / str(number)
        write_series(labels.astype(np.int16), folder / "series", number=1)
        reader = SimpleITK.ImageSeriesReader()
        reader.SetFileNames(sorted(map(str, (folder / "series").iterdir())))
        SimpleITK.WriteImage(SimpleITK.Cast(reader.Execute(), SimpleITK.sitkUInt8), str(folder / "plain.nii"))
        # SimpleITK rescales: its numbers are the labels' less 1024, cut to a byte. Only its geometry is of use.
        affine = nib.load(folder / "plain.nii").affine  # type: ignore[attr-defined]
        (folder / "plain.nii").unlink()
        turned: Any = nib.Nifti1Image(labels.T, affine).as_reoriented(np.array(list(zip(order, signs, strict=True))))
        nib.save(turned, folder / "mask.nii.gz")
        source = _listed(folder, "series", "mask.nii.gz")
        source.check_image(0)
        found = source.mask_labels(0)
        assert found is not None and np.array_equal(found, labels)


def test_regions_of_a_listed_mask_are_measured(tmp_path: Path) -> None:
    labels = _labels(7, 6, 5)
    image = nib.Nifti1Image(np.full((7, 6, 5), 100, np.int16), np.diag([-1, -2, 3, 1]))
    nib.save(image, tmp_path / "image.nii")
    nib.save(nib.Nifti1Image(labels.astype(np.float32), image.affine), tmp_path / "mask.nii")
    source = _listed(tmp_path, "image.nii", "mask.nii")
    regions = measure_fidelity(source, source, [(0, 0)], labels=source.mask_labels).regions
    assert {one.name: one.voxels for one in regions} == {
        f"label {number}": int((labels == number).sum()) for number in (1, 2, 3)
    }


@pytest.mark.parametrize(("mode", "expected"), [("L", True), ("P", True), ("1", True), ("RGB", False)])
def test_pictures_of_numbers_are_labels_and_colours_are_not(mode: str, expected: bool, tmp_path: Path) -> None:
    labels = _labels(8, 9) // 2 * 255
    Image.fromarray(labels).save(tmp_path / "image.png")
    Image.fromarray(labels).convert(mode).save(tmp_path / "mask.png")
    found = _listed(tmp_path, "image.png", "mask.png").mask_labels(0)
    assert (found is not None) is expected
    if found is not None:
        assert np.array_equal(found > 0, labels > 0)


@pytest.mark.parametrize("value", [-1.0, 0.5])
def test_numbers_that_are_no_labels_give_none(value: float, tmp_path: Path) -> None:
    for name, number in (("image.nii", 3.0), ("mask.nii", value)):
        levels = np.full((3, 4, 5), number, np.int16 if name == "image.nii" else np.float32)
        nib.save(nib.Nifti1Image(levels, np.eye(4)), tmp_path / name)
    assert _listed(tmp_path, "image.nii", "mask.nii").mask_labels(0) is None


def test_without_masks_there_are_no_labels(tmp_path: Path) -> None:
    Image.fromarray(_labels(4, 4)).save(tmp_path / "image.png")
    (tmp_path / "labels.csv").write_text("file,label\nimage.png,one\n", encoding="utf-8")
    assert open_source(tmp_path).mask_labels(0) is None
