"""Autoregressive textures: what their filters take to zero, whose they are, and that they never fade or grow."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from monai_unlearnable.budgets import LinfBudget
from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations import Autoregressive, Patches, PerturbationBatch, Synthetic
from monai_unlearnable.perturbations.autoregressive import Process, choose_processes, draw_process

PROCESSES = st.lists(st.integers(3, 7), min_size=2, max_size=3).map(tuple)


def filter_of(process: Process) -> NDArray[np.float64]:
    """The outer product of ``1 - 2 cos(t) z^-1 + z^-2`` along each axis: 3 x 3 (x 3) weights."""
    rows = [np.array([1.0, -2 * np.cos(2 * np.pi * step / 16), 1.0]) for step in process]
    weights = rows[0]
    for row in rows[1:]:
        weights = np.multiply.outer(weights, row)
    return weights


def drawn(process: Process, space: tuple[int, ...], seed: int = 0) -> NDArray[np.float64]:
    positions = [torch.arange(size) for size in space]
    return draw_process(process, space, positions, generator=torch.Generator().manual_seed(seed)).numpy()


@settings(max_examples=15)
@given(process=PROCESSES, seed=st.integers(0, 99))
def test_is_what_the_recurrence_makes_of_its_starting_values(process: Process, seed: int) -> None:
    space = (11, 9, 8)[: len(process)]
    expected, weights = drawn(process, space, seed), filter_of(process)
    slow = expected.copy()
    slow[(slice(2, None),) * len(space)] = np.nan  # the first two of every axis are the starting values
    for place in itertools.product(*[range(2, size) for size in space]):
        window = slow[tuple(slice(at - 2, at + 1) for at in place)][(slice(None, None, -1),) * len(space)]
        slow[place] = -(weights * np.nan_to_num(window)).sum()
    assert np.abs(slow - expected).max() < 1e-6


@pytest.mark.parametrize("space", [(4000, 40), (40, 4000), (300, 20, 20)])
def test_neither_fades_nor_grows(space: tuple[int, ...]) -> None:
    for process in ((3, 7, 3)[: len(space)], (6, 4, 5)[: len(space)]):
        values = drawn(process, space)
        sizes = [float(np.sqrt(np.square(part).mean())) for part in np.array_split(values, 4, axis=0)]
        assert np.isfinite(values).all() and max(sizes) < 1.5 * min(sizes)


@settings(max_examples=20)
@given(count=st.integers(1, 25), dimensions=st.integers(2, 3), seed=st.integers(0, 2**63))
def test_processes_differ_along_as_many_axes_as_there_can_be(count: int, dimensions: int, seed: int) -> None:
    chosen = choose_processes(count, dimensions, seed=seed)
    assert len(set(chosen)) == count and all(len(one) == dimensions for one in chosen)
    first = chosen[:5]
    assert all(len({one[axis] for one in first}) == len(first) for axis in range(dimensions))


@pytest.mark.parametrize("space", [(32, 32), (64, 48), (16, 16, 16), (4, 24, 24)])
def test_any_two_differ_in_a_third_to_two_thirds_of_the_pixels(space: tuple[int, ...]) -> None:
    for seed in range(5):
        signs = Autoregressive().signs(9, space, seed=seed, sample_id="x")
        assert signs.shape == (9, *space) and set(signs.unique().tolist()) == {-1.0, 1.0}
        flat = signs.flatten(1)
        shares = (flat[:, None] != flat[None]).float().mean(2)[~torch.eye(9, dtype=torch.bool)]
        assert float(shares.min()) >= 0.3 and float(shares.max()) <= 0.7
        assert float(flat.mean(1).abs().max()) < 0.3  # hardly a change of mean brightness


def power_along(signs: Tensor, axis: int) -> int:
    """The sixteenth of a cycle per pixel along an axis that has most power."""
    spectrum = np.abs(np.fft.rfft(signs.numpy(), axis=axis)) ** 2
    return int(spectrum.mean(axis=1 - axis).argmax()) * 16 // signs.shape[axis]


def test_two_images_of_a_class_show_other_signs_of_the_same_process() -> None:
    family = Autoregressive()
    for number, process in enumerate(choose_processes(3, 2, seed=5)):
        one, other = (family.signs(3, (64, 64), seed=5, sample_id=name)[number] for name in ("a", "b"))
        assert 0.4 < float((one != other).float().mean()) < 0.6
        for signs in (one, other):
            assert (power_along(signs, 0), power_along(signs, 1)) == process


def test_seed_and_image_decide() -> None:
    draws = [(5, "a"), (5, "a"), (6, "a"), (5, "b"), (5, "")]
    signs = [Autoregressive().signs(2, (16, 16), seed=seed, sample_id=name) for seed, name in draws]
    assert torch.equal(signs[0], signs[1])
    assert len({one.numpy().tobytes() for one in signs}) == 4


@settings(max_examples=10)
@given(view=st.sampled_from([None, 8, 12]), data=st.data())
def test_a_part_is_the_part_of_the_whole(view: int | None, data: st.DataObject) -> None:
    family, space = Autoregressive(view_px=view), (17, 30)
    bounds = [sorted(data.draw(st.sets(st.integers(0, size), min_size=2, max_size=2))) for size in space]
    part = tuple(slice(*bound) for bound in bounds)
    whole = family.signs(3, space, seed=1, sample_id="x")
    assert torch.equal(family.signs(3, space, seed=1, sample_id="x", part=part), whole[(slice(None), *part)])


def test_of_large_images_are_enlarged_ones() -> None:
    small = Autoregressive().signs(2, (12, 12), seed=2, sample_id="x")
    large = Autoregressive(view_px=12).signs(2, (36, 24), seed=2, sample_id="x")
    assert torch.equal(large, small.repeat_interleave(3, 1).repeat_interleave(2, 2))
    assert Autoregressive().seen_at(96) == Autoregressive(view_px=48)
    assert Autoregressive(view_px=20).seen_at(96) == Autoregressive(view_px=20)
    assert Autoregressive().seen_at(None) == Autoregressive()


def batch(label: Tensor, *, owner: list[int] | None = None) -> PerturbationBatch:
    image = torch.full((len(label), 3, 16, 16), 100.0)
    deltas = len(label) if owner is None else max(owner) + 1
    owners = None if owner is None else torch.tensor(owner)
    return PerturbationBatch(image, label, torch.zeros(deltas, 3, 16, 16), owners, tuple("abcd"[: len(label)]))


def method(num_classes: int = 2, **options: object) -> Synthetic:
    budget = LinfBudget(radius_levels=8)
    return Synthetic(budget=budget, num_classes=num_classes, seed=4, patterns=Autoregressive(), **options)  # type: ignore[arg-type]


def test_each_image_of_a_batch_gets_its_own_and_a_shared_delta_is_one() -> None:
    work = batch(torch.tensor([1, 1, 0]))
    delta = method(shares=(0.25, 1.0)).improve(work)
    assert delta.abs().flatten(1).unique(dim=1).flatten().tolist() == [8, 8, 2]
    signs = [method().patterns.signs(2, (16, 16), seed=4, sample_id=name) for name in "abc"]
    for row, label in enumerate([1, 1, 0]):
        assert torch.equal(delta[row].sign(), signs[row][label].expand(3, 16, 16))
    shared = method().improve(batch(torch.tensor([1, 1, 0]), owner=[0, 0, 1]))
    assert shared.shape[0] == 2 and bool((shared.abs() == 8).all())


def test_each_voxel_of_a_mask_shows_its_class() -> None:
    mask = torch.zeros(2, 1, 16, 16, dtype=torch.int64)
    mask[:, :, 4:9] = 1
    delta = method(opposed_channels=True).improve(batch(mask))
    signs = method().patterns.signs(2, (16, 16), seed=4, sample_id="b")
    expected = torch.where(mask[1, 0] == 1, signs[1], signs[0])
    assert torch.equal(delta[1], 8 * torch.stack([expected, -expected, expected]))


def test_patches_show_their_part() -> None:
    whole = method().improve(batch(torch.tensor([1])))
    region = (slice(0, 3), slice(4, 12), slice(0, 16))
    part = PerturbationBatch(
        torch.full((1, 3, 8, 16), 100.0),
        torch.tensor([1]),
        torch.zeros(1, 3, 8, 16),
        sample_ids=("a",),
        patches=Patches(regions=(region,), whole_space=(16, 16)),
    )
    assert torch.equal(method().improve(part)[0], whole[0][region])


def test_several_labels_have_a_process_for_each_combination() -> None:
    label = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    delta = method().improve(batch(label))
    for row, name in enumerate("abcd"):
        signs = method().patterns.signs(4, (16, 16), seed=4, sample_id=name)
        assert torch.equal(delta[row, 0].sign(), signs[row])


def test_what_it_refuses() -> None:
    with pytest.raises(BudgetError, match="there are autoregressive processes for 25 patterns, not for 26"):
        Autoregressive().check(26)
    with pytest.raises(BudgetError, match=r"images of size \(7, 7\) are too small for autoregressive textures"):
        Autoregressive().signs(2, (7, 7), seed=0)
    with pytest.raises(BudgetError, match="view_px=7: a texture needs images of at least 8 pixels a side"):
        Autoregressive(view_px=7)


def test_says_what_it_is() -> None:
    assert method().describe()["patterns"] == {"family": "autoregressive", "view_px": None}
