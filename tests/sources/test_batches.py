from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monai.data import DataLoader

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources import ShapeBatches, Source, SourceDataset, SourcePatches
from tests.contracts.properties import PROPERTY
from tests.sources.test_dataset import ToySource


def patches(source: Source, *, largest_values: int = 1 << 20) -> SourcePatches:
    return SourcePatches(SourceDataset(source), largest_values=largest_values)


def test_loader_makes_batches_of_one_shape() -> None:
    shapes = [(1, 2, 3), (1, 4, 4), (1, 2, 3), (1, 4, 4), (1, 2, 3), (1, 2, 3), (1, 5, 5)]
    source = ToySource(shapes, [0] * 7)
    loader = DataLoader(patches(source), batch_sampler=ShapeBatches(patches(source), batch_size=2))
    found = [(tuple(batch["image"].shape), batch["sample_id"]) for batch in loader]
    assert found == [
        ((2, 1, 2, 3), ["train/000000", "train/000002"]),
        ((2, 1, 4, 4), ["train/000001", "train/000003"]),
        ((2, 1, 2, 3), ["train/000004", "train/000005"]),
        ((1, 1, 5, 5), ["train/000006"]),
    ]


@PROPERTY
@given(
    sizes=st.lists(st.integers(1, 3), min_size=1, max_size=30),
    batch_size=st.integers(1, 7),
    shuffle=st.booleans(),
    seed=st.integers(0, 99),
)
def test_every_image_comes_once_among_its_like(sizes: list[int], batch_size: int, shuffle: bool, seed: int) -> None:
    source = ToySource([(1, size, size) for size in sizes], [0] * len(sizes))
    sampler = ShapeBatches(patches(source), batch_size=batch_size, shuffle=shuffle, seed=seed)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    assert Counter(place for batch in batches for place in batch) == Counter((index, 0) for index in range(len(sizes)))
    assert all(len({sizes[index] for index, _ in batch}) == 1 for batch in batches)
    assert all(len(batch) <= batch_size + (batch_size > 1) for batch in batches)
    for batch in batches:
        alone = batch_size == 1 or sizes.count(sizes[batch[0][0]]) == 1
        assert (len(batch) == 1) == alone, "batch normalisation needs two images wherever there are two"
    assert list(sampler) == batches, "the same epoch has the same order"


def test_order_follows_seed_and_epoch() -> None:
    source = ToySource([(1, 2, 2)] * 20, [0] * 20)
    orders = []
    for seed in (0, 1):
        sampler = ShapeBatches(patches(source), batch_size=4, shuffle=True, seed=seed)
        for epoch in (0, 1):
            sampler.set_epoch(epoch)
            orders.append(list(sampler))
    assert all(first != second for first, second in pairwise(orders))
    again = ShapeBatches(patches(source), batch_size=4, shuffle=True, seed=1)
    again.set_epoch(1)
    assert list(again) == orders[-1]


@pytest.mark.parametrize("batch_size", [0, -3])
def test_refuses_empty_batches(batch_size: int) -> None:
    with pytest.raises(SourceError, match=f"batch_size={batch_size}: a batch holds at least 1 image"):
        ShapeBatches(patches(ToySource([(1, 2, 2)], [0])), batch_size=batch_size)


def test_all_patches_come_image_by_image() -> None:
    images = patches(ToySource([(1, 5, 5), (1, 4, 6), (1, 2, 2)], [0] * 3), largest_values=8)
    batches = list(ShapeBatches(images, batch_size=4))
    places = [place for batch in batches for place in batch]
    assert Counter(places) == Counter((index, at) for index, one in enumerate(images.regions) for at in range(len(one)))
    assert [len(one) for one in images.regions] == [6, 4, 1]
    assert [index for index, _ in pairwise_changes(places)] == [0, 1, 2], "an image is read once"
    for batch in batches:
        assert len({images.batch_shape(place) for place in batch}) == 1
        assert len({index for index, _ in batch}) == 1


def pairwise_changes(places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return places[:1] + [two for one, two in pairwise(places) if one[0] != two[0]]


def test_one_patch_of_each_image_another_one_every_epoch() -> None:
    images = patches(ToySource([(1, 8, 8)] * 12, [0] * 12), largest_values=16)
    sampler = ShapeBatches(images, batch_size=5, shuffle=True, seed=3, one_each=True)
    drawn: list[dict[int, int]] = []
    for epoch in range(6):
        sampler.set_epoch(epoch)
        drawn.append(dict(place for batch in sampler for place in batch))
        assert sorted(drawn[-1]) == list(range(12)) and len(list(sampler)) == len(sampler) == 3
    assert {at for one in drawn for at in one.values()} == set(range(4))
    assert all(one != two for one, two in pairwise(drawn))


@PROPERTY
@given(side=st.integers(1, 9), count=st.integers(1, 9), largest=st.integers(1, 200), batch_size=st.integers(1, 6))
def test_large_images_come_in_small_batches(side: int, count: int, largest: int, batch_size: int) -> None:
    images = patches(ToySource([(1, side, side)] * count, [0] * count))
    for batch in ShapeBatches(images, batch_size=batch_size, largest_values=largest):
        size = min(batch_size, max(1, largest // math.prod((side, side))))
        assert len(batch) <= size + (size > 1)
