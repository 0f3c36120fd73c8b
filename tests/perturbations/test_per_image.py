"""Deltas of images whose budgets and windows differ are those that each image would get alone."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from monai_unlearnable.budgets import AnyBudget, Budget, ImageBudgets, L2Budget, LinfBudget, to_levels
from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations import (
    DenseObjective,
    EmptiedMask,
    ErrorMinimizing,
    MemberObjective,
    NextClassTarget,
    Patches,
    Perturbation,
    PerturbationBatch,
    ShiftedMask,
    Synthetic,
    TargetedAdversarial,
)
from monai_unlearnable.surrogates import IntensityWindow, Surrogate

IDS = ("flat", "deep", "deeper")
LABELS = torch.tensor([0, 1, 1])
WINDOWS = torch.tensor([[0.0, 255.0], [300.0, 2300.0], [-900.0, 60000.0]])


def budgets(norm: type[Budget]) -> dict[str, Budget]:
    radii = (8.0, 62.7, 1910.6) if norm is LinfBudget else (255.0, 2000.0, 60900.0)
    ranges = ((0, 255), (0, 4095), (-65536, 65535))
    return {
        name: norm(radius_levels=radius, low_level=low, high_level=high)
        for name, radius, (low, high) in zip(IDS, radii, ranges, strict=True)
    }


def images() -> Tensor:
    generator = torch.Generator().manual_seed(3)
    share = torch.rand(3, 1, 16, 16, generator=generator)
    low, high = WINDOWS.reshape(3, 2, 1, 1, 1).unbind(1)
    return (low + share * (high - low)).round()


def surrogate() -> Surrogate:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(256, 8), nn.Tanh(), nn.Linear(8, 2))
    return Surrogate(network.double(), nn.Sequential(IntensityWindow(low_level=-1, high_level=1), _ToDouble()))


class _ToDouble(nn.Module):
    """A product of float32 matrices may differ by the number of rows; of float64 it does not reach a whole level."""

    def forward(self, image: Tensor) -> Tensor:
        return image.double()


def method(name: str, budget: AnyBudget) -> Perturbation:
    if name == "synthetic":
        return Synthetic(budget=budget, num_classes=2, seed=5, shares=(1.0, 0.25))
    if name == "error_minimizing":
        return ErrorMinimizing(budget=budget, steps=6)
    return TargetedAdversarial(budget=budget, target=NextClassTarget(2), steps=6)


def run(perturbation: Perturbation, rows: Sequence[int]) -> Tensor:
    image, ids = images()[rows], tuple(IDS[row] for row in rows)
    batch = PerturbationBatch(image, LABELS[rows], torch.zeros_like(image), None, ids)
    with surrogate().frozen() as model:
        improved = perturbation.improve(batch, surrogate=partial(model, window_levels=WINDOWS[rows]))
    return to_levels(improved, image, perturbation.budget_of(batch))


@pytest.mark.parametrize("norm", [LinfBudget, L2Budget])
@pytest.mark.parametrize("name", ["synthetic", "error_minimizing", "targeted_adversarial"])
def test_a_mixed_batch_is_what_each_image_is_alone(name: str, norm: type[Budget]) -> None:
    by_id = budgets(norm)
    together = run(method(name, ImageBudgets(by_id)), [0, 1, 2])
    for row, sample_id in enumerate(IDS):
        alone = run(method(name, by_id[sample_id]), [row])
        assert torch.equal(together[row : row + 1], alone), sample_id
        assert 0 < float(by_id[sample_id].norm(alone)) <= float(by_id[sample_id].radius_levels)


def test_error_minimizing_uses_most_of_each_radius() -> None:
    by_id = budgets(LinfBudget)
    deltas = run(method("error_minimizing", ImageBudgets(by_id)), [0, 1, 2])
    for delta, budget in zip(deltas, by_id.values(), strict=True):
        assert float(delta.abs().max()) > 0.5 * float(budget.radius_levels)


def test_a_batch_without_sample_ids_has_no_budget() -> None:
    perturbation = method("error_minimizing", ImageBudgets(budgets(LinfBudget)))
    batch = PerturbationBatch(images(), LABELS, torch.zeros_like(images()))
    with pytest.raises(BudgetError, match="there is no budget for sample None"):
        perturbation.improve(batch, surrogate=surrogate())


def test_a_radius_too_small_for_a_pattern_is_named() -> None:
    small = ImageBudgets({"a": L2Budget(radius_levels=300), "b": L2Budget(radius_levels=10)})
    image = torch.full((2, 1, 16, 16), 100.0)
    batch = PerturbationBatch(image, LABELS[:2], torch.zeros_like(image), None, ("a", "b"))
    text = (
        r"radius 10 levels \(l2\), spread over images of shape \(1, 16, 16\), is 0\.625 levels a pixel .* is 16 levels"
    )
    with pytest.raises(BudgetError, match=text):
        method("synthetic", small).improve(batch)


def test_one_budget_for_all_gives_the_same_deltas_as_ever() -> None:
    """The bytes of synthetic deltas are fixed: whoever has an old seed must be able to make them again."""
    perturbation = Synthetic(budget=LinfBudget(radius_levels=8), num_classes=3, seed=12345)
    levels = perturbation.pattern(torch.tensor([0, 1, 2]), (1, 28, 28)).to(torch.int8)
    assert hashlib.sha256(levels.numpy().tobytes()).hexdigest() == (
        "7f083f6d98105fbedd203d8b4f91659aa4ab75b350bb2bbe35d48a6cb8424365"
    )


def test_other_images_have_other_random_starts() -> None:
    starts: list[Tensor] = []

    def flat(image: Tensor) -> Tensor:
        starts.append(image.detach() - batch.image)
        return torch.zeros(len(image), 2) + 0 * image.flatten(1).sum(1, keepdim=True)

    budget = LinfBudget(radius_levels=8)
    method = TargetedAdversarial(budget=budget, target=NextClassTarget(2), steps=1, restarts=2)
    for name in ("one", "other", "one"):
        image = torch.full((1, 1, 8, 8), 100.0)
        batch = PerturbationBatch(image, torch.tensor([0]), torch.zeros_like(image), None, (name,))
        method.improve(batch, surrogate=flat)
    one, other, again = starts[2], starts[6], starts[10]
    assert torch.equal(one, again) and not torch.equal(one, other) and one.any()
    starts.clear()
    for row in (0, 8):
        patches = Patches(regions=((slice(0, 1), slice(row, row + 8), slice(0, 8)),), whole_space=(16, 8))
        image = torch.full((1, 1, 8, 8), 100.0)
        batch = PerturbationBatch(image, torch.tensor([0]), torch.zeros_like(image), None, ("one",), patches=patches)
        method.improve(batch, surrogate=flat)
    assert not torch.equal(starts[2], starts[6]), "patches of an image differ, too"


def test_voxels_that_count_for_nothing_are_no_target_either() -> None:
    mask = torch.tensor([[[[0, 1, 255, 255]]]])
    objectives = (DenseObjective(ignore_label=255), MemberObjective(DenseObjective(ignore_label=255)))
    for target, objective in itertools.product((NextClassTarget(2), EmptiedMask(), ShiftedMask()), objectives):
        method = TargetedAdversarial(budget=LinfBudget(radius_levels=8), target=target, steps=1, objective=objective)
        image = torch.full((1, 1, 1, 4), 100.0)
        batch = PerturbationBatch(image, mask, torch.zeros_like(image))
        several = isinstance(objective, MemberObjective)

        def model(seen: Tensor, several: bool = several) -> Tensor:
            logits = torch.cat([seen, -seen], dim=1) / 100
            return logits[..., None] if several else logits

        delta = method.improve(batch, surrogate=model)
        assert not delta[..., 2:].any() and delta[..., 0].any() == (not isinstance(target, ShiftedMask))
