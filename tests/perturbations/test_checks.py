"""Checkerboards: which voxels they split, where they begin, and that parts of them fit together."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations import Checks

SPACES = st.lists(st.integers(2, 7), min_size=2, max_size=3).map(tuple)


def slow_board(space: tuple[int, ...]) -> np.ndarray:
    board = np.empty(space)
    for place in itertools.product(*map(range, space)):
        steps = sum(place[axis] - (space[axis] + 1) // 2 for axis in range(len(space) - 1))
        board[place] = -1 if steps % 2 else 1
    return board


@given(space=SPACES, count=st.integers(1, 9), seed=st.integers(0, 1000))
def test_the_background_has_one_sign_of_the_board_and_the_structures_the_other(
    space: tuple[int, ...], count: int, seed: int
) -> None:
    drawn = Checks().signs(count, space, seed=seed).numpy()
    board = slow_board(space)
    sign = drawn[0].flat[0] * board.flat[0]
    assert drawn.shape == (count, *space) and (drawn[0] == sign * board).all()
    assert all((other == -sign * board).all() for other in drawn[1:])
    assert (drawn == Checks().signs(count, space, seed=seed).flip(-1).numpy()).all()


@given(small=SPACES, growth=st.lists(st.integers(0, 5), min_size=3, max_size=3), seed=st.integers(0, 99))
def test_volumes_with_a_border_on_both_sides_show_the_same(
    small: tuple[int, ...], growth: list[int], seed: int
) -> None:
    whole = tuple(8 * (-(-one // 8) + more) for one, more in zip(small, growth, strict=False))
    inside = tuple(slice((large - own) // 2, (large - own) // 2 + own) for large, own in zip(whole, small, strict=True))
    drawn = Checks().signs(3, small, seed=seed)
    assert torch.equal(drawn, Checks().signs(3, whole, seed=seed)[(slice(None), *inside)])


@given(space=SPACES, seed=st.integers(0, 99), data=st.data())
def test_a_part_is_the_part_of_the_whole(space: tuple[int, ...], seed: int, data: st.DataObject) -> None:
    bounds = [sorted(data.draw(st.sets(st.integers(0, size), min_size=2, max_size=2))) for size in space]
    part = tuple(slice(*bound) for bound in bounds)
    whole = Checks().signs(2, space, seed=seed)
    assert torch.equal(Checks().signs(2, space, seed=seed, part=part), whole[(slice(None), *part)])


def test_the_seed_chooses_the_signs_and_flat_volumes_are_refused() -> None:
    assert len({Checks().signs(3, (4, 4, 4), seed=seed).numpy().tobytes() for seed in range(20)}) == 2
    Checks().check(500)
    assert Checks().describe() == {"family": "checks"} and not Checks().has_faint_class
    with pytest.raises(BudgetError, match=r"images of size \(8, 1, 8\) are too small for a checkerboard: all axes but"):
        Checks().signs(2, (8, 1, 8), seed=0)
