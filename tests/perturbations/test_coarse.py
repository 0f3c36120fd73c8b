"""Patterns and deltas in blocks of stored pixels."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from monai_unlearnable.budgets import L2Budget, LinfBudget, MaskedBudget
from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations import (
    Autoregressive,
    Checks,
    Coarse,
    DenseObjective,
    ErrorMinimizing,
    NextClassTarget,
    OnGrid,
    PerturbationBatch,
    Stripes,
    TargetedAdversarial,
    on_grid,
)
from tests.perturbations.test_on_grid import batch, losses, surrogate

BUDGET = LinfBudget(radius_levels=8)


def blocks_of(values: Tensor, space: tuple[int, ...], side: int) -> list[Tensor]:
    """The values of each block, of the blocks that ``ceil(size / side)`` of them along an axis are."""
    edges = []
    for size in space:
        count = -(-size // side)
        edges.append([int(np.ceil(at * size / count)) for at in range(count + 1)])
    parts = [values]
    for axis, edge in enumerate(edges, start=values.ndim - len(space)):
        parts = [one.narrow(axis, a, b - a) for one in parts for a, b in itertools.pairwise(edge)]
    return parts


def is_even(part: Tensor, dimensions: int) -> bool:
    flat = part.flatten(-dimensions)
    return torch.equal(flat, flat[..., :1].expand_as(flat))


@settings(max_examples=8)
@given(
    side=st.integers(2, 6),
    family=st.sampled_from([Stripes(), Autoregressive(), Checks()]),
    space=st.sampled_from([(64, 50), (48, 48), (49, 52, 51)]),
)
def test_patterns_are_even_over_blocks(side: int, family: Any, space: tuple[int, ...]) -> None:
    coarse = Coarse(patterns=family, block_size_px=side)
    signs = coarse.signs(2, space, seed=3, sample_id="x")
    parts = blocks_of(signs, space, side)
    assert all(is_even(one, len(space)) for one in parts)
    corners = torch.stack([one.flatten(1)[:, 0] for one in parts], dim=1)
    drawn = tuple(-(-size // side) for size in space)
    assert torch.equal(corners.reshape(2, *drawn), family.signs(2, drawn, seed=3, sample_id="x"))
    part = tuple(slice(3, size - 2) for size in space)
    assert torch.equal(coarse.signs(2, space, seed=3, sample_id="x", part=part), signs[(slice(None), *part)])


def test_coarse_patterns_are_like_their_own() -> None:
    stripes, textures = (Coarse(patterns=one, block_size_px=2) for one in (Stripes(), Autoregressive()))
    assert stripes.seen_at(96) == Coarse(patterns=Stripes(view_px=48), block_size_px=2)
    assert stripes.has_faint_class and not Coarse(patterns=Checks(), block_size_px=2).has_faint_class
    assert textures.differs_by_image and not stripes.differs_by_image
    assert stripes.seen_whole(spatial_dims=3) == Coarse(patterns=Checks(), block_size_px=2)
    assert stripes.describe() == {"family": "stripes", "view_px": None, "block_size_px": 2}
    with pytest.raises(BudgetError, match="there are autoregressive processes for 25 patterns"):
        textures.check(26)
    with pytest.raises(BudgetError, match="block_size_px=1: a block has 2 pixels a side, or more"):
        Coarse(patterns=Stripes(), block_size_px=1)


@pytest.mark.parametrize("space", [(24, 20), (12, 8, 9)])
@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("resampled", [False, True])
def test_deltas_are_even_over_blocks_and_lower_the_loss(space: tuple[int, ...], dense: bool, resampled: bool) -> None:
    model, work = surrogate(len(space), dense=dense), batch(space, dense=dense)
    work = PerturbationBatch(work.image.clamp(60, 190), work.label, work.delta, sample_ids=work.sample_ids)
    if not resampled:
        model.preprocessing = model.preprocessing[0]  # type: ignore[index]
    objective: dict[str, Any] = {"objective": DenseObjective()} if dense else {}
    for inner in (
        ErrorMinimizing(budget=BUDGET, steps=6, **objective),
        TargetedAdversarial(budget=BUDGET, target=NextClassTarget(2), steps=6, **objective),
    ):
        method = on_grid(inner, 8 if resampled else None, 6)
        delta = method.improve(work, surrogate=model)
        assert bool(BUDGET.contains(delta, work.image).all())
        for one in blocks_of(delta, space, 6):
            assert is_even(one, len(space))
        assert bool(delta.flatten(1).any(1).all())
        label = work.label if isinstance(inner, ErrorMinimizing) else inner.target(work.label)
        aim = PerturbationBatch(work.image, label, work.delta)
        assert bool((losses(model, aim, delta, inner) < losses(model, aim, torch.zeros_like(delta), inner)).all())
        assert method.describe() == inner.describe() | {"seen_px": 8 if resampled else None, "block_size_px": 6}


def test_blocks_of_a_thin_volume_are_flat() -> None:
    work = batch((2, 24, 20))
    model = surrogate(3)
    model.preprocessing = model.preprocessing[0]  # type: ignore[index]
    work = PerturbationBatch(work.image.clamp(60, 190), work.label, work.delta)
    delta = on_grid(ErrorMinimizing(budget=BUDGET, steps=3), None, 4).improve(work, surrogate=model)
    assert torch.equal(delta[:, :, 0], delta[:, :, 1])
    assert bool(delta.any())


def test_the_step_in_a_block_follows_the_mean_of_its_gradient() -> None:
    weights = torch.linspace(-2, 3, 36).reshape(1, 1, 6, 6)

    def model(image: Tensor) -> Tensor:
        score = (image * weights).flatten(1).sum(1) / 10_000
        return torch.stack([score, -score], dim=1)

    image = torch.full((1, 1, 6, 6), 100.0)
    work = PerturbationBatch(image, torch.tensor([0]), torch.zeros(1, 1, 6, 6))
    delta = on_grid(ErrorMinimizing(budget=BUDGET, steps=2, step_share=0.25), None, 3).improve(work, surrogate=model)
    sums = np.add.reduceat(np.add.reduceat(weights[0, 0].numpy(), [0, 3], axis=0), [0, 3], axis=1)
    assert np.array_equal(delta[0, 0].numpy(), 4 * np.sign(sums).repeat(3, 0).repeat(3, 1))


def test_an_l2_ball_and_a_mask_are_those_of_the_image() -> None:
    model, work = surrogate(2), batch((24, 20))
    model.preprocessing = model.preprocessing[0]  # type: ignore[index]
    budget = L2Budget(radius_levels=200)
    delta = on_grid(ErrorMinimizing(budget=budget, steps=9, step_share=0.5), None, 4).improve(work, surrogate=model)
    assert bool((budget.norm(delta) <= 200.01).all()) and bool((budget.norm(delta) > 60).all())
    mask = torch.zeros(2, 1, 24, 20, dtype=torch.bool)
    mask[..., 5:14, 3:9] = True
    inside = on_grid(ErrorMinimizing(budget=MaskedBudget.of_mask(BUDGET, mask), steps=3), None, 4)
    found = inside.improve(work, surrogate=model)
    assert not found[~mask.expand_as(found)].any() and bool(found.any())


def test_no_blocks_and_no_size_is_the_method_itself() -> None:
    inner = ErrorMinimizing(budget=BUDGET, steps=1)
    assert on_grid(inner, None, None) is inner
    with pytest.raises(BudgetError, match="block_size_px=0: a block has 2 pixels a side, or more"):
        OnGrid(perturbation=inner, block_size_px=0)
