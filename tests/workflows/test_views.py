"""Views of clean images are made once where there is room for them, and never those of protected ones."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn

from monai_unlearnable.sources.dataset import SourceDataset, SourcePatches
from monai_unlearnable.surrogates import IntensityWindow, Surrogate
from monai_unlearnable.workflows.views import StoredDeltas, SurrogateViews
from tests.workflows.in_memory import ArraySource, Stored

COUNT = 3
SURROGATE = Surrogate(nn.Flatten(), IntensityWindow())


class CountingSource(ArraySource):
    """Counts how often an image is read."""

    def __init__(self) -> None:
        super().__init__([Stored(np.full((1, 4, 4), number, dtype=np.uint8)) for number in range(COUNT)])
        self.reads = 0

    def read(self, index: int) -> Any:
        self.reads += 1
        return super().read(index)


class SameImage:
    """In the place of deltas: leaves images as they are."""

    def add(self, item: dict[str, Any], region: Any) -> torch.Tensor:
        image: torch.Tensor = item["image"][None]
        return image


@pytest.mark.parametrize(
    ("deltas", "room", "reads"), [(None, 10**6, 3), (None, 0, 9), (None, 40, 5), (SameImage(), 10**6, 9)]
)
def test_clean_views_are_made_once(deltas: Any, room: int, reads: int) -> None:
    source = CountingSource()
    images = SourcePatches(SourceDataset(source), largest_values=100)
    views = SurrogateViews(images, SURROGATE, cast(StoredDeltas | None, deltas), kept_values=room)
    for _ in range(3):
        for number in range(COUNT):
            view = views[number, 0]
            assert torch.allclose(view["image"], torch.full((1, 4, 4), number / 127.5 - 1))
            view["image"] = None  # what a reader does to the dictionary stays with the reader
    assert source.reads == reads
