from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_unlearnable.budgets import Budget, L2Budget, LinfBudget, MaskedBudget


def test_l2_projection_is_the_closed_form() -> None:
    delta = np.random.default_rng(0).normal(0, 5, (20, 2, 1, 3)).astype(np.float32)
    expected = np.stack([one * min(1.0, 12.0 / np.linalg.norm(one.ravel())) for one in delta])
    found = L2Budget(radius_levels=12).project_ball(torch.from_numpy(delta)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert 0 < (np.abs(found - delta).reshape(20, -1).max(1) == 0).sum() < 20, "some were inside, some were not"


@pytest.mark.parametrize("budget", [LinfBudget(radius_levels=3), L2Budget(radius_levels=3)])
def test_no_point_of_the_ball_is_nearer_than_the_projection(budget: LinfBudget | L2Budget) -> None:
    delta = 4 * torch.randn(1, 1, 1, 3)
    projected = budget.project_ball(delta)
    points = budget.random(torch.zeros(5000, 1, 1, 3))
    assert float((projected - delta).norm()) <= float((points - delta).flatten(1).norm(dim=1).min())


def test_largest_value_is_cut_by_the_range() -> None:
    assert L2Budget(radius_levels=500).largest_value_levels == 255
    assert LinfBudget(radius_levels=8).largest_value_levels == 8
    assert LinfBudget(radius_levels=8, low_level=10, high_level=12).largest_value_levels == 2


@pytest.mark.parametrize("norm", [LinfBudget, L2Budget])
def test_a_share_of_a_radius(norm: type[Budget]) -> None:
    budget = norm(radius_levels=8, low_level=-3, high_level=4)
    assert budget.times(0.25) == norm(radius_levels=2, low_level=-3, high_level=4)
    assert budget.times(0.01).radius_levels == 1  # less would round to nothing
    assert norm(radius_levels=0).times(0.5).radius_levels == 0
    each = budget.times(torch.tensor([1.0, 0.5, 0.01])).radius_levels
    assert isinstance(each, torch.Tensor) and each.tolist() == [8, 4, 1]
    several = norm(radius_levels=torch.tensor([8.0, 40.0], dtype=torch.float64)).times(0.5).radius_levels
    assert isinstance(several, torch.Tensor) and several.tolist() == [4, 20]


def test_a_share_inside_a_mask_keeps_the_mask() -> None:
    mask = torch.tensor([[[[True, False]]]])
    budget = MaskedBudget.of_mask(LinfBudget(radius_levels=8), mask).times(0.5)
    projected = budget.project(torch.full((1, 1, 1, 2), 9.0), torch.full((1, 1, 1, 2), 100.0))
    assert projected.flatten().tolist() == [4, 0]
