"""Perturbations that are computed on the fly from image and label."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, RandFlipd, RandScaleIntensityd
from torch import nn

from monai_unlearnable.budgets import L2Budget, LinfBudget
from monai_unlearnable.errors import BudgetError, DivergedError, SourceError
from monai_unlearnable.perturbations import (
    Blocks,
    ComplementTarget,
    ErrorMinimizing,
    MultiLabelObjective,
    NextClassTarget,
    Perturbation,
    Synthetic,
    TargetedAdversarial,
)
from monai_unlearnable.surrogates import IntensityWindow, ReaderWays, Surrogate
from monai_unlearnable.transforms import (
    SurrogatePerturbation,
    SurrogatePerturbationd,
    SyntheticPerturbation,
    SyntheticPerturbationd,
)

BUDGET = LinfBudget(radius_levels=8)
SHAPE = (1, 8, 8)


def surrogate(*, shape: tuple[int, ...] = SHAPE, classes: int = 3, seed: int = 0) -> Surrogate:
    torch.manual_seed(seed)
    size = int(np.prod(shape))
    network = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(size), nn.Linear(size, 16), nn.ReLU(), nn.Linear(16, classes))
    return Surrogate(network, IntensityWindow())


def image(*, shape: tuple[int, ...] = SHAPE, low: int = 0, high: int = 256) -> torch.Tensor:
    return torch.randint(low, high, shape, dtype=torch.uint8)


METHODS: list[Perturbation] = [
    ErrorMinimizing(budget=BUDGET, steps=3),
    ErrorMinimizing(budget=L2Budget(radius_levels=20), steps=3),
    TargetedAdversarial(budget=BUDGET, target=NextClassTarget(3), steps=3, restarts=2),
]


def test_synthetic_is_the_pattern_cut_to_the_range() -> None:
    method = Synthetic(budget=BUDGET, num_classes=3, seed=5, patterns=Blocks(per_axis=4))
    clean = image()
    pattern = method.pattern(torch.tensor([2]), SHAPE)[0].numpy().astype(np.int64)
    protected = SyntheticPerturbation(method)(clean, 2)
    np.testing.assert_array_equal(protected.numpy(), np.clip(clean.numpy().astype(np.int64) + pattern, 0, 255))


@pytest.mark.parametrize("scale", [1.0, 1 / 255])
def test_scaled_images_get_the_same_levels(scale: float) -> None:
    clean = image()
    method = ErrorMinimizing(budget=BUDGET, steps=3)
    raw = SurrogatePerturbation(method, surrogate())(clean, 1)
    scaled = SurrogatePerturbation(method, surrogate(), level_size=scale)(clean.float() * scale, 1)
    assert torch.equal((scaled / scale).round().to(torch.uint8), raw)
    assert float(scaled.min()) >= 0 and float(scaled.max()) <= 255 * scale


@pytest.mark.parametrize("method", METHODS, ids=lambda one: f"{one.name}-{one.budget.norm_name}")
def test_surrogate_delta_keeps_the_budget_and_lowers_the_loss(method: Perturbation) -> None:
    clean, model = image(), surrogate()
    protected: Any = SurrogatePerturbation(method, model)(clean, 1)
    delta = protected.to(torch.float64) - clean.to(torch.float64)
    norm = delta.abs().max() if isinstance(method.budget, LinfBudget) else delta.norm()
    assert isinstance(method.budget, LinfBudget | L2Budget)
    assert 0 < float(norm) <= float(method.budget.radius_levels)
    target = torch.tensor([2 if isinstance(method, TargetedAdversarial) else 1])
    model.eval()
    with torch.no_grad():
        before = nn.functional.cross_entropy(model(clean[None].float()), target)
        after = nn.functional.cross_entropy(model(protected.as_tensor()[None].float()), target)
    assert after < before


@pytest.mark.parametrize("method", METHODS, ids=lambda one: f"{one.name}-{one.budget.norm_name}")
def test_surrogate_delta_is_deterministic_and_comes_off(method: Perturbation) -> None:
    clean = MetaTensor(image(), meta={"filename": "x.png"})
    protect = SurrogatePerturbation(method, surrogate())
    protected: Any = protect(clean, 0)
    torch.manual_seed(99)
    assert torch.equal(protect(clean, 0), protected)
    assert torch.equal(pickle.loads(pickle.dumps(protect))(clean, 0), protected)
    assert protected.meta["filename"] == "x.png" and protected.dtype == torch.uint8
    assert torch.equal(protect.inverse(protected), clean)


def ways_surrogate() -> Surrogate:
    """One that looks at an image in another way at every call."""
    one = surrogate()
    one.ways = ReaderWays(Compose([RandFlipd("image", prob=0.5), RandScaleIntensityd("image", prob=1, factors=0.5)]))
    return one


def test_ways_are_drawn_by_the_name_and_not_by_what_was_drawn_before() -> None:
    protect, clean = SurrogatePerturbation(METHODS[0], ways_surrogate()), image()
    names = [str(number) for number in range(12)]
    expected = [protect(clean, 0, name) for name in names]
    assert len({tuple(one.flatten().tolist()) for one in expected}) > 1
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda name: protect(clean, 0, name), names))
    again = pickle.loads(pickle.dumps(protect))
    results += [again(clean, 0, name) for name in names]
    assert all(torch.equal(one, other) for one, other in zip(results, 2 * expected, strict=True))


def test_training_on_does_not_reach_the_transform_nor_the_transform_the_training() -> None:
    model, clean = surrogate().train(), image()
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    protect = SurrogatePerturbation(METHODS[0], model)
    before = protect(clean, 0)
    assert model.training and all(one.requires_grad for one in model.parameters())
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    with torch.no_grad():
        for one in model.parameters():
            one.mul_(-1)
    assert torch.equal(protect(clean, 0), before)


def test_threads_share_one_surrogate() -> None:
    protect = SurrogatePerturbation(METHODS[0], surrogate())
    images = [image() for _ in range(24)]
    expected = [protect(one, 1) for one in images]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda one: protect(one, 1), images))
    assert all(torch.equal(one, other) for one, other in zip(results, expected, strict=True))


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_gradients_are_had_where_a_pipeline_switches_them_off(context: type) -> None:
    clean = image()
    protect = SurrogatePerturbation(METHODS[0], surrogate())
    expected = protect(clean, 1)
    with context():
        result = protect(clean.clone(), 1)
    assert torch.equal(result, expected)


def test_multi_label() -> None:
    method = TargetedAdversarial(budget=BUDGET, target=ComplementTarget(), steps=2, objective=MultiLabelObjective())
    clean = image()
    protected = SurrogatePerturbation(method, surrogate())(clean, np.array([0, 1, 1]))
    assert 0 < int((protected.int() - clean.int()).abs().max()) <= 8
    patterns = Synthetic(budget=BUDGET, num_classes=3, seed=0, patterns=Blocks(per_axis=4))
    assert not torch.equal(SyntheticPerturbation(patterns)(clean, [0, 1, 1]), clean)


def test_volumes() -> None:
    shape = (1, 4, 4, 4)
    clean = image(shape=shape)
    protect = SurrogatePerturbation(METHODS[0], surrogate(shape=shape))
    protected = protect(clean, 1)
    assert 0 < int((protected.int() - clean.int()).abs().max()) <= 8
    assert torch.equal(protect.inverse(protected), clean)


def test_image_in_another_unit_is_refused() -> None:
    protect = SyntheticPerturbation(Synthetic(budget=BUDGET, num_classes=2, seed=0), level_size=1 / 255)
    with pytest.raises(BudgetError, match=r"'scan 3'.*leave the range"):
        protect(image().float(), 0, "scan 3")


def test_images_and_losses_that_are_not_finite_are_named() -> None:
    broken = torch.full(SHAPE, float("nan"))
    with pytest.raises(BudgetError, match=r"'scan 3': holds NaN"):
        SyntheticPerturbation(Synthetic(budget=BUDGET, num_classes=2, seed=0))(broken, 0, "scan 3")
    model = surrogate()
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(DivergedError, match=r"'scan 4'"):
        SurrogatePerturbation(METHODS[0], model)(image(), 0, "scan 4")


def test_dictionaries() -> None:
    clean = image()
    item = {"image": clean, "y": torch.tensor([1])}
    patterns = Synthetic(budget=BUDGET, num_classes=2, seed=0, patterns=Blocks(per_axis=4))
    synthetic = SyntheticPerturbationd("image", patterns, label_key="y")
    computed = SurrogatePerturbationd("image", METHODS[0], surrogate(), label_key="y")
    pairs: list[tuple[Any, Any]] = [(synthetic, SyntheticPerturbation(patterns)), (computed, computed.transform)]
    for dictionary, array in pairs:
        result = dictionary(item)
        assert torch.equal(result["image"], array(clean, 1))
        assert torch.equal(dictionary.inverse(result)["image"].as_tensor(), clean)


def test_missing_label_says_what_to_do() -> None:
    patterns = Synthetic(budget=BUDGET, num_classes=2, seed=0)
    with pytest.raises(SourceError, match=r"no 'label'.*computed for a label.*Add it to every"):
        SyntheticPerturbationd("image", patterns)({"image": image()})
    with pytest.raises(SourceError, match=r"'s': synthetic needs the image's label"):
        SyntheticPerturbation(patterns)(image(), None, "s")
