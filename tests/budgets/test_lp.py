from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_unlearnable.budgets import L2Budget, LinfBudget


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
