from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monai_unlearnable.budgets import L2Budget, LinfBudget
from monai_unlearnable.errors import ReleaseError
from monai_unlearnable.release import ReleaseBudget, ReleaseBudgets

BYTE = ReleaseBudget(norm="linf", radius_levels=8.0, low_level=0, high_level=255)


def _image(*levels: int, dtype: type[np.integer] = np.uint8) -> np.ndarray:
    return np.array([[levels]], dtype=dtype)


def test_never_wraps() -> None:
    applied = BYTE.apply(_image(250, 255, 0, 3), _image(8, 1, -1, -8, dtype=np.int8), where="a")
    assert applied.tolist() == [[[5, 0, 0, -3]]]
    wide = ReleaseBudget(norm="linf", radius_levels=40000, low_level=0, high_level=65535)
    image, delta = _image(65535, 0, 30000, dtype=np.uint16), _image(32767, -32768, 32767, dtype=np.int16)
    assert wide.apply(image, delta, where="a").tolist() == [[[0, 0, 32767]]]


@pytest.mark.parametrize(
    ("delta", "radius", "norm", "held"),
    [
        ([8, -8], 8.0, "linf", True),
        ([9, 0], 8.0, "linf", False),
        ([-9, 0], 8.5, "linf", False),
        ([3, 4], 5.0, "l2", True),
        ([3, 4, 1], 5.0, "l2", False),
        ([1, 1], 2**0.5, "l2", True),  # the nearest double is above the root of 2
        ([1, 1], np.nextafter(2**0.5, 0), "l2", False),
    ],
)
def test_is_judged_without_rounding(delta: list[int], radius: float, norm: str, held: bool) -> None:
    budget = ReleaseBudget(norm=norm, radius_levels=radius, low_level=0, high_level=255)
    assert budget.holds(np.array([[delta]], dtype=np.int64)) is held


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=6), st.floats(1, 40))
def test_agrees_with_a_slow_loop(delta: list[int], radius: float) -> None:
    levels = np.array([[delta]], dtype=np.int64)
    linf = ReleaseBudget(norm="linf", radius_levels=radius, low_level=0, high_level=255)
    l2 = ReleaseBudget(norm="l2", radius_levels=radius, low_level=0, high_level=255)
    assert linf.holds(levels) == all(abs(one) <= radius for one in delta)
    assert linf.measure(levels) == max(abs(one) for one in delta)
    assert l2.measure(levels) == pytest.approx(sum(one * one for one in delta) ** 0.5)


@pytest.mark.parametrize("make", [LinfBudget, L2Budget])
def test_takes_a_budgets_own_description(make: Callable[..., LinfBudget | L2Budget]) -> None:
    given = make(radius_levels=8.0, low_level=0, high_level=255)
    budget = ReleaseBudget.from_description(given.describe(), stored_level_size=0.5, level_size=2.0, unit="HU")
    sizes = {"stored_level_size": 0.5, "radius_in_unit": 16.0, "unit": "HU"}
    assert budget.to_dict() == {**given.describe(), **sizes}
    plain = {"stored_level_size": 1.0, "radius_in_unit": 8.0, "unit": ""}
    assert ReleaseBudget.from_description(given.describe()).to_dict() == {**given.describe(), **plain}


def test_refuses() -> None:
    with pytest.raises(ReleaseError, match=r"a\.png: the image has shape \(1, 1, 2\), its delta \(1, 1, 1\)"):
        BYTE.apply(_image(1, 2), _image(1), where="a.png")
    narrow = ReleaseBudget(norm="linf", radius_levels=8.0, low_level=10, high_level=200)
    with pytest.raises(ReleaseError, match=r"a\.png: the original has levels 9 to 30, outside 10 to 200"):
        narrow.apply(_image(9, 30), _image(0, 0), where="a.png")
    with pytest.raises(ReleaseError, match=r"a\.png: the delta reaches 9 levels in linf, the budget is 8"):
        BYTE.apply(_image(100, 100), _image(9, 0), where="a.png")
    with pytest.raises(ReleaseError, match="norm 'l1'"):
        ReleaseBudget(norm="l1", radius_levels=1, low_level=0, high_level=1)
    with pytest.raises(ReleaseError, match="radius_levels=nan"):
        ReleaseBudget(norm="l2", radius_levels=float("nan"), low_level=0, high_level=1)
    with pytest.raises(ReleaseError, match="is empty"):
        ReleaseBudget(norm="l2", radius_levels=1, low_level=1, high_level=1)
    with pytest.raises(ReleaseError, match="'low_level' is missing"):
        ReleaseBudget.from_description({"norm": "linf", "radius_levels": 8})


def test_numbers_of_budgets_do_not_tell_the_order_of_the_images() -> None:
    one, two, three = (
        ReleaseBudget(norm="linf", radius_levels=radius, low_level=0, high_level=255) for radius in (9, 8, 10)
    )
    forward = ReleaseBudgets.of_images({"a": one, "b": two, "c": three, "d": two})
    backward = ReleaseBudgets.of_images({"d": two, "c": three, "b": two, "a": one})
    assert forward == backward and forward.distinct == (two, one, three)
    assert [forward.of(name) for name in "abcd"] == [one, two, three, two]
