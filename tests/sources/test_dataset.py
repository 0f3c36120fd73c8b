from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_unlearnable.sources import Source, Task
from monai_unlearnable.sources.dataset import SourceDataset
from monai_unlearnable.types import StoredArray


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
