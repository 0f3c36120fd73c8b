"""Synthetic patterns alone give the labels away, at every size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn import functional

from monai_unlearnable.budgets import L2Budget, LinfBudget, to_levels
from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations import Blocks, PerturbationBatch, Synthetic
from monai_unlearnable.perturbations.synthetic import combinations_of
from tests.contracts.toys import whole_images

BUDGET = LinfBudget(radius_levels=8)


def make(*, classes: int = 6, seed: int = 0, blocks: int = 7) -> Synthetic:
    return Synthetic(budget=BUDGET, num_classes=classes, seed=seed, patterns=Blocks(per_axis=blocks))


@pytest.mark.parametrize(
    ("classes", "shape"), [(2, (1, 28, 28)), (10, (1, 28, 28)), (4, (3, 20, 31)), (3, (1, 9, 8, 7))]
)
def test_linear_classifier_reads_the_label_from_the_delta_alone(classes: int, shape: tuple[int, ...]) -> None:
    label = torch.arange(12 * classes) % classes
    image = whole_images((len(label), *shape))
    batch = PerturbationBatch(image, label, torch.zeros_like(image))
    deltas = to_levels(make(classes=classes).improve(batch), image, BUDGET).flatten(1).numpy()
    half = len(label) // 2
    fitted = LogisticRegression(max_iter=200).fit(deltas[:half], label[:half].numpy())
    assert fitted.score(deltas[half:], label[half:].numpy()) == 1.0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_every_combination_of_a_few_labels_has_a_pattern_of_its_own(classes: int, seed: int) -> None:
    method = Synthetic(budget=BUDGET, num_classes=classes, seed=seed)
    vectors = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * classes)
    patterns = method.pattern(vectors, (1, 32, 32)).flatten(1)
    correlation = patterns @ patterns.T / patterns.square().sum(1)
    assert float((correlation - torch.eye(len(vectors))).abs().max()) <= 0.4
    assert torch.equal(method.pattern(vectors[:1], (1, 32, 32)).flatten(1), patterns[:1])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_opposed_channels_carry_the_pattern_and_its_opposite_in_turn(channels: int) -> None:
    label = torch.randint(0, 2, (2, 1, 32, 32), generator=torch.Generator().manual_seed(1))
    same, opposed = (
        Synthetic(budget=BUDGET, num_classes=2, seed=4, shares=(0.25, 1.0), opposed_channels=one).pattern(
            label, (channels, 32, 32)
        )
        for one in (False, True)
    )
    for channel in range(channels):
        assert torch.equal(opposed[:, channel], same[:, channel] * (-1) ** channel)


@pytest.mark.parametrize(
    ("signs", "kept"), [((1, -1, 1), 0.174), ((1, 1, -1), 0.772), ((-1, 1, 1), 0.402), ((1, 1, 1), 1.0)]
)
def test_channels_carry_the_signs_that_they_are_given(signs: tuple[int, ...], kept: float) -> None:
    label = torch.randint(0, 2, (2, 1, 32, 32), generator=torch.Generator().manual_seed(1))
    shares: dict[str, Any] = {"budget": BUDGET, "num_classes": 2, "seed": 4, "shares": (0.25, 1.0)}
    same = Synthetic(**shares).pattern(label, (3, 32, 32))
    signed = Synthetic(**shares, opposed_channels=True, channel_signs=signs)
    found = signed.pattern(label, (3, 32, 32))
    for channel, sign in enumerate(signs):
        assert torch.equal(found[:, channel], sign * same[:, channel])
    luma = torch.einsum("bc...,c->b...", found, torch.tensor([0.299, 0.587, 0.114]))
    torch.testing.assert_close(luma.abs(), kept * same[:, 0].abs())
    assert signed.describe()["channel_signs"] == list(signs)
    assert "channel_signs" not in Synthetic(**shares).describe()


def test_signs_that_are_none_or_too_few_are_refused() -> None:
    with pytest.raises(BudgetError, match=r"channel_signs=\(1, 0, 1\): needs 1 or -1 for each channel"):
        Synthetic(budget=BUDGET, num_classes=2, seed=4, channel_signs=(1, 0, 1))
    method = Synthetic(budget=BUDGET, num_classes=2, seed=4, channel_signs=(1, -1))
    with pytest.raises(BudgetError, match=r"channel_signs=\(1, -1\): 2 signs, but images have 3 channels"):
        method.pattern(torch.tensor([0, 1]), (3, 32, 32))


def test_shares_of_combinations() -> None:
    shares = (1.0, 1.0, 0.5, 1.0)
    method = Synthetic(budget=BUDGET, num_classes=2, seed=0, shares=shares)
    vectors = torch.tensor([[0, 0], [1, 0], [0, 1], [1, 1]])
    assert combinations_of(vectors).tolist() == [0, 1, 2, 3]
    assert method.pattern(vectors, (1, 28, 28)).abs().amax((1, 2, 3)).tolist() == [8, 8, 4, 8]
    with pytest.raises(BudgetError, match="4 shares, but there are 2 patterns"):
        method.pattern(torch.tensor([0, 1]), (1, 28, 28))


def test_the_rarest_class_that_occurs_is_the_faint_one() -> None:
    assert Synthetic.shares_for([5, 0, 2, 9, 2], faint_share=0.25) == (1, 1, 1, 1, 0.25)
    assert Synthetic.shares_for([5, 0, 2, 9], faint_share=0.5) == (1, 1, 0.5, 1)


def test_most_labels_of_many_are_found_by_correlation() -> None:
    method = make(classes=8)
    vectors = torch.randint(0, 2, (400, 8)).float()
    patterns = method.pattern(torch.arange(8), (1, 28, 28)).flatten(1)
    found = method.pattern(vectors, (1, 28, 28)).flatten(1) @ patterns.T > 0
    assert float((found.float() == vectors).float().mean()) > 0.9


@pytest.mark.parametrize("seed", range(20))
def test_no_two_patterns_are_alike_or_opposite(seed: int) -> None:
    patterns = make(classes=12, seed=seed).pattern(torch.arange(12), (1, 7, 7)).flatten(1).sign()
    distance = (patterns[:, None] != patterns[None]).float().mean(2)[~torch.eye(12, dtype=torch.bool)]
    assert float(distance.min()) >= 0.3
    assert float(distance.max()) <= 0.7


@pytest.mark.parametrize("size", [(7, 7), (14, 56), (64, 224), (29, 31)])
def test_patterns_of_other_sizes_are_resized_ones(size: tuple[int, int]) -> None:
    label = torch.arange(6)
    resized = functional.interpolate(make().pattern(label, (1, 7, 7)), size=size, mode="nearest")
    assert torch.equal(make().pattern(label, (1, *size)), resized)


def test_volumes_are_resized_in_depth_too() -> None:
    label = torch.arange(3)
    small = make(classes=3, blocks=3).pattern(label, (1, 3, 3, 3))
    large = make(classes=3, blocks=3).pattern(label, (1, 7, 12, 9))
    assert torch.equal(large, functional.interpolate(small, size=(7, 12, 9), mode="nearest"))


def test_channels_are_equal_and_values_are_the_radius() -> None:
    pattern = make().pattern(torch.arange(6), (3, 28, 28))
    assert torch.equal(pattern[:, 0], pattern[:, 1])
    assert torch.equal(pattern[:, 0], pattern[:, 2])
    assert pattern.unique().tolist() == [-8, 8]


def test_l2_pattern_lies_on_the_sphere() -> None:
    method = Synthetic(budget=L2Budget(radius_levels=40), num_classes=2, seed=0)
    np.testing.assert_allclose(method.pattern(torch.tensor([0, 1]), (1, 14, 14)).flatten(1).norm(dim=1), 40, rtol=1e-5)


def test_l2_radius_that_would_round_to_nothing_is_refused() -> None:
    method = Synthetic(budget=L2Budget(radius_levels=20), num_classes=2, seed=0)
    with pytest.raises(BudgetError, match=r"is 0\.714 levels a pixel and would round to nothing\. .* 28 levels"):
        method.pattern(torch.tensor([0, 1]), (1, 28, 28))


@pytest.mark.parametrize(
    ("label", "text"),
    [
        (torch.tensor([0, 6, 1]), r"label 6 is outside 0\.\.5"),
        (torch.tensor([0, -1, 1]), r"label -1 is outside 0\.\.5"),
        (torch.zeros(2, 5), "5 label columns, but the patterns are for 6"),
    ],
)
def test_refuses_labels(label: torch.Tensor, text: str) -> None:
    with pytest.raises(BudgetError, match=text):
        make().pattern(label, (1, 28, 28))


def test_refuses_images_that_cannot_show_the_blocks() -> None:
    refused = 0
    for seed in range(20):
        try:
            pattern = make(classes=4, seed=seed).pattern(torch.arange(4), (1, 2, 2)).flatten(1)
        except BudgetError as error:
            assert r"too small for the patterns of Blocks(per_axis=7)" in str(error)
            refused += 1
        else:
            assert len(pattern.unique(dim=0)) == 4
    assert refused > 0


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"classes": 0}, "num_classes=0: at least 1 class"),
        ({"blocks": 1}, "per_axis=1: at least 2 blocks"),
        ({"classes": 14, "blocks": 2}, "4 blocks cannot tell 15 patterns apart"),
    ],
)
def test_refuses_settings(settings: dict[str, int], text: str) -> None:
    with pytest.raises(BudgetError, match=text):
        make(**settings)


def test_shares_of_summed_patterns_are_refused() -> None:
    method = Synthetic(budget=LinfBudget(radius_levels=8), num_classes=5, seed=0, shares=(0.25,) * 5)
    with pytest.raises(BudgetError, match=r"up to 4 labels; there are 5 label columns, .* Leave shares out"):
        method.pattern(torch.zeros(1, 5, dtype=torch.int64), (1, 28, 28))
