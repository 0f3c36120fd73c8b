from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.data import DataLoader

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources import Source, Task
from monai_unlearnable.sources.dataset import ShapeBatches, SourceDataset
from monai_unlearnable.types import StoredArray
from tests.contracts.properties import PROPERTY


class ToySource(Source):
    """Images in memory, of the shapes given."""

    def __init__(self, shapes: Sequence[tuple[int, ...]], labels: list[int] | list[list[int]], bits: int = 8) -> None:
        self.path = Path("toy")
        self.labels = np.array(labels, dtype=np.int64)
        self.labels.flags.writeable = False
        self.task = Task.SINGLE_LABEL if self.labels.ndim == 1 else Task.MULTI_LABEL
        self.class_names = ("a", "b")
        self.sample_ids = tuple(f"train/{i:06d}" for i in range(len(shapes)))
        self._shapes = shapes
        self._type: np.dtype[np.integer] = np.dtype(np.uint8) if bits == 8 else np.dtype(np.uint16)

    def read(self, index: int) -> StoredArray:
        image: StoredArray = np.full(self._shapes[index], np.iinfo(self._type).max - index, dtype=self._type)
        image.flags.writeable = False
        return image

    def shape(self, index: int) -> tuple[int, ...]:
        return self._shapes[index]

    def dtype(self, index: int) -> np.dtype[np.integer]:
        return self._type


@pytest.mark.parametrize("bits", [8, 16])
def test_images_are_exact_floats(bits: int) -> None:
    data = SourceDataset(ToySource([(1, 2, 3)] * 4, [0, 1, 1, 0], bits))
    assert len(data) == 4
    one = data[3]
    assert (one["image"].dtype, one["image"].shape) == (torch.float32, (1, 2, 3))
    assert one["image"].unique().tolist() == [2**bits - 1 - 3]
    assert (one["label"].dtype, one["label"].shape, int(one["label"])) == (torch.int64, (), 0)
    assert one["sample_id"] == "train/000003"


def test_several_labels_are_floats_of_their_own() -> None:
    source = ToySource([(1, 2, 3)] * 2, [[0, 1], [1, 1]])
    label = SourceDataset(source)[0]["label"]
    assert (label.dtype, label.tolist()) == (torch.float32, [0.0, 1.0])
    label += 5
    assert source.labels[0].tolist() == [0, 1]


def test_loader_makes_batches_of_one_shape() -> None:
    shapes = [(1, 2, 3), (1, 4, 4), (1, 2, 3), (1, 4, 4), (1, 2, 3), (1, 2, 3), (1, 5, 5)]
    source = ToySource(shapes, [0] * 7)
    loader = DataLoader(SourceDataset(source), batch_sampler=ShapeBatches(source, batch_size=2))
    found = [(tuple(batch["image"].shape), batch["sample_id"]) for batch in loader]
    assert found == [
        ((2, 1, 2, 3), ["train/000000", "train/000002"]),
        ((2, 1, 2, 3), ["train/000004", "train/000005"]),
        ((2, 1, 4, 4), ["train/000001", "train/000003"]),
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
    sampler = ShapeBatches(source, batch_size=batch_size, shuffle=shuffle, seed=seed)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    assert Counter(index for batch in batches for index in batch) == Counter(range(len(sizes)))
    assert all(len({sizes[index] for index in batch}) == 1 for batch in batches)
    assert all(len(batch) <= batch_size + (batch_size > 1) for batch in batches)
    for batch in batches:
        alone = batch_size == 1 or sizes.count(sizes[batch[0]]) == 1
        assert (len(batch) == 1) == alone, "batch normalisation needs two images wherever there are two"
    assert list(sampler) == batches, "the same epoch has the same order"


def test_order_follows_seed_and_epoch() -> None:
    source = ToySource([(1, 2, 2)] * 20, [0] * 20)
    orders = []
    for seed in (0, 1):
        sampler = ShapeBatches(source, batch_size=4, shuffle=True, seed=seed)
        for epoch in (0, 1):
            sampler.set_epoch(epoch)
            orders.append(list(sampler))
    assert all(first != second for first, second in pairwise(orders))
    again = ShapeBatches(source, batch_size=4, shuffle=True, seed=1)
    again.set_epoch(1)
    assert list(again) == orders[-1]


@pytest.mark.parametrize("batch_size", [0, -3])
def test_refuses_empty_batches(batch_size: int) -> None:
    with pytest.raises(SourceError, match=f"batch_size={batch_size}: a batch holds at least 1 image"):
        ShapeBatches(ToySource([(1, 2, 2)], [0]), batch_size=batch_size)
