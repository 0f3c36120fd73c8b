"""Deltas that a network gives: radius times tanh, on the right grid, whatever the batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from monai_unlearnable.budgets import Budget, L2Budget, LinfBudget, MaskedBudget, combine_budgets, to_levels
from monai_unlearnable.errors import BudgetError, DivergedError
from monai_unlearnable.perturbations import (
    GeneratedDeltas,
    InRegion,
    Patches,
    PerturbationBatch,
    Structures,
    small_generator,
)
from monai_unlearnable.perturbations.generator import enlarge, half_grid, label_planes, on_sphere
from monai_unlearnable.surrogates import InOrder, IntensityWindow, ResampleTo, Surrogate
from tests.contracts.properties import PROPERTY
from tests.contracts.toys import one_layer_generator, whole_images

BUDGET = LinfBudget(radius_levels=8)
WEIGHTS = np.linspace(0.9, -0.8, 3, dtype=np.float32)


def make(*, budget: Budget = BUDGET, classes: int = 3, size_px: int | None = None) -> GeneratedDeltas:
    generator = one_layer_generator(classes, size_px=size_px)
    return GeneratedDeltas(budget=budget, generator=generator, num_classes=classes, size_px=size_px)


def batch_of(image: Tensor, label: Tensor, **options: Any) -> PerturbationBatch:
    ids = tuple(f"image {number}" for number in range(len(image)))
    return PerturbationBatch(image, label, torch.zeros_like(image), sample_ids=ids, **options)


def seen(image: Tensor) -> Any:
    return image.numpy() / np.float32(127.5) - 1


def cut(delta: Any, image: Tensor) -> Any:
    return np.clip(delta, -image.numpy(), 255 - image.numpy())


LABELS: dict[str, Any] = {
    "one label": (torch.tensor([2, 0]), lambda image: WEIGHTS[[2, 0]].reshape(2, *[1] * (image.ndim - 1))),
    "several labels": (
        torch.tensor([[1.0, 0, 1], [0, 0, 0]]),
        lambda image: np.asarray([WEIGHTS[0] + WEIGHTS[2], 0]).reshape(2, *[1] * (image.ndim - 1)),
    ),
    "masks": (None, lambda image: WEIGHTS[image[:, :1].numpy().astype(int) % 3]),
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("shape", [(2, 1, 6, 7), (2, 3, 5, 4), (2, 1, 4, 5, 6)], ids=str)
def test_is_the_radius_times_tanh(kind: str, shape: tuple[int, ...]) -> None:
    image = whole_images(shape)
    label, weight = LABELS[kind]
    label = image[:, :1].long() % 3 if label is None else label
    expected = cut(8 * np.tanh(0.7 * seen(image) + weight(image)), image)
    delta = make().improve(batch_of(image, label))
    np.testing.assert_allclose(delta.numpy(), expected, atol=2e-5)


def test_voxels_of_an_ignored_class_have_no_plane() -> None:
    image, mask = whole_images((1, 1, 4, 4)), torch.full((1, 1, 4, 4), 255)
    delta = make().improve(batch_of(image, mask))
    np.testing.assert_allclose(delta.numpy(), cut(8 * np.tanh(0.7 * seen(image)), image), atol=2e-5)


@PROPERTY
@given(
    space=st.lists(st.integers(1, 20), min_size=2, max_size=3),
    channels=st.sampled_from([1, 3]),
    classes=st.integers(1, 4),
    kind=st.sampled_from(["index", "columns", "mask"]),
    size=st.sampled_from([None, 8]),
    l2=st.booleans(),
)
def test_every_shape_and_label_gives_whole_deltas_inside_the_budget(
    space: list[int], channels: int, classes: int, kind: str, size: int | None, l2: bool
) -> None:
    image = whole_images((2, channels, *space))
    labels = {
        "index": torch.arange(2) % classes,
        "columns": torch.ones(2, classes),
        "mask": image[:, :1].long() % (classes + 1),  # the last class is an ignored one
    }
    budget: Budget = L2Budget(radius_levels=50) if l2 else BUDGET
    delta = make(budget=budget, classes=classes, size_px=size).improve(batch_of(image, labels[kind]))
    levels = to_levels(delta, image, budget)
    assert delta.shape == image.shape and torch.equal(levels, levels.round())
    assert bool(budget.contains(delta, image).all()) and bool(budget.contains(levels, image).all())


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("kind", ["index", "mask"])
def test_a_trained_kind_of_network_gives_an_image_the_same_in_every_batch(dimensions: int, kind: str) -> None:
    torch.manual_seed(0)
    network = small_generator(spatial_dims=dimensions, in_channels=1, num_classes=3)
    method = replace(make(), generator=Surrogate(network, IntensityWindow(), channels_last=True))
    image = whole_images((3, 1, *(11, 14, 9)[:dimensions]))
    label = torch.tensor([0, 1, 2]) if kind == "index" else image.long() % 3
    together = method.improve(batch_of(image, label))
    alone = [method.improve(batch_of(image[i : i + 1], label[i : i + 1])) for i in range(3)]
    assert torch.equal(together, torch.cat(alone))
    other = method.improve(batch_of(image, (label + 1) % 3))
    assert float((together - other).abs().mean()) > 1e-3, "the label changes the delta"
    assert network.training and all(one.requires_grad for one in network.parameters()), "left as it was"


def test_planes_of_one_label_survive_the_networks_normalisation() -> None:
    torch.manual_seed(1)
    network = small_generator(spatial_dims=2, in_channels=1, num_classes=2).eval()
    image = torch.zeros(1, 1, 64, 64)
    with torch.no_grad():
        one, other = (network(torch.cat([image, label_planes(torch.tensor([at]), (64, 64), 2)], 1)) for at in (0, 1))
    assert float((one - other)[..., 24:40, 24:40].abs().min()) > 1e-3  # far from the border of zeros


@pytest.mark.parametrize("space", [(40, 33), (24, 17, 20)])
def test_large_images_get_deltas_of_half_the_grid_that_is_seen(space: tuple[int, ...]) -> None:
    image = whole_images((1, 1, *space), low=60, high=190)
    delta = make(size_px=8).improve(batch_of(image, torch.tensor([1])))
    view = ResampleTo(size_px=8)(image / 127.5 - 1)
    pool: Any = nn.functional.avg_pool2d if len(space) == 2 else nn.functional.avg_pool3d
    coarse = 8 * torch.tanh(0.7 * pool(view, 2) + float(WEIGHTS[1]))
    expected = coarse
    for axis, size in enumerate(space, start=2):
        expected = expected.index_select(axis, torch.arange(size) * 4 // size)
    torch.testing.assert_close(delta, expected)
    assert half_grid((8, 9)) == (4, 5)


def test_masks_of_large_images_are_averaged_to_the_grid() -> None:
    image = torch.full((1, 1, 32, 32), 127.5)
    mask = torch.zeros(1, 1, 32, 32, dtype=torch.int64)
    mask[..., :4] = 1  # the first of 8 seen columns: half of the first of 4
    delta = make(size_px=8, classes=2).improve(batch_of(image, mask))
    first, second = np.linspace(0.9, -0.8, 2)
    expected = [8 * np.tanh((first + second) / 2), 8 * np.tanh(first)]
    np.testing.assert_allclose(delta[0, 0, 0, [0, 8]].numpy(), expected, rtol=1e-5)


def test_patches_are_seen_at_the_scale_of_their_image() -> None:
    shapes: list[tuple[int, ...]] = []
    method = make(size_px=8)
    method.generator.network.register_forward_hook(lambda _, planes, __: shapes.append(tuple(planes[0].shape[2:])))
    regions = ((slice(0, 1), slice(0, 20), slice(0, 20)), (slice(0, 1), slice(20, 40), slice(0, 20)))
    patches = Patches(regions=regions, whole_space=(40, 40))
    delta = method.improve(batch_of(whole_images((2, 1, 20, 20)), torch.tensor([0, 1]), patches=patches))
    assert shapes == [(2, 2), (2, 2)] and delta.shape == (2, 1, 20, 20)


def test_images_with_windows_and_budgets_of_their_own() -> None:
    low = torch.tensor([0.0, 1000.0])
    image = torch.stack([torch.full((1, 4, 4), 100.0), torch.full((1, 4, 4), 1400.0)])
    budgets = combine_budgets(
        {
            "image 0": LinfBudget(radius_levels=8),
            "image 1": LinfBudget(radius_levels=50, low_level=0, high_level=4095),
        }
    )
    plain = Surrogate(one_layer_generator(3).network, IntensityWindow(low_level=-1, high_level=1))
    method = GeneratedDeltas(budget=budgets, generator=plain, num_classes=3)
    windows = torch.stack([low, low + torch.tensor([200.0, 1600.0])], 1)
    delta = method.improve(batch_of(image, torch.tensor([0, 0]), window_levels=windows))
    expected = [8 * np.tanh(0.9), 50 * np.tanh(0.7 * -0.5 + 0.9)]
    np.testing.assert_allclose(delta[:, 0, 0, 0].numpy(), expected, rtol=1e-5)


def test_an_l2_delta_is_on_the_sphere_of_what_may_change() -> None:
    budget = L2Budget(radius_levels=30)
    image, mask = torch.full((1, 1, 8, 8), 120.0), torch.zeros(1, 1, 8, 8, dtype=torch.int64)
    mask[..., :2] = 1
    work = batch_of(image, mask)
    assert float(make(budget=budget).improve(work).norm()) == pytest.approx(30, rel=1e-4)
    inside = InRegion(perturbation=make(budget=budget), region=Structures()).improve(work)
    assert float(inside.norm()) == pytest.approx(30, rel=1e-4) and not bool(inside[..., 2:].any())
    assert float(on_sphere(image).square().mean()) == pytest.approx(1)


def test_only_a_region_changes() -> None:
    image, mask = whole_images((1, 1, 8, 8), low=60, high=190), torch.zeros(1, 1, 8, 8, dtype=torch.int64)
    mask[..., :3] = 1
    whole = make().improve(batch_of(image, mask))
    part = InRegion(perturbation=make(), region=Structures()).improve(batch_of(image, mask))
    assert torch.equal(part[..., :3], whole[..., :3]) and not bool(part[..., 3:].any())
    masked = make(budget=MaskedBudget.of_mask(BUDGET, mask.bool())).improve(batch_of(image, mask))
    assert torch.equal(masked, part)


@pytest.mark.parametrize(
    ("label", "text"),
    [
        (torch.tensor([3]), r"label 3 is outside 0\.\.2"),
        (torch.tensor([-1]), r"label -1 is outside 0\.\.2"),
        (torch.zeros(1, 5), "5 label columns, but the generator was made for 3"),
    ],
)
def test_refuses_labels(label: Tensor, text: str) -> None:
    with pytest.raises(BudgetError, match=text):
        make().improve(batch_of(whole_images((1, 1, 4, 4)), label))


def test_a_diverged_generator_names_the_sample() -> None:
    method = make()
    with torch.no_grad():
        next(method.generator.network.parameters())[1] = float("nan")
    work = batch_of(whole_images((2, 1, 4, 4)), torch.tensor([[1.0, 0, 0], [0, 1, 0]]))
    with pytest.raises(DivergedError, match=r"sample 'image 0': the generator gives NaN\. It is damaged"):
        method.improve(work)


def test_enlarging_is_by_whole_voxels() -> None:
    values = torch.arange(6.0).reshape(1, 1, 2, 3)
    large = enlarge(values, (7, 5))
    rows, columns = (torch.arange(size) * have // size for size, have in ((7, 2), (5, 3)))
    assert torch.equal(large, values[:, :, rows][..., columns]) and enlarge(values, (2, 3)) is values


def test_description() -> None:
    described = make(size_px=8).describe()
    assert described == {"method": "generator", "num_classes": 3, "seen_px": 8, "budget": BUDGET.describe()}
    preprocessing = make(size_px=8).generator.preprocessing
    assert isinstance(preprocessing, InOrder)
