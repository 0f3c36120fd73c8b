"""Deltas that are computed on the grid that networks see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from monai_unlearnable.budgets import L2Budget, LinfBudget, MaskedBudget
from monai_unlearnable.perturbations import (
    DenseObjective,
    ErrorMinimizing,
    NextClassTarget,
    OnGrid,
    Patches,
    PerturbationBatch,
    TargetedAdversarial,
    on_grid,
)
from monai_unlearnable.surrogates import InOrder, IntensityWindow, ResampleTo, Surrogate

BUDGET = LinfBudget(radius_levels=8)


def surrogate(dimensions: int, *, dense: bool = False) -> Surrogate:
    convolution: Any = nn.Conv2d if dimensions == 2 else nn.Conv3d
    torch.manual_seed(0)
    head: nn.Module = nn.Sequential() if dense else nn.Sequential(nn.Flatten(2), _Mean())
    network = nn.Sequential(convolution(1, 4, 3, padding=1), nn.Tanh(), convolution(4, 2, 3, padding=1), head)
    return Surrogate(network, InOrder(IntensityWindow(), ResampleTo(size_px=8)))


class _Mean(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return 20 * values.mean(-1)


def batch(space: tuple[int, ...], *, dense: bool = False, **options: Any) -> PerturbationBatch:
    generator = torch.Generator().manual_seed(1)
    image = torch.randint(0, 256, (2, 1, *space), generator=generator).float()
    label = (image > 128).long() if dense else torch.tensor([0, 1])
    return PerturbationBatch(image, label, torch.zeros_like(image), sample_ids=("a", "b"), **options)


def losses(model: Surrogate, work: PerturbationBatch, delta: Tensor, method: Any, **options: Any) -> Tensor:
    with torch.no_grad():
        loss: Tensor = method.objective.loss(model(work.image + delta, **options), work.label)
        return loss


@pytest.mark.parametrize("space", [(40, 33), (24, 17, 20)])
@pytest.mark.parametrize("dense", [False, True])
def test_lowers_the_loss_of_the_whole_image(space: tuple[int, ...], dense: bool) -> None:
    model, work = surrogate(len(space), dense=dense), batch(space, dense=dense)
    objective: dict[str, Any] = {"objective": DenseObjective()} if dense else {}
    for inner in (
        ErrorMinimizing(budget=BUDGET, steps=6, **objective),
        TargetedAdversarial(budget=BUDGET, target=NextClassTarget(2), steps=6, **objective),
    ):
        method = on_grid(inner, 8)
        delta = method.improve(work, surrogate=model)
        assert bool(BUDGET.contains(delta, work.image).all())
        aim = work if isinstance(inner, ErrorMinimizing) else _aimed(work, inner)
        assert bool((losses(model, aim, delta, inner) < losses(model, aim, torch.zeros_like(delta), inner)).all())
        assert method.describe() == inner.describe() | {"seen_px": 8, "block_size_px": None}


def _aimed(work: PerturbationBatch, method: TargetedAdversarial) -> PerturbationBatch:
    return PerturbationBatch(work.image, method.target(work.label), work.delta)


def test_is_constant_over_the_pixels_that_become_one() -> None:
    work = batch((40, 33))
    work = PerturbationBatch(work.image.clamp(60, 190), work.label, work.delta)  # no pixel is cut to the range
    delta = OnGrid(perturbation=ErrorMinimizing(budget=BUDGET, steps=3), size_px=8).improve(
        work, surrogate=surrogate(2)
    )
    rows, columns = (torch.arange(size) * 4 // size for size in (40, 33))
    coarse = functional.interpolate(delta, size=(4, 4), mode="nearest-exact")
    assert torch.equal(delta, coarse[:, :, rows][:, :, :, columns])


def test_patches_are_seen_at_the_scale_of_their_image() -> None:
    seen: list[tuple[int, ...]] = []
    model = surrogate(2)
    model.network.register_forward_hook(lambda _, images, __: seen.append(tuple(images[0].shape[2:])))
    regions = ((slice(0, 1), slice(0, 20), slice(0, 20)), (slice(0, 1), slice(20, 40), slice(0, 20)))
    patches = Patches(regions=regions, whole_space=(40, 40))
    method = OnGrid(perturbation=ErrorMinimizing(budget=BUDGET, steps=2), size_px=8)
    method.improve(batch((20, 20), patches=patches), surrogate=partial(model, whole_space=(40, 40)))
    assert set(seen) == {(4, 4)}


def test_an_l2_ball_is_that_of_the_image() -> None:
    budget, work = L2Budget(radius_levels=200), batch((40, 33))
    inner = ErrorMinimizing(budget=budget, steps=9, step_share=0.5)
    delta = OnGrid(perturbation=inner, size_px=8).improve(work, surrogate=surrogate(2))
    assert bool((budget.norm(delta) <= 200.01).all()) and bool((budget.norm(delta) > 60).all())


def test_small_images_are_worked_on_as_they_are() -> None:
    inner, model = ErrorMinimizing(budget=BUDGET, steps=3), surrogate(2)
    work = batch((4, 30))
    expected = inner.improve(work, surrogate=model)
    assert torch.equal(OnGrid(perturbation=inner, size_px=8).improve(work, surrogate=model), expected)
    assert on_grid(inner, None) is inner


def test_needs_preprocessing_that_knows_its_resampling() -> None:
    plain = Surrogate(surrogate(2).network, nn.Sequential(IntensityWindow(), ResampleTo(size_px=8)))
    with pytest.raises(TypeError, match=r"resampled=True needs preprocessing=InOrder"):
        OnGrid(perturbation=ErrorMinimizing(budget=BUDGET, steps=1), size_px=8).improve(
            batch((40, 33)), surrogate=plain
        )


def test_a_second_round_goes_on_from_what_the_blocks_had() -> None:
    work = batch((40, 33))
    image = work.image.clone()
    image[:, :, 1::2] = 0  # every second row can only be raised, the others by no more than their distance to the end
    mask = torch.rand(2, 1, 40, 33, generator=torch.Generator().manual_seed(2)) < 0.3
    for budget in (BUDGET, MaskedBudget.of_mask(BUDGET, mask)):
        method = OnGrid(perturbation=ErrorMinimizing(budget=budget, steps=4, keep_best=False), size_px=8)
        first = method.improve(PerturbationBatch(image, work.label, work.delta), surrogate=surrogate(2))
        starts: list[Tensor] = []
        again = replace(method, perturbation=_Watched(budget=budget, starts=starts))
        again.improve(PerturbationBatch(image, work.label, first), surrogate=surrogate(2))
        rows, columns = (np.arange(size) * 4 // size for size in (40, 33))
        for row, column in np.ndindex(4, 4):
            block = first[:, 0][:, rows == row][:, :, columns == column].flatten(1)
            place = block.abs().argmax(1, keepdim=True)
            assert torch.equal(starts[0][:, 0, row, column], block.gather(1, place)[:, 0])


@dataclass(frozen=True, kw_only=True)
class _Watched(ErrorMinimizing):
    starts: list[Tensor]

    def improve(self, batch: PerturbationBatch, **options: Any) -> Tensor:
        self.starts.append(batch.delta)
        return super().improve(batch, **options)


def test_an_image_that_is_not_moved_keeps_its_deltas() -> None:
    work = batch((40, 33))
    delta = 8 * torch.randn(work.image.shape, generator=torch.Generator().manual_seed(3)).sign()
    delta = BUDGET.project(delta, work.image)  # finer than the blocks
    method = OnGrid(perturbation=ErrorMinimizing(budget=BUDGET, steps=2, enough_loss=inf), size_px=8)
    start = PerturbationBatch(work.image, work.label, delta)
    assert torch.equal(method.improve(start, surrogate=surrogate(2)), delta)
