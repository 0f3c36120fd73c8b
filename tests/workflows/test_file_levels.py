"""Levels, windows and HU of signed, wide and DICOM files, before anything is computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from monai_unlearnable.errors import BudgetError, SourceError
from monai_unlearnable.sources import open_source
from monai_unlearnable.workflows import SyntheticRecipe, make_budget, protect, survey
from monai_unlearnable.workflows.fitting import fit_recipe
from monai_unlearnable.workflows.level_counts import LevelCounts
from tests.sources.dicom.building import grey, write
from tests.sources.files import save
from tests.sources.test_nifti_file import save_nifti


def volumes(root: Path, *images: NDArray[Any]) -> Path:
    for number, image in enumerate(images):
        folder = root / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        save_nifti(folder / f"{number}.nii", image)
    return root


def slices(root: Path, *attributes: dict[str, Any], top: int = 4000) -> Path:
    for number, one in enumerate(attributes):
        write(root / "ab"[number % 2] / f"{number}.dcm", grey(rows=8, columns=8, seed=number, top=top), **one)
    return root


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(["int8", "uint8", "int16", "uint16", "int32", "uint32"]))
def test_counts_are_those_of_all_images_together(data: st.DataObject, dtype: str) -> None:
    elements = st.integers(int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)) | st.integers(0, 5)
    images = [data.draw(hnp.arrays(dtype, (2, 3), elements=elements)) for _ in range(3)]
    counts = LevelCounts()
    for image in images:
        counts.add(image)
    together = np.concatenate([one.ravel() for one in images]).astype(np.int64)
    levels, times = np.unique(together, return_counts=True)
    assert counts.levels.tolist() == levels.tolist() and counts.counts.tolist() == times.tolist()
    above = int(levels[0])
    rest = together[together > above]
    expected = np.percentile(rest, [0.5, 99.5], method="inverted_cdf") if rest.size else [above, above]
    assert counts.robust_range(above=above) == tuple(expected)


@pytest.mark.parametrize("dtype", ["int16", "int32", "int8"])
def test_foreground_of_signed_images_is_above_the_lowest_level(dtype: str, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    images = [generator.integers(-90, 110, (9, 9, 9)).astype(dtype) for _ in range(2)]
    for image in images:
        image[:4] = -100  # air
    levels = survey(open_source(volumes(tmp_path, *images)))
    rest = np.concatenate([image[image > -100] for image in images])
    assert (levels.window_low_level, levels.window_high_level) == tuple(
        np.percentile(rest, [0.5, 99.5], method="inverted_cdf")
    )
    limits = np.iinfo(dtype)
    assert (levels.low_level, levels.high_level) == (max(limits.min, -(2**24)), min(limits.max, 2**24))


def test_levels_that_float32_does_not_hold_are_refused(tmp_path: Path) -> None:
    image = np.arange(64, dtype=np.uint32).reshape(4, 4, 4)
    source = volumes(tmp_path, image, image + np.uint32(2**24))
    with pytest.raises(SourceError, match=r"b/1\.nii: has levels 16777216 to 16777279; 0 to 16777216 are what every"):
        survey(open_source(source))


def test_range_of_dicom_is_what_every_file_stores(tmp_path: Path) -> None:
    twelve, ten = {"BitsStored": 12}, {"BitsStored": 10}
    levels = survey(open_source(slices(tmp_path / "x", twelve, ten, top=1000)))
    assert (levels.low_level, levels.high_level) == (0, 1023)
    signed = {"PixelRepresentation": 1, "BitsStored": 12}
    levels = survey(open_source(slices(tmp_path / "y", signed, signed)))
    assert (levels.low_level, levels.high_level) == (-2048, 2047)
    narrow = {"PixelRepresentation": 1, "BitsStored": 10}
    levels = survey(open_source(slices(tmp_path / "n", signed, narrow, top=500)))
    assert (levels.low_level, levels.high_level) == (-512, 511)
    with pytest.raises(SourceError, match=r"a/0\.dcm: has levels .*; 0 to 1023 are what every file"):
        survey(open_source(slices(tmp_path / "z", twelve, ten)))


def test_padding_is_no_foreground(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for number in range(2):
        cells = grey(rows=16, columns=16, seed=number, top=100) + np.uint16(1000)
        cells[0, :12] = 4095
        hu: dict[str, Any] = {"RescaleSlope": 1, "RescaleIntercept": -1024, "PixelPaddingValue": 4095}
        write(source / "ab"[number] / "a.dcm", cells, BitsStored=12, **hu)
    levels = survey(open_source(source))
    assert 1000 <= levels.window_low_level < levels.window_high_level <= 1100


@pytest.mark.parametrize(("rescale", "lowest"), [({"RescaleSlope": 1, "RescaleIntercept": -1024}, 1001), ({}, 24)])
def test_air_of_images_in_hu_is_no_foreground(rescale: dict[str, Any], lowest: int, tmp_path: Path) -> None:
    for number in range(2):
        cells = grey(rows=16, columns=16, seed=number, top=100) + np.uint16(1001)
        cells[0, :12] = 24
        write(tmp_path / "ab"[number] / "a.dcm", cells, BitsStored=12, **rescale)
    levels = survey(open_source(tmp_path))
    assert levels.window_low_level == pytest.approx(lowest, abs=3)


def test_radius_in_hu(tmp_path: Path) -> None:
    half, one = ({"RescaleSlope": slope, "RescaleIntercept": -1024} for slope in (0.5, 1))
    levels = survey(open_source(slices(tmp_path / "half", half, half)))
    assert make_budget("10 HU", levels).radius_levels == 20
    levels = survey(open_source(slices(tmp_path / "both", half, one)))
    with pytest.raises(BudgetError, match=r"radius 10 HU: b/1\.dcm has levels of 1 HU, a/0\.dcm of 0\.5 HU"):
        make_budget("10 HU", levels)
    assert make_budget("10 levels", levels).radius_levels == 10
    levels = survey(open_source(slices(tmp_path / "none", half, {})))
    with pytest.raises(BudgetError, match=r"radius 10 HU: b/1\.dcm has no rescale to HU\. Use levels or a fraction"):
        make_budget("10 HU", levels)
    with pytest.raises(BudgetError, match=r"radius 1/10 HU|radius 0\.1 HU.* smaller than one level"):
        make_budget("0.1 HU", survey(open_source(tmp_path / "half")))


def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    volume = np.arange(64, dtype=np.uint8).reshape(4, 4, 4)
    source = volumes(tmp_path / "x", volume)
    save(source / "b/1.png")
    with pytest.raises(SourceError, match=r"pictures and volumes \(.* has shape .*, .* has .*\); protect them apart"):
        fit_recipe(SyntheticRecipe(), open_source(source))
    source = volumes(tmp_path / "y", volume, volume.astype(np.int8))
    with pytest.raises(SourceError, match=r"b/1\.nii: is int8, a/0\.nii is uint8\. Images of one release need one"):
        survey(open_source(source))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floating_point_files_are_refused_at_once(dtype: str, tmp_path: Path) -> None:
    volume = np.arange(64, dtype=np.int16).reshape(4, 4, 4)
    source = volumes(tmp_path / "source", volume, volume.astype(dtype))
    with pytest.raises(SourceError, match=rf"b/1\.nii: holds {dtype} values; floating-point levels are not handled by"):
        protect(source, output=tmp_path / "release", ledger=tmp_path / "ledger", recipe=SyntheticRecipe())
    assert not (tmp_path / "release").exists() and not (tmp_path / "ledger").exists()
