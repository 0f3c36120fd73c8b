"""Regions that are cut to a share of the image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations import AtMost, Background, ContourBand, PerturbationBatch, Structures
from monai_unlearnable.workflows.regions import parse_region


def batch_of(mask: torch.Tensor) -> PerturbationBatch:
    image = torch.zeros(len(mask), 2, *mask.shape[2:])
    return PerturbationBatch(image, mask, torch.zeros_like(image))


def slow_distance(flags: np.ndarray) -> np.ndarray:
    outside = np.argwhere(~flags)
    distance = np.zeros(flags.shape)
    for place in np.argwhere(flags):
        distance[tuple(place)] = np.sqrt(((outside - place) ** 2).sum(1).min())
    return distance


@settings(max_examples=40)
@given(
    space=st.lists(st.integers(3, 8), min_size=2, max_size=3),
    share=st.floats(0.05, 1),
    dense=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_no_more_than_the_share_and_what_is_nearest_to_the_contour(
    space: list[int], share: float, dense: float, seed: int
) -> None:
    drawn = torch.rand(2, 1, *space, generator=torch.Generator().manual_seed(seed)) < dense
    batch = batch_of(drawn.long())
    cut = AtMost(region=Structures(), share=share)(batch)
    assert cut.shape == drawn.shape and cut.dtype == torch.bool and not bool((cut & ~drawn).any())
    for whole, part in zip(drawn[:, 0].numpy(), cut[:, 0].numpy(), strict=True):
        most = int(np.floor(share * whole.size))
        assert part.sum() == min(most, whole.sum())
        distance = slow_distance(np.pad(whole, 1))[(slice(1, -1),) * whole.ndim]
        left = whole & ~part
        if left.any() and part.any():
            assert distance[part].max() <= distance[left].min() + 1e-6


def test_regions_that_are_small_stay_as_they_are() -> None:
    mask = torch.zeros(1, 1, 8, 8, dtype=torch.int64)
    mask[..., 2:4, 2:4] = 1
    batch = batch_of(mask)
    assert torch.equal(AtMost(region=Structures(margin_px=1))(batch), Structures(margin_px=1)(batch))
    assert AtMost(region=Background(), share=0.5)(batch).sum() == 32


def test_shares_are_written_after_the_width() -> None:
    assert parse_region("structures:4:0.25") == AtMost(region=Structures(margin_px=4), share=0.25)
    assert parse_region("contour:8:0.1") == AtMost(region=ContourBand(inside_px=8, outside_px=8), share=0.1)
    assert parse_region("structures") == Structures()
    with pytest.raises(BudgetError, match=r"region 'structures:4:x': '4:x' is no number that fits 'structures'"):
        parse_region("structures:4:x")
    with pytest.raises(BudgetError, match=r"region 'background:3' is not understood"):
        parse_region("background:3")
    for share in (0.0, 1.5):
        with pytest.raises(BudgetError, match=rf"share={share}: above 0 and at most 1"):
            AtMost(region=Structures(), share=share)
