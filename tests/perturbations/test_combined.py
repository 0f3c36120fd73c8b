"""Two methods that share a radius: whose part is how large, and that what a store holds is enough to go on."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from monai_unlearnable.budgets import Budget, ImageBudgets, L2Budget, LinfBudget
from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations import (
    Autoregressive,
    Background,
    Blocks,
    Combined,
    ErrorMinimizing,
    PerturbationBatch,
    Synthetic,
    TargetedAdversarial,
    in_region,
)
from monai_unlearnable.perturbations.objectives import NextClassTarget
from tests.contracts.toys import linear_surrogate, make_batch

SHAPE = (3, 1, 8, 8)
LABEL = torch.tensor([0, 1, 2])
BUDGET = LinfBudget(radius_levels=8)


def combined(budget: Budget, *, share: float = 0.5, steps: int = 30) -> Combined:
    pattern = Synthetic(budget=budget, num_classes=3, seed=1, patterns=Blocks(per_axis=4))
    return Combined(pattern=pattern, rest=ErrorMinimizing(budget=budget, steps=steps), share=share)


def middle() -> PerturbationBatch:
    """Images that no delta of 8 levels takes out of their range."""
    image = torch.randint(40, 200, SHAPE, generator=torch.Generator().manual_seed(3)).float()
    return PerturbationBatch(image, LABEL, torch.zeros(SHAPE), sample_ids=("a", "b", "c"))


@settings(max_examples=10)
@given(share=st.sampled_from([0.25, 0.5, 0.75]), norm=st.sampled_from([LinfBudget, L2Budget]))
def test_each_part_keeps_to_its_share(share: float, norm: type[Budget]) -> None:
    budget = norm(radius_levels=8 if norm is LinfBudget else 200)
    method, work = combined(budget, share=share), middle()
    delta = method.improve(work, surrogate=linear_surrogate(SHAPE))
    pattern = Synthetic(budget=budget.times(share), num_classes=3, seed=1, patterns=Blocks(per_axis=4)).improve(work)
    radius = float(torch.as_tensor(budget.radius_levels))
    assert budget.norm(pattern).tolist() == pytest.approx([share * radius] * 3, rel=1e-5)
    assert bool((budget.norm(delta - pattern) <= (1 - share) * radius * (1 + 1e-5)).all())
    assert bool((budget.norm(delta - pattern) > 0.5 * (1 - share) * radius).all())
    assert bool(budget.contains(delta, work.image).all())


def test_the_rest_is_what_the_method_finds_on_images_with_the_pattern() -> None:
    work, surrogate = middle(), linear_surrogate(SHAPE)
    method = combined(BUDGET, share=0.25)
    pattern = method.pattern.with_budget(LinfBudget(radius_levels=2)).improve(work)
    under = PerturbationBatch(work.image + pattern, LABEL, torch.zeros(SHAPE))
    alone = ErrorMinimizing(budget=LinfBudget(radius_levels=6), steps=30).improve(under, surrogate=surrogate)
    assert torch.equal(method.improve(work, surrogate=surrogate), pattern + alone)


def test_goes_on_from_what_a_store_holds() -> None:
    work, surrogate = middle(), linear_surrogate(SHAPE)
    method = combined(BUDGET, share=0.5, steps=1)
    first = method.improve(work, surrogate=surrogate)
    stored = PerturbationBatch(work.image, LABEL, first.round(), sample_ids=work.sample_ids)
    second = method.improve(stored, surrogate=surrogate)
    pattern = method.pattern.with_budget(BUDGET.times(0.5)).improve(work)
    assert bool(((first - pattern).abs() == 1).all())
    assert float(((second - pattern).abs() == 2).float().mean()) > 0.9  # another step in the same direction


def test_images_at_the_end_of_their_range_stay_inside() -> None:
    work = make_batch(SHAPE, LABEL)
    delta = combined(BUDGET).improve(work, surrogate=linear_surrogate(SHAPE))
    assert bool(BUDGET.contains(delta, work.image).all()) and float((work.image + delta).max()) <= 255


def test_a_region_and_budgets_of_each_image_reach_both() -> None:
    budgets = ImageBudgets({"a": LinfBudget(radius_levels=4), "b": BUDGET, "c": BUDGET})
    mask = torch.zeros(3, 1, 8, 8, dtype=torch.int64)
    mask[..., 4:] = 1
    pattern = Synthetic(budget=BUDGET, num_classes=2, seed=1, patterns=Blocks(per_axis=4))

    class Voxelwise(ErrorMinimizing):
        """Adds 100 levels wherever it may."""

        def improve(self, batch: PerturbationBatch, **_: object) -> Tensor:
            return batch.project(torch.full_like(batch.delta, 100.0), self.budget_of(batch))

    work = PerturbationBatch(middle().image, mask, torch.zeros(SHAPE), sample_ids=("a", "b", "c"))
    rest = Voxelwise(budget=budgets)
    method = in_region(Combined(pattern=pattern, rest=rest), Background())
    delta = method.improve(work, surrogate=linear_surrogate(SHAPE))
    assert not delta[..., 4:].any()
    assert set(delta[0, ..., :4].unique().tolist()) == {0, 4} and set(delta[1, ..., :4].unique().tolist()) == {0, 8}


def test_a_shared_delta_is_the_sum_of_shared_ones() -> None:
    work = make_batch((5, 1, 8, 8), torch.tensor([0, 1, 2, 1, 0]), owner=[0, 1, 2, 1, 0])
    delta = combined(BUDGET).improve(work, surrogate=linear_surrogate((5, 1, 8, 8)))
    assert delta.shape == (3, 1, 8, 8) and float(delta.abs().max()) == 8


def test_what_it_refuses() -> None:
    rest = ErrorMinimizing(budget=BUDGET)
    with pytest.raises(BudgetError, match="error_minimizing needs a surrogate; a kept pattern follows from labels"):
        Combined(pattern=rest, rest=rest)
    for share in (0.0, 1.0, -0.5):
        with pytest.raises(BudgetError, match=rf"share={share}: a pattern has a share of the radius above 0"):
            combined(BUDGET, share=share)
    small = "a radius of 4 levels, shared by two methods in shares of 0.1 and 0.9, leaves one of them less than one"
    with pytest.raises(BudgetError, match=small):
        combined(LinfBudget(radius_levels=4), share=0.1)
    several = ImageBudgets({"a": LinfBudget(radius_levels=4), "b": BUDGET})
    with pytest.raises(BudgetError, match=small):
        Combined(pattern=combined(BUDGET).pattern, rest=ErrorMinimizing(budget=several), share=0.1)


def test_says_what_it_is_made_of() -> None:
    rest = TargetedAdversarial(budget=BUDGET, target=NextClassTarget(3))
    pattern = Synthetic(budget=BUDGET, num_classes=3, seed=123457, patterns=Autoregressive())
    method = Combined(pattern=pattern, rest=rest, share=0.25)
    described = method.describe()
    assert described["method"] == "targeted_adversarial" and described["kept_share"] == 0.25
    assert described["kept"]["patterns"]["family"] == "autoregressive" and "budget" not in described["kept"]
    assert "123457" not in str(described)
    assert method.needs_surrogate and method.objective is rest.objective and method.budget == BUDGET
