"""A budget for each image: a batch of them is what each of them is alone."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from monai_unlearnable.budgets import Budget, ImageBudgets, L2Budget, LinfBudget, combine_budgets, to_levels
from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations import PerturbationBatch
from tests.contracts.properties import PROPERTY

NORMS = st.sampled_from([LinfBudget, L2Budget])
RADII = st.lists(st.sampled_from([1.0, 1.5, 8.0, 25.6, 300.0, 53444.5]), min_size=3, max_size=3)
IDS = ["a", "b", "c"]
RANGES = {"a": (0.0, 255.0), "b": (-1024.0, 3071.0), "c": (-16777215.0, 16777215.0)}


def make(norm: type[Budget], radii: list[float], *, one_range: bool = False) -> ImageBudgets:
    ranges = dict.fromkeys(IDS, RANGES["b"]) if one_range else RANGES
    return ImageBudgets(
        {
            name: norm(radius_levels=radius, low_level=ranges[name][0], high_level=ranges[name][1])
            for name, radius in zip(IDS, radii, strict=True)
        }
    )


def draw(seed: int, budgets: ImageBudgets) -> tuple[Tensor, Tensor]:
    """Return deltas that are too large, and whole levels that touch both ends of each range."""
    generator = np.random.default_rng(seed)
    images = []
    for name in IDS:
        low, high = (int(float(one)) for one in (budgets.by_id[name].low_level, budgets.by_id[name].high_level))
        image = generator.integers(low, high + 1, (1, 4, 5))
        image[generator.random(image.shape) < 0.2] = low
        image[generator.random(image.shape) < 0.2] = high
        images.append(image)
    delta = generator.normal(0, 200, (3, 1, 4, 5)).astype(np.float32)
    return torch.from_numpy(delta), torch.from_numpy(np.stack(images).astype(np.float32))


@PROPERTY
@given(st.integers(0, 999), NORMS, RADII, st.booleans())
def test_a_batch_is_what_each_image_is_alone(seed: int, norm: type[Budget], radii: list[float], one: bool) -> None:
    budgets = make(norm, radii, one_range=one)
    delta, image = draw(seed, budgets)
    batch = budgets.of(IDS)

    def alone(method: str, *arguments: Tensor) -> Tensor:
        parts = []
        for index, name in enumerate(IDS):
            parts.append(getattr(budgets.by_id[name], method)(*(part[index : index + 1] for part in arguments)))
        return torch.cat(parts)

    for method, arguments in {
        "norm": (delta,),
        "project_ball": (delta,),
        "clip_to_range": (delta, image),
        "project": (delta, image),
        "cut": (image + delta,),
        "steepest": (delta,),
        "contains": (delta, image),
        "fits": (delta.round().double(),),
    }.items():
        assert torch.equal(getattr(batch, method)(*arguments), alone(method, *arguments)), method
    levels = to_levels(delta, image, batch)
    each = [to_levels(delta[i : i + 1], image[i : i + 1], budgets.by_id[name]) for i, name in enumerate(IDS)]
    assert torch.equal(levels, torch.cat(each))
    batch.require_images(image, IDS)


@PROPERTY
@given(st.integers(0, 999), NORMS, RADII)
def test_levels_keep_to_each_images_budget_by_numpy(seed: int, norm: type[Budget], radii: list[float]) -> None:
    budgets = make(norm, radii)
    delta, image = draw(seed, budgets)
    levels = to_levels(delta, image, budgets.of(IDS)).double().numpy().astype(np.int64)
    assert np.array_equal(levels, to_levels(delta, image, budgets.of(IDS)).numpy())
    for name, radius, one, original in zip(IDS, radii, levels, image.numpy().astype(np.int64), strict=True):
        length = np.abs(one).max() if norm is LinfBudget else math.sqrt(int((one**2).sum()))
        assert length <= radius
        low, high = RANGES[name]
        assert low <= (original + one).min() and (original + one).max() <= high


@PROPERTY
@given(st.integers(0, 99), NORMS, RADII)
def test_random_deltas_are_inside_each_radius(seed: int, norm: type[Budget], radii: list[float]) -> None:
    batch = make(norm, radii).of(IDS)
    delta = batch.random(torch.zeros(3, 1, 4, 4), generator=torch.Generator().manual_seed(seed))
    lengths = batch.norm(delta).tolist()
    assert all(0 < length <= radius * (1 + 1e-6) for length, radius in zip(lengths, radii, strict=True))


def test_a_batch_of_equal_budgets_is_one_budget() -> None:
    flat = LinfBudget(radius_levels=8)
    budgets = ImageBudgets({"a": flat, "b": LinfBudget(radius_levels=8), "c": LinfBudget(radius_levels=9)})
    assert budgets.of(["b", "a"]) == flat
    mixed = budgets.of(["a", "c"])
    assert isinstance(mixed.radius_levels, Tensor) and mixed.low_level == 0 and mixed.high_level == 255
    assert mixed.radius_levels.tolist() == [8, 9]
    deeper = ImageBudgets({"a": flat, "d": LinfBudget(radius_levels=8, high_level=4095)}).of(["a", "d"])
    assert deeper.radius_levels == 8 and deeper.low_level == 0
    assert deeper.cut(torch.full((2, 1, 1, 1), 9999.0)).flatten().tolist() == [255, 4095]
    assert deeper.cut(torch.full((2, 1, 1, 1), -1.0)).flatten().tolist() == [0, 0]
    assert combine_budgets({"a": flat, "b": flat}) == flat
    assert isinstance(combine_budgets(budgets.by_id), ImageBudgets)
    assert flat.of(["x", "y"]) is flat


def test_description_names_smallest_and_largest() -> None:
    described = make(LinfBudget, [8.0, 300.0, 25.6]).describe()
    assert json.loads(json.dumps(described)) == {
        "norm": "linf",
        "radius_levels": [8.0, 300.0],
        "low_level": [-16777215.0, 0.0],
        "high_level": [255.0, 16777215.0],
    }
    assert make(L2Budget, [8.0, 300.0, 25.6]).largest_value_levels == 300
    assert make(L2Budget, [8000.0, 1.0, 1.0]).largest_value_levels == 255
    assert make(LinfBudget, [8.0, 300.0, 25.6]).of(IDS).describe()["radius_levels"] == [8.0, 300.0, 25.6]


def test_refusals() -> None:
    budgets = make(LinfBudget, [8.0, 300.0, 25.6])
    with pytest.raises(
        BudgetError, match=r"there is no budget for sample 'd': each image has its own, by its sample id"
    ):
        budgets.of(["a", "d"])
    with pytest.raises(BudgetError, match="there is no budget for sample None"):
        budgets.of([])
    with pytest.raises(BudgetError, match="2 budgets of 2 norms"):
        ImageBudgets({"a": LinfBudget(radius_levels=8), "b": L2Budget(radius_levels=8)})
    with pytest.raises(BudgetError, match="0 budgets of 0 norms"):
        combine_budgets({})
    with pytest.raises(BudgetError, match="a budget of a batch is no budget of one image"):
        _ = ImageBudgets({"a": budgets.of(["a", "b"])}).largest_value_levels
    with pytest.raises(
        BudgetError, match=r"whose radius would be 8 to 300 levels\. Give one radius in levels, or deltas"
    ):
        budgets.require_one_radius()
    make(LinfBudget, [8.0, 8.0, 8.0]).require_one_radius()
    with pytest.raises(BudgetError, match=r"sample 'b': values 0 to 4000 leave the range -1024 to 3071 of the budget"):
        image = torch.zeros(2, 1, 1, 2)
        image[1, 0, 0, 1] = 4000
        budgets.of(["c", "b"]).require_images(image, ["c", "b"])


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ({"radius_levels": torch.tensor([8.0, 0.5])}, r"radius_levels=0\.5: smaller than one level"),
        ({"radius_levels": torch.tensor([8.0, math.nan])}, "radius_levels=nan: a radius is a finite number"),
        ({"radius_levels": 8.0, "low_level": torch.tensor([0.0, 255.0])}, r"range \[255, 255\] is empty"),
        ({"radius_levels": 8.0, "low_level": 9.0, "high_level": torch.tensor([10.0, 9.0])}, r"range \[9, 9\] is empty"),
    ],
)
def test_every_number_of_a_batch_is_checked(numbers: dict[str, float | Tensor], text: str) -> None:
    with pytest.raises(BudgetError, match=text):
        LinfBudget(**numbers)


@PROPERTY
@given(st.integers(0, 999), NORMS)
def test_a_delta_that_images_of_several_ranges_share_keeps_to_the_ball_and_to_each_range(
    seed: int, norm: type[Budget]
) -> None:
    budgets = make(norm, [20.5, 20.5, 20.5])
    _, image = draw(seed, budgets)
    delta = torch.randn(2, 1, 4, 5, generator=torch.Generator().manual_seed(seed)) * 60
    batch = PerturbationBatch(image, torch.zeros(3), delta, torch.tensor([0, 1, 0]), tuple(IDS))
    budget = budgets.of(IDS)
    levels = to_levels(batch.project(delta, budget), None, budget)
    assert torch.equal(levels, to_levels(delta, None, budgets.by_id["c"]))
    assert bool((budget.norm(levels.double()) <= 20.5).all())
    protected = batch.apply(levels, budget)
    for name, row, one, original in zip(IDS, (0, 1, 0), protected, image, strict=True):
        low, high = RANGES[name]
        assert torch.equal(one, (original + levels[row]).clamp(low, high))
