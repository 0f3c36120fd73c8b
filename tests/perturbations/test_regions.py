"""Regions against slow loops, and methods that stay inside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from monai_unlearnable.budgets import L2Budget, LinfBudget
from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations import (
    Autoregressive,
    Background,
    Body,
    ContourBand,
    DenseObjective,
    ErrorMinimizing,
    InRegion,
    NextClassTarget,
    OnGrid,
    PatternFamily,
    Perturbation,
    PerturbationBatch,
    Region,
    Salient,
    Stripes,
    Structures,
    Synthetic,
    TargetedAdversarial,
)
from tests.contracts.properties import PROPERTY
from tests.perturbations.test_on_grid import surrogate

SPACES = st.sampled_from([(9, 11), (1, 6), (5, 6, 7)])


def masks(space: tuple[int, ...], seed: int, *, classes: int = 3) -> PerturbationBatch:
    random = np.random.default_rng(seed)
    label = np.zeros((2, 1, *space), dtype=np.int64)
    for one in label:
        for number in range(1, classes):
            corner = [random.integers(0, size) for size in space]
            part = tuple(slice(at, at + int(random.integers(1, 5))) for at in corner)
            one[(0, *part)] = number
    image = torch.from_numpy(random.integers(0, 256, label.shape)).float()
    return PerturbationBatch(image, torch.from_numpy(label), torch.zeros_like(image), sample_ids=("a", "b"))


def near(flags: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    """Say for each voxel whether a true one is at most so far away along every axis, one by one."""
    found = np.zeros_like(flags)
    for at in np.argwhere(flags):
        found[tuple(slice(max(0, one - width), one + width + 1) for one in at)] = True
    return found


@PROPERTY
@given(space=SPACES, seed=st.integers(0, 99), width=st.integers(0, 3))
def test_structures_grow_by_their_margin(space: tuple[int, ...], seed: int, width: int) -> None:
    batch = masks(space, seed)
    for one, label in zip(Structures(margin_px=width)(batch).numpy(), batch.label.numpy(), strict=True):
        assert np.array_equal(one[0], near(label[0] > 0, width))
    assert torch.equal(Background()(batch), batch.label == 0)


@PROPERTY
@given(space=SPACES, seed=st.integers(0, 99), inside=st.integers(0, 2), outside=st.integers(1, 2))
def test_bands_lie_along_every_contour(space: tuple[int, ...], seed: int, inside: int, outside: int) -> None:
    batch = masks(space, seed)
    for one, label in zip(ContourBand(inside_px=inside, outside_px=outside)(batch), batch.label.numpy(), strict=True):
        expected = np.zeros(space, dtype=bool)
        for number in (1, 2):
            own = label[0] == number
            expected |= near(own, outside) & ~(own & ~near(~own, inside))
        assert np.array_equal(one[0].numpy(), expected)


def test_body_is_brighter_than_the_darkest_level() -> None:
    image = torch.tensor([[[[3.0, 3.0, 9.0]], [[5.0, 3.0, 3.0]]]])
    batch = PerturbationBatch(image, torch.tensor([0]), torch.zeros_like(image))
    assert Body()(batch).int().tolist() == [[[[1, 0, 1]]]]


@pytest.mark.parametrize("share", [0.01, 0.25, 1.0])
def test_salient_voxels_have_the_largest_gradients(share: float) -> None:
    batch, model, objective = masks((20, 22), 0, classes=2), surrogate(2, dense=True), DenseObjective()
    chosen = Salient(share=share)(batch, surrogate=model, objective=objective)
    image = batch.image.clone().requires_grad_()
    objective.loss(model(image), batch.label).sum().backward()
    assert image.grad is not None
    for flags, gradient in zip(chosen, image.grad.abs(), strict=True):
        count = round(share * 20 * 22)
        assert int(flags.sum()) == count
        assert set(gradient[flags].tolist()) == set(sorted(gradient.flatten().tolist())[-count:])


METHODS: dict[str, Callable[[Any], Any]] = {
    "synthetic": lambda budget: Synthetic(budget=budget, num_classes=2, seed=1),
    "error_minimizing": lambda budget: ErrorMinimizing(budget=budget, steps=3, objective=DenseObjective()),
    "targeted": lambda budget: TargetedAdversarial(
        budget=budget, target=NextClassTarget(2), steps=3, restarts=2, objective=DenseObjective()
    ),
    "on_grid": lambda budget: OnGrid(
        perturbation=ErrorMinimizing(budget=budget, steps=3, objective=DenseObjective()), size_px=8
    ),
}
REGIONS: list[Region] = [Structures(margin_px=1), ContourBand(), Background(), Body(), Salient(share=0.2)]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("region", REGIONS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("budget", [LinfBudget(radius_levels=8), L2Budget(radius_levels=150)], ids=["linf", "l2"])
def test_methods_change_nothing_outside(name: str, region: Region, budget: Any) -> None:
    batch, model = masks((20, 22), 4, classes=2), surrogate(2, dense=True)
    inner = METHODS[name](budget)
    method: Perturbation = InRegion(perturbation=inner, region=region)
    if name == "synthetic" and isinstance(region, Salient):
        with pytest.raises(BudgetError, match="give a method that has one"):
            method.improve(batch, surrogate=model)
        return
    delta = method.improve(batch, surrogate=model)
    allowed = region(batch, surrogate=model, objective=DenseObjective())
    assert not delta[~allowed].any() and bool(delta[allowed].any())
    assert bool(budget.contains(delta, batch.image).all())
    assert method.needs_surrogate == (name != "synthetic")
    assert method.describe() == inner.describe() | {"region": repr(region)}


@pytest.mark.parametrize("patterns", [Stripes(), Autoregressive()], ids=["stripes", "differ by image"])
def test_patterns_in_a_region_use_all_of_an_l2_radius(patterns: PatternFamily) -> None:
    work = masks((40, 44), 4, classes=2)
    work = replace(work, image=torch.full_like(work.image, 128.0))
    inner = Synthetic(budget=L2Budget(radius_levels=90), num_classes=2, seed=1, patterns=patterns)
    method = InRegion(perturbation=inner, region=ContourBand())
    delta = method.improve(work)
    lengths = np.sqrt((delta.double().numpy() ** 2).sum(axis=(1, 2, 3)))
    np.testing.assert_allclose(lengths, 90, rtol=1e-5)
    faint = method.with_budget(L2Budget(radius_levels=8))
    with pytest.raises(BudgetError, match=r"8 levels \(l2\), spread over an image's region, is 0\.\d+ levels a pixel"):
        faint.improve(work)


def test_refuses_regions_that_cannot_be() -> None:
    image = torch.zeros(2, 1, 4, 4)
    labelled = PerturbationBatch(image, torch.tensor([0, 1]), image)
    for region in (Structures(), ContourBand(), Background()):
        with pytest.raises(BudgetError, match=r"labels of shape \(2,\) are no masks"):
            region(labelled)
    with pytest.raises(BudgetError, match="salient voxels are those that a surrogate looks at"):
        Salient()(labelled)
    shared = PerturbationBatch(image, torch.tensor([0, 1]), image[:1], torch.tensor([0, 0]))
    with pytest.raises(BudgetError, match="a delta that images share has no region of one image"):
        InRegion(perturbation=METHODS["synthetic"](LinfBudget(radius_levels=8)), region=Body()).improve(shared)
    cases: list[tuple[Callable[[], Region], str]] = [
        (lambda: Structures(margin_px=-1), "margin_px=-1: a width counts voxels"),
        (lambda: ContourBand(inside_px=0, outside_px=0), "a band of no width has no voxel"),
        (lambda: Salient(share=0.0), "share=0.0: above 0 and at most 1"),
    ]
    for make, said in cases:
        with pytest.raises(BudgetError, match=said):
            make()


def test_a_method_in_a_region_takes_another_budget() -> None:
    budget = LinfBudget(radius_levels=4)
    method = InRegion(perturbation=ErrorMinimizing(budget=LinfBudget(radius_levels=8)), region=Structures())
    found = method.with_budget(budget)
    assert found.budget == budget and found.region == Structures() and isinstance(found, InRegion)
