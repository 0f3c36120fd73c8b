"""What the numbers of a mask mean: the rule by itself, against an oracle that knows how the mask was made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from monai_unlearnable.sources.file_errors import Refused
from monai_unlearnable.sources.mask_classes import MaskNumbers, classes_of, present_classes

WHOLE = ("uint8", "int8", "uint16", "int16", "int32", "uint32", "float32", "float64")


def numbers(values: object, dtype: str = "uint8", *, picture: bool = False, lossy: bool = False) -> MaskNumbers:
    return MaskNumbers(values=np.array(values, dtype=dtype), is_picture=picture, is_lossy=lossy)


def indices_of(*args: Any, class_count: int | None = None, **options: Any) -> list[Any]:
    found: list[Any] = classes_of(numbers(*args, **options), class_count=class_count).indices.tolist()
    return found


spaces = arrays.array_shapes(min_dims=2, max_dims=3, max_side=5)


@given(st.data(), spaces, st.sampled_from(WHOLE), st.booleans())
def test_whole_numbers_are_the_classes(data: st.DataObject, space: tuple[int, ...], dtype: str, picture: bool) -> None:
    most = 127 if dtype == "int8" else 254  # a picture of 0 and 255 is the exception
    expected = data.draw(arrays.arrays(np.uint8, space, elements=st.integers(0, most)))
    given_numbers = MaskNumbers(values=expected[None].astype(dtype), is_picture=picture)
    for class_count in (None, int(expected.max()) + 1):
        found = classes_of(given_numbers, class_count=class_count)
        assert found.indices.dtype == np.uint8 and not found.is_dark_and_bright
        assert np.array_equal(found.indices, expected)


@given(arrays.arrays(np.float64, spaces, elements=st.floats(allow_nan=True) | st.integers(-2, 300).map(float)))
def test_any_numbers_are_classes_or_named(values: NDArray[np.float64]) -> None:
    wrong = [one for one in values.ravel().tolist() if not (0 <= one <= 255 and one == int(one))]
    given_numbers = MaskNumbers(values=values[None], is_picture=False)
    if not wrong:
        assert np.array_equal(classes_of(given_numbers).indices, values)
        return
    with pytest.raises(Refused, match=r"class indices, whole numbers of 0 to 255\. Renumber the mask") as caught:
        classes_of(given_numbers)
    assert str(caught.value).split(",")[0].split(";")[0].removeprefix("holds ") in {f"{one:g}" for one in wrong}


@given(arrays.arrays(np.uint8, spaces, elements=st.sampled_from([0, 255])))
def test_dark_and_bright_pictures_are_two_classes(values: NDArray[np.uint8]) -> None:
    found = classes_of(MaskNumbers(values=values[None], is_picture=True))
    assert np.array_equal(found.indices, values // 255)
    assert found.is_dark_and_bright == bool(values.any())
    of_volume = classes_of(MaskNumbers(values=values[None], is_picture=False))
    assert np.array_equal(of_volume.indices, values) and not of_volume.is_dark_and_bright
    deep = classes_of(MaskNumbers(values=values[None].astype(np.uint16), is_picture=True))
    assert np.array_equal(deep.indices, values)


@given(arrays.arrays(np.uint8, spaces), st.lists(st.integers(-8, 8), min_size=3, max_size=3))
def test_lossy_pictures_are_bright_above_127(values: NDArray[np.uint8], shifts: list[int]) -> None:
    found = classes_of(MaskNumbers(values=values[None], is_picture=True, is_lossy=True))
    assert found.is_dark_and_bright and np.array_equal(found.indices == 1, values >= 128)
    colour = np.stack([np.clip(values.astype(int) + shift, 0, 255) for shift in shifts]).astype(np.uint8)
    grey = np.round(colour.mean(axis=0, dtype=np.float64))
    found = classes_of(MaskNumbers(values=colour, is_picture=True, is_lossy=True))
    assert np.array_equal(found.indices == 1, grey > 127)


def test_channels_that_agree_are_grey() -> None:
    grey = [[0, 1], [2, 2]]
    assert indices_of([grey] * 3, picture=True) == grey
    assert indices_of([[[200, 9]], [[216, 0]], [[207, 16]]], picture=True, lossy=True) == [[1, 0]]
    means = [[[128, 128]], [[128, 127]], [[127, 127]]]  # 127.67 and 127.33
    assert indices_of(means, picture=True, lossy=True) == [[1, 0]]


REFUSED: list[tuple[MaskNumbers, int | None, str]] = [
    (numbers([[[0]], [[1]], [[0]]], picture=True), None, r"holds colours \(its channels are up to 1 levels apart\)"),
    (numbers([[[9]], [[26]], [[9]]], picture=True, lossy=True), None, r"holds colours .* up to 17 levels apart"),
    (numbers([[[0]], [[0]]], picture=True), None, "holds 2 channels; a mask holds one number for each voxel"),
    (numbers([[[0]]] * 3), None, "holds 3 channels"),
    (numbers([[[0, -1, -3]]], "int16"), None, r"holds -3, -1; the numbers of a mask are class indices"),
    (numbers([[[0, 256]]], "uint16"), None, "holds 256; the numbers"),
    (numbers([[[0, 0.5, 1]]], "float32"), None, r"holds 0\.5; the numbers"),
    (numbers([[[0, np.nan]]], "float32"), None, "holds nan; the numbers"),
    (
        numbers([[[1, 3, 7, 3]]]),
        3,
        r"holds 3, 7, but the classes of the set are 0 to 2\. Correct the mask, or the list",
    ),
    (numbers([[[0, 255]]], picture=True), 3, "holds 255, but the classes of the set are 0 to 2"),
    (numbers([[[0, 255]]]), 2, "holds 255, but the classes of the set are 0 to 1"),
    (numbers([[[0, 254, 255]]], picture=True), 2, "holds 254, 255, but"),
    (
        numbers([[[0, 2]]], picture=True, lossy=True),
        3,
        "compressed with loss, so that it can tell two .* the set has 3",
    ),
]


@pytest.mark.parametrize(("given_numbers", "class_count", "message"), REFUSED)
def test_refuses(given_numbers: MaskNumbers, class_count: int | None, message: str) -> None:
    with pytest.raises(Refused, match=message):
        classes_of(given_numbers, class_count=class_count)


@given(arrays.arrays(np.uint8, spaces))
def test_present_classes_are_those_of_numpy(values: NDArray[np.uint8]) -> None:
    assert present_classes(values) == present_classes(values.T) == tuple(np.unique(values).tolist())


def test_large_masks_are_counted_to_their_end() -> None:
    values = np.zeros((3, 1 << 20), dtype=np.uint8)
    values[2, -1] = 255
    assert present_classes(values) == (0, 255)
