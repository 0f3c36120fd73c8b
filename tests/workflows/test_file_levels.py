"""Levels, windows and radii of images of every type, before anything is computed."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from monai_unlearnable.budgets import Budget, ImageBudgets, L2Budget, LinfBudget
from monai_unlearnable.errors import BudgetError, SourceError
from monai_unlearnable.sources import open_source
from monai_unlearnable.sources.intensity import robust_range
from monai_unlearnable.workflows import SyntheticRecipe, make_budgets, protect, survey
from monai_unlearnable.workflows.fitting import fit_recipe
from monai_unlearnable.workflows.intensity import ImageLevels
from monai_unlearnable.workflows.radii import RadiusSpan, describe_radii
from tests.contracts.properties import PROPERTY
from tests.sources.dicom.building import grey, write
from tests.sources.files import save
from tests.sources.test_nifti_file import save_nifti
from tests.workflows.in_memory import ArraySource, Stored

TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")


def volumes(root: Path, *images: NDArray[Any], **header: Any) -> Path:
    for number, image in enumerate(images):
        folder = root / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        save_nifti(folder / f"{number}.nii", image, **header)
    return root


def slices(root: Path, *attributes: dict[str, Any], top: int = 4000) -> Path:
    for number, one in enumerate(attributes):
        write(root / "ab"[number % 2] / f"{number}.dcm", grey(rows=8, columns=8, seed=number, top=top), **one)
    return root


def arrays(data: st.DataObject, dtype: str) -> NDArray[Any]:
    """Draw whole numbers that a type holds, with some that occur often."""
    wide = st.integers(-(2**20), 2**20) if np.dtype(dtype).kind == "f" else _integers(dtype)
    return data.draw(hnp.arrays(dtype, (1, 3, 4), elements=wide | st.integers(0, 40)))


def _integers(dtype: str) -> st.SearchStrategy[int]:
    limits = np.iinfo(dtype)
    return st.integers(max(int(limits.min), -(2**24)), min(int(limits.max), 2**24))


def window_by_hand(image: Stored) -> tuple[float, float] | None:
    """Say by NumPy's percentile, one image at a time, what its window is."""
    values = image.values
    if values.dtype == np.uint8:
        return 0.0, 255.0
    shown = values[~image.hidden] if image.hidden is not None else values.ravel()
    if not len(shown):
        return None
    from_lowest = values.dtype.kind in "if" or image.unit == "HU"
    foreground = [one for one in shown.tolist() if one > (min(shown.tolist()) if from_lowest else 0)]
    if not foreground:
        return None
    low, high = np.percentile(foreground, [0.5, 99.5], method="inverted_cdf")
    return (float(low), float(high)) if low < high else None


@PROPERTY
@given(st.data(), st.sampled_from(TYPES), st.integers(1, 500))
def test_robust_range_is_numpys(data: st.DataObject, dtype: str, count: int) -> None:
    seed = data.draw(st.integers(0, 99))
    values = np.random.default_rng(seed).integers(0, 100, count).astype(dtype)
    low, high = np.percentile(values, [0.5, 99.5], method="inverted_cdf")
    assert robust_range(values) == ((float(low), float(high)) if low < high else None)


@PROPERTY
@given(st.data(), st.lists(st.sampled_from(TYPES), min_size=1, max_size=4), st.sampled_from(["", "HU"]))
def test_every_image_has_the_levels_of_its_own_file(data: st.DataObject, types: list[str], unit: str) -> None:
    hidden = data.draw(st.none() | hnp.arrays(np.bool_, (1, 3, 4)))
    images = [Stored(arrays(data, dtype), 0.5, unit, hidden) for dtype in types]
    windows = [window_by_hand(one) for one in images]
    if not any(windows):
        with pytest.raises(SourceError, match="every image is padding, or its foreground has one level"):
            survey(ArraySource(images))
        return
    for one, image, window in zip(survey(ArraySource(images)).images, images, windows, strict=True):
        dtype = image.values.dtype
        whole = {"float32": 2**24 - 1, "float64": 2**24}.get(dtype.name)
        low = -whole if whole else max(int(np.iinfo(dtype).min), -(2**24))
        high = whole if whole else min(int(np.iinfo(dtype).max), 2**24)
        assert (one.low_level, one.high_level) == (low, high)
        assert one.window_levels == (window or (low, high))
        assert one.range_levels == (window[1] - window[0] if window else 0)
        assert (one.stored_level_size, one.level_size, one.unit) == (1.0, 0.5, unit)


RADII = st.sampled_from(["8/255", "0.5", "1", "0.013", "3 levels", "20.5 levels", "7 HU", "40 HU"])


@PROPERTY
@given(
    st.data(), st.lists(st.sampled_from(TYPES), min_size=1, max_size=4), RADII, st.sampled_from([LinfBudget, L2Budget])
)
def test_every_image_has_the_radius_that_its_own_range_and_slope_give(
    data: st.DataObject, types: list[str], radius: str, norm: type[Budget]
) -> None:
    sizes = [data.draw(st.sampled_from([0.5, 1.0, 2.0])) for _ in types]
    images = [Stored(arrays(data, dtype), size, "HU") for dtype, size in zip(types, sizes, strict=True)]
    windows = [window_by_hand(one) for one in images]
    if not any(windows):
        return
    levels = survey(ArraySource(images))
    number, _, unit = radius.partition(" ")
    value = Fraction(number)
    expected = []
    for window, size in zip(windows, sizes, strict=True):
        if unit == "":
            expected.append(value * Fraction(window[1] - window[0]) if window else Fraction(0))
        else:
            expected.append(value / Fraction(size) if unit == "HU" else value)
    small = [index for index, one in enumerate(expected) if one < 1]
    if small:
        with pytest.raises(BudgetError, match=rf"^{small[0]}\.nii: ") as caught:
            make_budgets(radius, levels, norm)
        more = f"{len(small) - 1} more of {len(images)} images are refused too."
        assert (more in str(caught.value)) is (len(small) > 1)
        return
    budgets = make_budgets(radius, levels, norm)
    for sample_id, one, wanted in zip(levels.images, images, expected, strict=True):
        budget = budgets.of([sample_id.sample_id])
        assert budget.radius_levels == float(wanted)
        assert isinstance(budget, norm)
        assert budget.low_level <= one.values.min() <= one.values.max() <= budget.high_level
    assert isinstance(budgets, ImageBudgets) is (len({budgets.of([one.sample_id]) for one in levels.images}) > 1)


def test_the_same_budget_for_all_is_one_budget() -> None:
    images = [Stored(np.full((1, 2, 2), value, dtype=np.uint8)) for value in (0, 9)]
    assert make_budgets("8/255", survey(ArraySource(images))) == LinfBudget(radius_levels=8, high_level=255)


def test_level_size_is_asked_for_and_named() -> None:
    odd = np.array([[[0.25, 100.5], [2776.0, 3.0]]], dtype=np.float32)
    source = ArraySource([Stored(odd), Stored(np.arange(9, dtype=np.uint8).reshape(1, 3, 3))])
    with pytest.raises(
        SourceError, match=r"^0\.nii: .*not whole numbers.* --level-size 3 or level_size=3 gives this file"
    ):
        survey(source)
    levels = survey(source, level_size=0.5).images
    assert [one.stored_level_size for one in levels] == [0.5, 1.0]
    assert levels[0].window_levels == (6.0, 5552.0)
    with pytest.raises(SourceError, match=r"0\.nii: a level size of 0\.0 is not usable"):
        survey(source, level_size=0.0)
    with pytest.raises(SourceError, match=r"^arrays: a level size of 0\.5 is given, but no image is floating-point"):
        survey(ArraySource([Stored(np.arange(9, dtype=np.uint8).reshape(1, 3, 3))]), level_size=0.5)
    text = r"0\.nii: holds values up to 2776 in size, which are 2\.78e\+07 levels of 0\.0001; 16777215 are handled"
    with pytest.raises(SourceError, match=text):
        survey(source, level_size=1e-4)


def test_levels_that_float32_does_not_hold_are_refused(tmp_path: Path) -> None:
    image = np.arange(64, dtype=np.uint32).reshape(4, 4, 4)
    source = volumes(tmp_path, image, image + np.uint32(2**24))
    with pytest.raises(
        SourceError, match=r"b/1\.nii: has levels 16777216 to 16777279; 0 to 16777216 are what its file"
    ):
        survey(open_source(source))


def test_range_of_dicom_is_what_each_file_stores(tmp_path: Path) -> None:
    twelve, ten = {"BitsStored": 12}, {"BitsStored": 10}
    levels = survey(open_source(slices(tmp_path / "x", twelve, ten, top=1000)))
    assert [(one.low_level, one.high_level) for one in levels.images] == [(0, 4095), (0, 1023)]
    signed = {"PixelRepresentation": 1, "BitsStored": 12}
    narrow = {"PixelRepresentation": 1, "BitsStored": 10}
    levels = survey(open_source(slices(tmp_path / "n", signed, narrow, top=500)))
    assert [(one.low_level, one.high_level) for one in levels.images] == [(-2048, 2047), (-512, 511)]


def test_padding_is_no_foreground(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for number in range(2):
        cells = grey(rows=16, columns=16, seed=number, top=100) + np.uint16(1000)
        cells[0, :12] = 4095
        hu: dict[str, Any] = {"RescaleSlope": 1, "RescaleIntercept": -1024, "PixelPaddingValue": 4095}
        write(source / "ab"[number] / "a.dcm", cells, BitsStored=12, **hu)
    for one in survey(open_source(source)).images:
        assert 1000 <= one.window_low_level < one.window_high_level <= 1100


@pytest.mark.parametrize(("rescale", "lowest"), [({"RescaleSlope": 1, "RescaleIntercept": -1024}, 1001), ({}, 24)])
def test_air_of_images_in_hu_is_no_foreground(rescale: dict[str, Any], lowest: int, tmp_path: Path) -> None:
    for number in range(2):
        cells = grey(rows=16, columns=16, seed=number, top=100) + np.uint16(1001)
        cells[0, :12] = 24
        write(tmp_path / "ab"[number] / "a.dcm", cells, BitsStored=12, **rescale)
    for one in survey(open_source(tmp_path)).images:
        assert one.window_low_level == pytest.approx(lowest, abs=4)


def test_radius_in_hu_is_converted_for_each_file(tmp_path: Path) -> None:
    half, one = ({"RescaleSlope": slope, "RescaleIntercept": -1024} for slope in (0.5, 1))
    levels = survey(open_source(slices(tmp_path / "both", half, one)))
    budgets = make_budgets("10 HU", levels)
    assert [budgets.of([one]).radius_levels for one in ("a/0.dcm", "b/1.dcm")] == [20, 10]
    assert describe_radii(RadiusSpan.of(budgets, levels), norm="linf").startswith("10 to 20 levels, 10 HU (0.2")
    assert make_budgets("10 levels", levels).of(["b/1.dcm"]).radius_levels == 10
    levels = survey(open_source(slices(tmp_path / "none", half, {})))
    with pytest.raises(
        BudgetError, match=r"^b/1\.dcm: radius 10 HU: these images have no rescale to HU\. Use levels or"
    ):
        make_budgets("10 HU", levels)
    levels = survey(open_source(tmp_path / "both"))
    text = r"^b/1\.dcm: radius 0\.75 HU is 0\.75 levels of a range of .*: smaller than one level.*1 level\.$"
    with pytest.raises(BudgetError, match=text):
        make_budgets("0.75 HU", levels)


def test_a_flat_image_has_no_fraction_but_levels() -> None:
    flat, deep = np.full((1, 2, 2), 700, dtype=np.uint16), np.arange(400, dtype=np.uint16).reshape(1, 20, 20)
    levels = survey(ArraySource([Stored(deep), Stored(flat)]))
    assert levels.images[1].window_levels == (0, 65535)
    with pytest.raises(
        BudgetError, match=r"^1\.nii: radius 0\.0313725 of the range: the image has no range, because all"
    ):
        make_budgets("8/255", levels)
    assert make_budgets("8 levels", levels) == LinfBudget(radius_levels=8, high_level=65535)
    with pytest.raises(
        BudgetError, match=r"^1\.nii: radius 0\.5 level is 0\.5 levels of a range of 0: .* is 1 level\."
    ):
        make_budgets("0.5 levels", levels_of(levels.images[1:]))


def levels_of(images: tuple[ImageLevels, ...]) -> Any:
    from monai_unlearnable.workflows import SourceLevels

    return SourceLevels(images=images, data_sha256="")


def test_radii_in_words() -> None:
    levels = survey(ArraySource([Stored(np.arange(400, dtype=np.uint16).reshape(1, 20, 20), 0.5), Stored(_byte())]))
    cases: list[tuple[str, type[LinfBudget | L2Budget], str]] = [
        (
            "8/255",
            LinfBudget,
            "8 to 12.42 levels, 6.212 to 8 in the unit of the files (3.1 % of the range of each image)",
        ),
        ("8 levels", LinfBudget, "8 levels, 4 to 8 in the unit of the files (2 to 3.1 % of the range of each image)"),
        ("0.5", L2Budget, "127.5 to 198 levels, 99 to 127.5 in the unit of the files"),
        (
            "1 level",
            LinfBudget,
            "1 level, 0.5 to 1 in the unit of the files (0.25 to 0.39 % of the range of each image)",
        ),
    ]
    for radius, norm, text in cases:
        span = RadiusSpan.of(make_budgets(radius, levels, norm), levels)
        assert describe_radii(span, norm=norm.norm_name) == text


def _byte() -> NDArray[np.uint8]:
    return np.arange(9, dtype=np.uint8).reshape(1, 3, 3)


def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    volume = np.arange(64, dtype=np.uint8).reshape(4, 4, 4)
    source = volumes(tmp_path / "x", volume)
    save(source / "b/1.png")
    with pytest.raises(SourceError, match=r"pictures and volumes \(.* has shape .*, .* has .*\); protect them apart"):
        fit_recipe(SyntheticRecipe(), open_source(source))


def test_class_wise_deltas_need_one_radius(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    images = [generator.integers(1, top, (12, 12, 12)).astype(np.uint16) for top in (900, 900, 4000, 4000)]
    places = {"output": tmp_path / "release", "ledger": tmp_path / "ledger", "recipe": SyntheticRecipe(class_wise=True)}
    source = volumes(tmp_path / "source", *images)
    with pytest.raises(
        BudgetError, match=r"class-wise deltas are shared by images whose radius would be \d+\.?\d* to \d+"
    ):
        protect(source, **places)  # type: ignore[arg-type]
    assert not (tmp_path / "release").exists() and not (tmp_path / "ledger").exists()
    assert protect(source, radius="9 levels", **places).held  # type: ignore[arg-type]
