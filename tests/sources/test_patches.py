from __future__ import annotations

import math
from collections.abc import Hashable
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.data import PatchIterd
from numpy.typing import NDArray

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources import SourceDataset, SourcePatches
from monai_unlearnable.sources.patches import patch_regions
from tests.contracts.properties import PROPERTY
from tests.sources.test_dataset import ToySource

SHAPES = st.lists(st.integers(1, 12), min_size=2, max_size=3).map(tuple)


@PROPERTY
@given(space=SHAPES, channels=st.integers(1, 3), largest=st.integers(3, 400))
def test_patches_are_the_image_each_voxel_once(space: tuple[int, ...], channels: int, largest: int) -> None:
    shape = (channels, *space)
    regions = patch_regions(shape, largest_values=largest)
    hits: NDArray[np.int64] = np.zeros(shape, dtype=np.int64)
    for region in regions:
        assert region[0] == slice(0, channels)
        assert 0 < hits[region].size <= largest
        hits[region] += 1
    assert (hits == 1).all()
    for axis in range(1, len(shape)):
        sizes = {one[axis].stop - one[axis].start for one in regions}
        assert max(sizes) - min(sizes) <= 1
    if math.prod(shape) <= largest:
        assert len(regions) == 1


def test_the_longest_axis_is_cut_first() -> None:
    regions = patch_regions((1, 512, 512, 400))
    sizes = {tuple(one.stop - one.start for one in region[1:]) for region in regions}
    assert len(regions) == 3 * 3 * 2 and sizes == set(product((170, 171), (170, 171), (200,)))


def test_refuses_more_channels_than_fit() -> None:
    with pytest.raises(SourceError, match="9 channels a pixel, but a patch may have 8 values"):
        patch_regions((9, 2, 2), largest_values=8)


class Counted(ToySource):
    """Images of different values, which counts how often they are read."""

    reads = 0

    def read(self, index: int) -> NDArray[np.uint16]:
        self.reads += 1
        shape = self.shape(index)
        return (np.arange(math.prod(shape), dtype=np.uint16) + 100 * index).reshape(shape)


def test_a_patch_is_what_monai_cuts_out_of_the_image() -> None:
    source = Counted([(2, 4, 6)] * 2, [1, 0], bits=16)
    images = SourceDataset(source, windows=[(0.0, 9.0), (1.0, 99.0)])
    patches = SourcePatches(images, largest_values=12)
    whole: dict[Hashable, Any] = dict(images[1].items())
    theirs = PatchIterd(keys=["image"], patch_size=(2, 3))(whole)
    ours = [patches[1, at] for at in range(4)]
    for (one, _), item in zip(theirs, ours, strict=True):
        assert item.keys() >= one.keys() - {"start_pos"}
        assert torch.equal(item["image"], torch.as_tensor(one["image"])) and item["image"].dtype == torch.float32
        assert item["patch_coords"].tolist() == one["patch_coords"].tolist()
        assert item["original_spatial_shape"].tolist() == list(one["original_spatial_shape"])
        assert (item["sample_id"], int(item["label"])) == (one["sample_id"], int(one["label"]))
        assert item["window_levels"].tolist() == [1.0, 99.0]


@pytest.mark.parametrize(("keep", "reads"), [(True, [1, 1, 1, 1, 2, 3, 3]), (False, [1, 2, 3, 4, 5, 6, 7])])
def test_an_image_is_read_once_for_its_patches(keep: bool, reads: list[int]) -> None:
    source = Counted([(1, 4, 6), (1, 4, 6), (1, 2, 2)], [0, 0, 0], bits=16)
    patches = SourcePatches(SourceDataset(source), largest_values=6, keep=keep)
    assert len(patches) == 9
    found = []
    for index, at in [(0, 0), (0, 1), (0, 2), (0, 3), (0, 3), (1, 1), (1, 3)]:
        assert torch.equal(
            patches[index, at]["image"], SourcePatches(patches.images, largest_values=6)[index, at]["image"]
        )
        source.reads -= 1
        found.append(source.reads)
    assert found == reads
    assert patches[2, 0].keys() == {"image", "label", "sample_id"}, "an image that is small enough is no patch"
