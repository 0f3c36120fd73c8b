from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monai_unlearnable.budgets import RadiusUnit, parse_radius
from monai_unlearnable.errors import BudgetError
from tests.contracts.properties import PROPERTY


@PROPERTY
@given(numerator=st.integers(1, 999), denominator=st.integers(999, 65535), space=st.sampled_from(["", " "]))
def test_fraction_is_exact(numerator: int, denominator: int, space: str) -> None:
    radius = parse_radius(f"{numerator}{space}/{space}{denominator}")
    assert (radius.value, radius.unit) == (Fraction(numerator, denominator), RadiusUnit.FRACTION)
    assert radius.levels(range_levels=denominator) == numerator


@PROPERTY
@given(levels=st.integers(1, 30000), text=st.sampled_from(["level", " levels", " LEVELS "]))
def test_levels_are_what_they_say(levels: int, text: str) -> None:
    assert parse_radius(f"{levels}{text}").levels(range_levels=65535) == levels


@PROPERTY
@given(hounsfield=st.integers(1, 500), slope=st.sampled_from([0.25, 0.5, 1.0, -1.0]))
def test_hounsfield_units_are_divided_by_the_slope(hounsfield: int, slope: float) -> None:
    found = parse_radius(f"{hounsfield} HU").levels(range_levels=4095, level_size_hu=slope)
    assert found == hounsfield / abs(slope)


@PROPERTY
@given(value=st.floats(1.6e-5, 1.0))
def test_any_float_is_read_as_it_is_written(value: float) -> None:
    assert float(parse_radius(value).value) == value
    assert parse_radius(value) == parse_radius(str(value))


def test_all_of_the_range_is_a_radius() -> None:
    assert parse_radius("1").levels(range_levels=255) == 255
    assert parse_radius("255/255").levels(range_levels=255) == 255


@pytest.mark.parametrize(
    "text",
    ["", "abc", "8/", "/255", "8//255", "8 255", "8 px", "0x8", "-8/255", "nan", "inf", "8/255/2", "1e999999 levels"],
)
def test_refuses_what_is_no_radius(text: str) -> None:
    with pytest.raises(BudgetError, match=r"is not understood\. Write 8/255, 0.03, '8 levels' or '10 HU'"):
        parse_radius(text)


def test_refuses_numbers_without_end() -> None:
    for text in ("9" * 400 + " levels", "8/" + "9" * 400):
        with pytest.raises(BudgetError, match="is not understood"):
            parse_radius(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8/0", "radius '8/0' divides by 0"),
        ("0", "radius '0' must be greater than 0"),
        ("0 levels", "must be greater than 0"),
        ("8", "'8' is more than the whole intensity range.*write '8 levels', or 8/255 where the range is 255"),
        ("256/255", "'256/255' is more than the whole intensity range.*write '256 levels'"),
    ],
)
def test_refuses_values(text: str, message: str) -> None:
    with pytest.raises(BudgetError, match=message):
        parse_radius(text)


def test_refuses_less_than_one_level_with_the_numbers() -> None:
    with pytest.raises(BudgetError, match=r"0\.0001221 of the range is 0\.0311 levels of a range of 255.*\(1/255\)"):
        parse_radius("0.5/4095").levels(range_levels=255)
    with pytest.raises(BudgetError, match=r"radius 0\.5 level is 0\.5 levels"):
        parse_radius("0.5 levels").levels(range_levels=255)


def test_refuses_hounsfield_units_without_a_slope() -> None:
    with pytest.raises(BudgetError, match="radius 10 HU: these images have no rescale to HU"):
        parse_radius("10 HU").levels(range_levels=255)


@pytest.mark.parametrize("slope", [0.0, float("nan"), float("inf")])
def test_refuses_a_slope_that_is_none(slope: float) -> None:
    with pytest.raises(BudgetError, match="level_size_hu="):
        parse_radius("10 HU").levels(range_levels=255, level_size_hu=slope)
