"""Deltas against a linear surrogate: where they end, and how large those of each class are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from monai_unlearnable.budgets import ImageBudgets, L2Budget, LinfBudget
from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations import (
    ContourBand,
    LinearErrorMinimizing,
    MultiLabelObjective,
    PerturbationBatch,
    SingleLabelObjective,
    in_region,
)
from monai_unlearnable.surrogates import IntensityWindow, Surrogate

BUDGET = LinfBudget(radius_levels=8)
SHAPE = (1, 5, 6)


def two_layers(classes: int) -> Surrogate:
    torch.manual_seed(4)
    network = nn.Sequential(nn.Flatten(), nn.Linear(30, 7, bias=False), nn.Linear(7, classes, bias=False))
    return Surrogate(network, IntensityWindow())


def batch(label: Tensor, owner: list[int] | None = None) -> PerturbationBatch:
    image = torch.randint(50, 200, (len(label), *SHAPE), generator=torch.Generator().manual_seed(2)).float()
    deltas = len(label) if owner is None else max(owner) + 1
    owners = None if owner is None else torch.tensor(owner)
    return PerturbationBatch(image, label, torch.zeros(deltas, *SHAPE), owners, tuple("abcdef"[: len(label)]))


def test_deltas_of_two_classes_are_the_signs_of_one_difference_of_weights() -> None:
    surrogate, work = two_layers(2), batch(torch.tensor([0, 1, 1]))
    first, second = (one.detach() for one in surrogate.network.parameters())
    towards = (second[0] - second[1]) @ first
    expected = torch.stack([towards, -towards, -towards]).sign().reshape(3, *SHAPE)
    delta = LinearErrorMinimizing(budget=BUDGET).improve(work, surrogate=surrogate)
    assert torch.equal(delta, 8 * expected)
    faint = LinearErrorMinimizing(budget=BUDGET, shares=(1.0, 0.25)).improve(work, surrogate=surrogate)
    assert torch.equal(faint, torch.tensor([8.0, 2.0, 2.0]).reshape(3, 1, 1, 1) * expected)


def test_images_that_the_surrogate_is_sure_of_get_a_delta_too() -> None:
    surrogate, work = two_layers(3), batch(torch.tensor([0, 1, 2]))
    label = surrogate(work.image).argmax(1)
    work = PerturbationBatch(work.image, label, work.delta)
    expected = LinearErrorMinimizing(budget=BUDGET).improve(work, surrogate=surrogate)
    with torch.no_grad():
        list(surrogate.parameters())[-1].mul_(3000)
        assert not SingleLabelObjective().loss(surrogate(work.image), label).any()
    delta = LinearErrorMinimizing(budget=BUDGET).improve(work, surrogate=surrogate)
    assert bool((delta.abs() > 5).all()) and float((delta.sign() == expected.sign()).float().mean()) > 0.7


def test_an_l2_delta_of_a_faint_class_is_shorter() -> None:
    method = LinearErrorMinimizing(budget=L2Budget(radius_levels=40), shares=(1.0, 0.5))
    delta = method.improve(batch(torch.tensor([0, 1])), surrogate=two_layers(2))
    assert delta.flatten(1).norm(dim=1).tolist() == pytest.approx([40, 20])


def test_no_share_is_less_than_a_level() -> None:
    budgets = ImageBudgets({"a": LinfBudget(radius_levels=2), "b": LinfBudget(radius_levels=40, high_level=4095)})
    method = LinearErrorMinimizing(budget=budgets, shares=(0.25, 0.25))
    delta = method.improve(batch(torch.tensor([0, 1])), surrogate=two_layers(2))
    assert delta.abs().flatten(1).amax(1).tolist() == [1, 10]


def test_a_shared_delta_has_the_share_of_its_class() -> None:
    method = LinearErrorMinimizing(budget=BUDGET, shares=(0.25, 1.0))
    delta = method.improve(batch(torch.tensor([1, 0, 1]), owner=[0, 1, 0]), surrogate=two_layers(2))
    assert delta.abs().flatten(1).amax(1).tolist() == [8, 2]


def test_combinations_of_labels_have_shares() -> None:
    label = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    method = LinearErrorMinimizing(budget=BUDGET, objective=MultiLabelObjective(), shares=(1.0, 0.5, 0.25, 1.0))
    delta = method.improve(batch(label), surrogate=two_layers(2))
    assert delta.abs().flatten(1).amax(1).tolist() == [8, 4, 2, 8]


def test_what_it_refuses() -> None:
    masks = batch(torch.zeros(2, 1, 5, 6, dtype=torch.int64))
    with pytest.raises(BudgetError, match="linear_error_minimizing is for labels of whole images, and these are masks"):
        LinearErrorMinimizing(budget=BUDGET).improve(masks, surrogate=two_layers(2))
    with pytest.raises(BudgetError, match="label 2 has no share: there are 2"):
        LinearErrorMinimizing(budget=BUDGET, shares=(1.0, 0.5)).improve(
            batch(torch.tensor([0, 2])), surrogate=two_layers(3)
        )
    with pytest.raises(BudgetError, match=r"shares=\(1\.0, 0\): the share of each class is above 0"):
        LinearErrorMinimizing(budget=BUDGET, shares=(1.0, 0))
    with pytest.raises(BudgetError, match="need masks"):
        in_region(LinearErrorMinimizing(budget=BUDGET), ContourBand()).improve(
            batch(torch.tensor([0, 1])), surrogate=two_layers(2)
        )


def test_says_what_it_is() -> None:
    described = LinearErrorMinimizing(budget=BUDGET, shares=(1.0, 0.25)).describe()
    assert (described["method"], described["steps"], described["shares"]) == ("linear_error_minimizing", 30, [1, 0.25])
