from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.float_levels import (
    add_levels,
    check_finite,
    level_residual,
    level_size_of,
    to_levels,
    undo_levels,
    whole_number_limit,
)

DTYPES = (np.float32, np.float64)
LEVELS = st.one_of(
    st.sampled_from([1.0, 0.1, 0.5, 1 / 255, 1e-30, 1e30, float(np.float32(0.1)), 3.0]), st.floats(1e-30, 1e30)
)
DELTAS = st.one_of(st.integers(-64, 64), st.integers(-(2**31), 2**31))
SPECIAL: tuple[float, ...] = (0.0, -0.0, 1.0, -1.0, 5e-324, -5e-324, 1e-45, 2.0**24, 2.0**53, 0.1, 1e30, 3e38, -3.4e38)


@st.composite
def cases(draw: st.DrawFn) -> tuple[NDArray[Any], NDArray[np.int64], float]:
    dtype = draw(st.sampled_from(DTYPES))
    finite = st.floats(width=32 if dtype == np.float32 else 64, allow_nan=False, allow_infinity=False)
    special = st.sampled_from([float(one) for one in np.array(SPECIAL).astype(dtype)])
    length = draw(st.integers(1, 6))
    values = draw(hnp.arrays(dtype, length, elements=st.one_of(finite, special)))
    delta = draw(hnp.arrays(np.int64, length, elements=DELTAS))
    return values, delta, draw(LEVELS)


@settings(max_examples=400)
@given(case=cases())
@example(case=(np.array([np.finfo(np.float32).max], np.float32), np.array([2**31]), 1e30))
@example(case=(np.array([0.1, -0.0, 5e-324]), np.array([1, 1, -1]), 0.1))
@example(case=(np.array([1.7e308]), np.array([1]), 1.0))
def test_never_goes_further_than_the_delta_and_comes_back_bit_for_bit(
    case: tuple[NDArray[Any], NDArray[np.int64], float],
) -> None:
    values, delta, level = case
    released = add_levels(values, delta, level=level)
    assert released.dtype == values.dtype
    for value, count, new in zip(values.tolist(), delta.tolist(), released.tolist(), strict=True):
        moved = Fraction(new) - Fraction(value)
        assert abs(moved) <= abs(count) * Fraction(level)
        assert moved * count >= 0
    residual = level_residual(values, released, delta, level=level)
    assert residual.dtype.itemsize == values.dtype.itemsize
    back = undo_levels(released, delta, residual, level=level)
    assert back.dtype == values.dtype
    assert back.tobytes() == values.tobytes()


@settings(max_examples=300)
@given(case=cases())
def test_goes_as_far_as_the_floats_let_it(case: tuple[NDArray[Any], NDArray[np.int64], float]) -> None:
    values, delta, level = case
    released = add_levels(values, delta, level=level)
    info = np.finfo(values.dtype)
    largest = float(info.max)
    for value, count, new in zip(values, delta.tolist(), released, strict=True):
        if count == 0:
            assert new.tobytes() == value.tobytes()
            continue
        target = Fraction(float(value)) + count * Fraction(level)
        target = min(max(target, Fraction(-largest)), Fraction(largest))
        gap = Fraction(float(max(abs(new), abs(value), info.tiny))) * Fraction(float(info.eps))
        assert abs(target - Fraction(float(new))) <= 3 * gap


@settings(max_examples=200)
@given(dtype=st.sampled_from(DTYPES), data=st.data())
def test_whole_numbers_are_as_exact_as_integers(dtype: type[np.floating[Any]], data: st.DataObject) -> None:
    limit = whole_number_limit(np.dtype(dtype)) - 65
    numbers = data.draw(hnp.arrays(np.int64, (1, 4), elements=st.integers(-limit, limit)))
    delta = data.draw(hnp.arrays(np.int16, (1, 4), elements=st.integers(-64, 64)))
    values = numbers.astype(dtype)
    assert level_size_of(values, asked=None, where="a.nii") == 1.0
    released = add_levels(values, delta, level=1.0)
    assert np.array_equal(released.astype(np.int64), numbers + delta)
    assert not level_residual(values, released, delta, level=1.0).any()
    levels, rest = to_levels(values, level=1.0)
    expected = np.clip(numbers, -(2**31), 2**31 - 1)
    assert np.array_equal(levels, expected)
    assert np.array_equal(rest, numbers - expected)


@settings(max_examples=300)
@given(case=cases())
def test_levels_and_rest_are_the_value(case: tuple[NDArray[Any], NDArray[np.int64], float]) -> None:
    values, _, level = case
    levels, rest = to_levels(values, level=level)
    assert (levels.dtype.name, rest.dtype.name) == ("int32", "float64")
    for value, count, left in zip(values.tolist(), levels.tolist(), rest.tolist(), strict=True):
        if abs(count) < 2**31 - 1:
            assert Fraction(value) == count * Fraction(level) + Fraction(left)
            assert abs(Fraction(left)) <= Fraction(level) / 2
        else:
            assert abs(Fraction(value)) >= (2**31 - 2) * Fraction(level)


def test_what_is_beside_the_middle_of_two_levels_goes_to_the_nearer() -> None:
    level = 0.1
    values = np.array([2.5 * level, np.nextafter(2.5 * level, 1), np.nextafter(2.5 * level, 0)])
    levels, _ = to_levels(values, level=level)
    slow = [round(Fraction(float(one)) / Fraction(level)) for one in values]
    assert levels.tolist() == slow


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [0.5, -1e-40, 2.0**53, -(2.0**60)])
def test_other_numbers_need_a_level_size(dtype: type[np.floating[Any]], value: float) -> None:
    values = np.array([[1.0, value]], dtype=dtype)
    limit = whole_number_limit(np.dtype(dtype))
    with pytest.raises(SourceError, match=rf"^b\.nii: holds {np.dtype(dtype)} values .* below {limit} .* Name a level"):
        level_size_of(values, asked=None, where="b.nii")
    assert level_size_of(values, asked=0.25, where="b.nii") == 0.25


def test_a_float32_is_whole_up_to_2_to_the_24() -> None:
    assert level_size_of(np.array([2**24 - 1], np.float32), asked=None, where="a") == 1.0
    with pytest.raises(SourceError, match=r"below 16777216 .*is one\)"):
        level_size_of(np.array([2**24], np.float32), asked=None, where="a")
    assert level_size_of(np.array([2**24], np.float64), asked=None, where="a") == 1.0


@pytest.mark.parametrize("level", [0.0, -1.0, float("nan"), float("inf"), 1e-40])
def test_refuses_a_level_size_that_is_none(level: float) -> None:
    with pytest.raises(SourceError, match=r"^a: a level size of .* is not usable; it must be from 1e-30 to 1e\+30\.$"):
        level_size_of(np.ones(2), asked=level, where="a")
    with pytest.raises(SourceError, match="a level size of"):
        add_levels(np.ones(2), np.ones(2, np.int8), level=level)
    with pytest.raises(SourceError, match="a level size of"):
        to_levels(np.ones(2), level=level)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_refuses_what_is_not_finite(value: float) -> None:
    with pytest.raises(SourceError, match=r"^a\.mha: 1 of 3 values are NaN or infinite, .* leave the file out\.$"):
        level_size_of(np.array([0, value, 1]), asked=1.0, where="a.mha")
    check_finite(np.array([1, 2]), where="a.mha")


def test_refuses_shapes_and_types_that_do_not_fit() -> None:
    values = np.ones((1, 3), np.float32)
    with pytest.raises(ValueError, match=r"delta is of shape \(3,\), the values are of \(1, 3\)"):
        add_levels(values, np.ones(3, np.int8), level=1.0)
    with pytest.raises(ValueError, match="a delta of 4294967296 levels is more than 2147483648"):
        add_levels(values, np.full((1, 3), 2**32), level=1.0)
    with pytest.raises(ValueError, match=r"the residual is int64 \(1, 3\), which does not fit float32 \(1, 3\)"):
        undo_levels(values, np.ones((1, 3), np.int8), np.zeros((1, 3), np.int64), level=1.0)
