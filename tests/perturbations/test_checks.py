"""Checkerboards: which voxels they split, where they begin, and that parts of them fit together."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations import Checks

SPACES = st.lists(st.integers(2, 7), min_size=2, max_size=3).map(tuple)


def slow_check(axes: tuple[int, ...], space: tuple[int, ...]) -> np.ndarray:
    board = np.empty(space)
    for place in itertools.product(*map(range, space)):
        steps = sum(place[axis] - (space[axis] + 1) // 2 for axis in axes)
        board[place] = -1 if steps % 2 else 1
    return board


@settings(deadline=None)
@given(space=SPACES, seed=st.integers(0, 1000))
def test_each_pattern_is_a_checkerboard_of_a_set_of_axes_of_its_own(space: tuple[int, ...], seed: int) -> None:
    dimensions = len(space)
    count = 2**dimensions - 1
    drawn = Checks().signs(count, space, seed=seed).numpy()
    sets = [axes for size in (1, 2, 3) for axes in itertools.combinations(range(dimensions), size)]
    found = []
    for pattern in drawn:
        boards = [axes for axes in sets if any((pattern == sign * slow_check(axes, space)).all() for sign in (1, -1))]
        assert boards, "a checkerboard"
        found += boards[:1]
    assert len(set(found)) == count
    again = Checks().signs(count, space, seed=seed).numpy()
    assert (again == drawn).all()


def test_few_patterns_are_of_as_many_axes_as_there_are() -> None:
    for seed in range(20):
        one, other = Checks().signs(2, (6, 6, 6), seed=seed)
        boards = [slow_check(axes, (6, 6, 6)) for axes in ((0, 1, 2), (0, 1))]
        pairs = [(one, other), (other, one)]
        assert any(all(abs((a.numpy() * b).sum()) == 216 for a, b in zip(pair, boards, strict=True)) for pair in pairs)


@settings(deadline=None)
@given(small=SPACES, growth=st.lists(st.integers(0, 5), min_size=3, max_size=3), seed=st.integers(0, 99))
def test_volumes_with_a_border_on_both_sides_show_the_same(
    small: tuple[int, ...], growth: list[int], seed: int
) -> None:
    whole = tuple(8 * (-(-one // 8) + more) for one, more in zip(small, growth, strict=False))
    inside = tuple(slice((large - own) // 2, (large - own) // 2 + own) for large, own in zip(whole, small, strict=True))
    drawn = Checks().signs(3, small, seed=seed)
    assert torch.equal(drawn, Checks().signs(3, whole, seed=seed)[(slice(None), *inside)])


@settings(deadline=None)
@given(space=SPACES, seed=st.integers(0, 99), data=st.data())
def test_a_part_is_the_part_of_the_whole(space: tuple[int, ...], seed: int, data: st.DataObject) -> None:
    starts = [data.draw(st.integers(0, size - 1)) for size in space]
    part = tuple(
        slice(start, data.draw(st.integers(start + 1, size))) for start, size in zip(starts, space, strict=True)
    )
    whole = Checks().signs(2, space, seed=seed)
    assert torch.equal(Checks().signs(2, space, seed=seed, part=part), whole[(slice(None), *part)])


def test_too_many_classes_and_too_flat_volumes_are_refused() -> None:
    with pytest.raises(BudgetError, match=r"there are 7 checkerboards of volumes, not 8\. Take Stripes\(\)"):
        Checks().check(8)
    with pytest.raises(BudgetError, match=r"there are 3 checkerboards of 2 axes, not 4\. Take Stripes\(\)"):
        Checks().signs(4, (8, 8), seed=0)
    with pytest.raises(BudgetError, match=r"images of size \(8, 8, 1\) are too small for the patterns of Checks\(\)"):
        Checks().signs(4, (8, 8, 1), seed=0)
    Checks().check(7)


def test_the_seed_chooses_who_gets_what() -> None:
    drawn = {Checks().signs(3, (4, 4, 4), seed=seed).numpy().tobytes() for seed in range(30)}
    assert len(drawn) > 10
    assert Checks().describe() == {"family": "checks"}
