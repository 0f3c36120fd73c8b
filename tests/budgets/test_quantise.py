from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from monai_unlearnable.budgets import Budget, L2Budget, LinfBudget, to_levels


def levels_of(delta: list[float], budget: Budget, image: list[float] | None = None) -> list[float]:
    values = torch.tensor(image or [100.0] * len(delta)).reshape(1, 1, 1, -1)
    found: list[float] = to_levels(torch.tensor(delta).reshape(1, 1, 1, -1), values, budget).flatten().tolist()
    return found


@pytest.mark.parametrize(
    ("radius", "delta", "expected"),
    [
        (8.0, [8.0, -8.0, 8.4, 7.5, 6.5], [8, -8, 8, 8, 6]),
        (8.5, [8.5, -9.0, 0.6], [8, -8, 1]),
        (8.6, [8.6, 0.501, -2.51], [8, 1, -3]),  # one value at the ball's edge leaves the others alone
        (1.0, [0.5, 0.51, -0.7], [0, 1, -1]),
        (2056.0, [2056.4, -3000.0], [2056, -2056]),
    ],
)
def test_linf_is_rounding_within_the_whole_radius(radius: float, delta: list[float], expected: list[int]) -> None:
    budget = LinfBudget(radius_levels=radius, high_level=65535)
    assert levels_of(delta, budget, [5000.0] * len(delta)) == expected


def test_range_is_kept_after_rounding() -> None:
    assert levels_of([-8.0, 8.0, -1.6, 1.6], LinfBudget(radius_levels=8), [3, 250, 1, 254]) == [-3, 5, -1, 1]


@pytest.mark.parametrize(
    ("radius", "delta", "expected"),
    [
        (5.0, [3.0, 4.0], [3, 4]),  # on the sphere
        (5.0, [3.4, 4.4], [3, 4]),
        (13.0, [3.0, 4.0, 12.0], [3, 4, 12]),
        (math.sqrt(2), [1.0, 1.0], [1, 1]),  # its square is above 2
        (math.sqrt(3), [1.0, 1.0, 1.0], [0, 0, 0]),  # its square is below 3
        (1.0, [0.9, 0.1], [1, 0]),
    ],
)
def test_l2_boundary(radius: float, delta: list[float], expected: list[int]) -> None:
    assert levels_of(delta, L2Budget(radius_levels=radius)) == expected


def test_l2_just_inside_the_sphere_is_shortened() -> None:
    levels = levels_of([3.0, 4.0], L2Budget(radius_levels=4.999))
    assert 0 < np.square(levels).sum() < 25


def test_l2_neighbour_that_is_too_long_changes_nothing() -> None:
    budget = L2Budget(radius_levels=5)
    delta = torch.tensor([[3.5, 0.0], [3.5, 3.5]]).reshape(2, 1, 1, 2)
    levels = to_levels(delta, torch.full_like(delta, 100), budget)
    assert levels[0].flatten().tolist() == [4, 0]
    assert 0 < float(levels[1].square().sum()) <= 25


def test_l2_takes_the_largest_scale_that_fits() -> None:
    generator = np.random.default_rng(0)
    for _ in range(10):
        delta = generator.normal(0, 5, 30).astype(np.float32)
        wide = delta.astype(np.float64)
        wanted = wide * (20 / np.linalg.norm(wide))
        tried = (np.round(scale * wanted) for scale in np.linspace(1, 0, 4001))
        slow = next(levels for levels in tried if np.square(levels).sum() <= 400)
        found = np.array(levels_of(delta.tolist(), L2Budget(radius_levels=20)))
        assert np.square(slow).sum() <= np.square(found).sum() <= 400
        assert np.abs(slow - found).max() <= 1


def test_shared_delta_is_not_cut_by_any_image() -> None:
    delta = torch.tensor([[[[-8.0, 8.0]]]])
    assert torch.equal(to_levels(delta, None, LinfBudget(radius_levels=8)), delta)
