"""Budgets inside a mask, against the plain budget of what the mask leaves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from monai_unlearnable.budgets import Budget, L2Budget, LinfBudget, MaskedBudget, to_levels
from monai_unlearnable.errors import BudgetError
from tests.contracts.properties import PROPERTY
from tests.contracts.test_budget import SHAPES, draw

BUDGETS: list[Budget] = [LinfBudget(radius_levels=8), LinfBudget(radius_levels=2.5), L2Budget(radius_levels=41.3)]


def mask_of(shape: tuple[int, ...], seed: int) -> Tensor:
    flags = np.random.default_rng(seed + 1).random((shape[0], 1, *shape[2:])) < 0.4
    return torch.from_numpy(flags)


@PROPERTY
@given(seed=st.integers(0, 999), shape=SHAPES, plain=st.sampled_from(BUDGETS))
def test_projects_what_the_mask_leaves(seed: int, shape: tuple[int, ...], plain: Budget) -> None:
    delta, image = draw(seed, shape)
    mask = mask_of(shape, seed)
    budget = MaskedBudget.of_mask(plain, mask)
    projected = budget.project(delta, image)
    assert torch.equal(projected, plain.project(delta * mask, image))
    assert not projected[~mask.expand(shape)].any()
    assert bool(budget.contains(projected, image).all()) and torch.equal(budget.project(projected, image), projected)
    whole = to_levels(projected, image, budget)
    assert bool(budget.fits(whole.double()).all()) and not whole[~mask.expand(shape)].any()


@PROPERTY
@given(seed=st.integers(0, 999), shape=SHAPES, plain=st.sampled_from(BUDGETS))
def test_nothing_outside_is_inside_the_budget(seed: int, shape: tuple[int, ...], plain: Budget) -> None:
    image = torch.full(shape, 100.0)
    mask = mask_of(shape, seed)
    mask.flatten()[0] = False
    delta = torch.zeros(shape)
    delta.flatten()[0] = 1.0
    budget = MaskedBudget.of_mask(plain, mask)
    assert plain.contains(delta, image)[0] and not budget.contains(delta, image)[0]
    assert plain.fits(delta.double())[0] and not budget.fits(delta.double())[0]


def test_steps_and_draws_stay_inside() -> None:
    shape = (3, 2, 5, 4)
    gradient, image = draw(3, shape)
    mask = mask_of(shape, 3)
    gradient[~mask.expand(shape)] = torch.inf
    for plain in BUDGETS:
        budget = MaskedBudget.of_mask(plain, mask)
        step = budget.steepest(gradient)
        assert bool(step.isfinite().all()) and not step[~mask.expand(shape)].any()
        assert torch.allclose(plain.norm(step), torch.ones(3))
        drawn = budget.random(image, generator=torch.Generator().manual_seed(0))
        assert not drawn[~mask.expand(shape)].any() and bool(drawn.any())


def test_a_coarse_voxel_is_free_where_any_of_its_own_is() -> None:
    mask = torch.zeros(1, 1, 4, 6, dtype=torch.bool)
    mask[0, 0, 3, 1] = True
    budget = MaskedBudget.of_mask(L2Budget(radius_levels=40), mask).of_grid((2, 3), 0.25)
    assert budget.mask.int().tolist() == [[[[0, 0, 0], [1, 0, 0]]]]
    assert budget.radius_levels == 20 and budget.budget == L2Budget(radius_levels=20)


def test_says_what_it_is() -> None:
    budget = MaskedBudget.of_mask(BUDGETS[0], torch.ones(1, 1, 2, 2, dtype=torch.bool))
    assert budget.describe() == BUDGETS[0].describe() | {"masked": True}


@pytest.mark.parametrize(
    "mask", [torch.ones(1, 1, 2, 2), torch.ones(2, 2, dtype=torch.bool), torch.ones(1, 3, 2, 2) > 0]
)
def test_refuses_what_is_no_mask(mask: Tensor) -> None:
    with pytest.raises(BudgetError, match=r"needed are flags of shape \(batch, 1, \*space\)"):
        MaskedBudget.of_mask(BUDGETS[0], mask)
