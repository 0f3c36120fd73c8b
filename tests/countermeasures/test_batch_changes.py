"""Changes of whole batches: what becomes of images and labels, against slow loops and SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage  # type: ignore[import-untyped]
from torch import Tensor

from monai_unlearnable.countermeasures import (
    AffineMoved,
    BatchChange,
    BoxHidden,
    BoxSwapped,
    GaussianAdded,
    ImagesMixed,
    StronglyAugmented,
)

SPACES = {2: (9, 14), 3: (8, 5, 7)}
CHANGES: list[BatchChange] = [
    AffineMoved(),
    BoxHidden(),
    BoxSwapped(),
    GaussianAdded(sigma=0.2),
    ImagesMixed(),
    StronglyAugmented(probability=1.0),
]


def random_of(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images_of(dimensions: int, *, count: int = 6, channels: int = 2) -> Tensor:
    return torch.rand(count, channels, *SPACES[dimensions], generator=random_of(3)) * 2 - 1


def call(change: BatchChange, images: Tensor, labels: Tensor, *, seed: int = 0, classes: int | None = 3) -> Any:
    return change(images, labels, class_count=classes, random=random_of(seed))


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("change", CHANGES, ids=lambda one: type(one).__name__)
def test_shapes_stay_and_the_same_seed_draws_the_same(change: BatchChange, dimensions: int) -> None:
    images, labels = images_of(dimensions), torch.arange(6) % 3
    before = images.clone()
    found, _ = call(change, images, labels)
    again, _ = call(change, images, labels)
    other, _ = call(change, images, labels, seed=1)
    assert found.shape == images.shape and found.dtype == torch.float32 and bool(torch.isfinite(found).all())
    assert torch.equal(found, again) and not torch.equal(found, other) and torch.equal(images, before)
    assert len({tuple((one - two).flatten().tolist()) for one, two in zip(found, images, strict=True)}) > 1


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("with_channel", [False, True])
@pytest.mark.parametrize(
    "change", [AffineMoved(), BoxSwapped(), StronglyAugmented()], ids=lambda one: type(one).__name__
)
def test_masks_move_with_their_images(change: BatchChange, dimensions: int, with_channel: bool) -> None:
    masks = torch.zeros(6, *SPACES[dimensions], dtype=torch.int64)
    masks[:, 2:6, 1:4] = 1 + torch.arange(6).reshape(-1, *[1] * dimensions) % 2
    given_masks = masks[:, None] if with_channel else masks
    quiet = StronglyAugmented(brightness=0, contrast=0, sigma=0) if isinstance(change, StronglyAugmented) else change
    images = 10.0 * masks[:, None].float()
    found, moved = call(quiet, images, given_masks)
    assert moved.shape == given_masks.shape and moved.dtype == torch.int64
    assert set(moved.unique().tolist()) <= {0, 1, 2} and not torch.equal(moved, given_masks)
    plain = moved[:, 0] if with_channel else moved
    if isinstance(change, BoxSwapped):
        assert torch.equal(found[:, 0], 10.0 * plain)
    else:  # interpolated and blurred edges aside
        share = ((found[:, 0] - 10.0 * plain).abs() < 4).float().mean()
        assert float(share) > 0.8


@pytest.mark.parametrize("dimensions", [2, 3])
def test_moves_are_those_of_scipy(dimensions: int) -> None:
    # Smooth images: the two libraries differ where a place lies outside.
    images = torch.nn.functional.avg_pool2d(images_of(2, count=8, channels=1), 3, 1, 1) if dimensions == 2 else None
    if images is None:
        images = torch.nn.functional.avg_pool3d(images_of(3, count=8, channels=1), 3, 1, 1)
    change = AffineMoved(rotation_rad=0.5, scale=0.2, shift=0.1)
    found, _ = call(change, images, torch.zeros(8, dtype=torch.int64))
    size = np.array(SPACES[dimensions], dtype=np.float64)
    random, axes = random_of(), dimensions
    planes = [(one, two) for one in range(axes) for two in range(one + 1, axes)]
    angles = 0.5 * (2 * torch.rand(8, len(planes), generator=random).numpy() - 1)
    scales = 1 + 0.2 * (2 * torch.rand(8, axes, generator=random).numpy() - 1)
    shifts = 0.1 * (2 * torch.rand(8, axes, generator=random).numpy() - 1) * size
    for number in range(8):
        turn = np.zeros((axes, axes))
        for (one, two), angle in zip(planes, angles[number], strict=True):
            turn[one, two], turn[two, one] = angle, -angle
        matrix = _exponential(turn) * scales[number]
        middle = (size - 1) / 2
        offset = middle - matrix @ middle + shifts[number]
        slow = ndimage.affine_transform(images[number, 0].numpy(), matrix, offset, order=1, mode="nearest")
        np.testing.assert_allclose(found[number, 0].numpy(), slow, atol=1e-4)


def _exponential(matrix: Any) -> Any:
    """Sum the series."""
    term, total = np.eye(len(matrix)), np.eye(len(matrix))
    for number in range(1, 20):
        term = term @ matrix / number
        total = total + term
    return total


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_hidden_box_is_one_box_of_its_size_and_the_rest_stays(dimensions: int) -> None:
    images = images_of(dimensions, count=64) + 5
    labels = torch.arange(64) % 3
    found, same = call(BoxHidden(side=0.5), images, labels)
    assert same is labels
    sizes = [round(0.5 * one) for one in SPACES[dimensions]]
    corners = set()
    for image, before in zip(found, images, strict=True):
        hidden = image == 0
        assert torch.equal(hidden[0], hidden[1]) and torch.equal(image[~hidden], before[~hidden])
        places = hidden[0].nonzero()
        first, last = places.amin(0), places.amax(0) + 1
        assert int(hidden[0].sum()) == int((last - first).prod()), "a box"
        for axis, (low, high) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
            length, size = high - low, SPACES[dimensions][axis]
            assert length == sizes[axis] or (length < sizes[axis] and (low == 0 or high == size)), "cut at an edge"
        corners.add(tuple(first.tolist()))
    assert len(corners) > 10, "each image has a box of its own"


@given(seed=st.integers(0, 10**6), alpha=st.floats(0.2, 4))
@settings(max_examples=30)
def test_swapped_boxes_share_the_label_by_pixels(seed: int, alpha: float) -> None:
    labels = torch.tensor([0, 1, 2, 1])
    images = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 1, 9, 14)
    found, shares = call(BoxSwapped(alpha=alpha), images, labels, seed=seed)
    for number in range(4):
        expected = torch.zeros(3)
        for source in range(4):
            expected[labels[source]] += (found[number] == source).float().mean()
        torch.testing.assert_close(shares[number], expected, atol=1e-6, rtol=0)
        assert len(found[number].unique()) <= 2


@given(seed=st.integers(0, 10**6), alpha=st.floats(0.2, 4))
@settings(max_examples=30)
def test_mixed_images_and_labels_have_the_same_shares(seed: int, alpha: float) -> None:
    images = torch.eye(4)[:, :, None, None].expand(4, 4, 5, 6)
    found, shares = call(ImagesMixed(alpha=alpha), images, torch.arange(4), seed=seed, classes=4)
    torch.testing.assert_close(found[:, :, 0, 0], shares)
    torch.testing.assert_close(shares.sum(1), torch.ones(4))
    several = torch.tensor([[1.0, 1, 0], [0, 0, 0], [0, 1, 1], [1, 0, 0]])
    _, mixed = call(ImagesMixed(alpha=alpha), images, several, seed=seed, classes=None)
    torch.testing.assert_close(mixed, shares @ several)


@pytest.mark.parametrize("with_channel", [False, True])
def test_mixed_masks_are_shares_of_the_classes(with_channel: bool) -> None:
    masks = torch.randint(0, 3, (5, 9, 14), generator=random_of(2))
    images = masks[:, None].float()
    found, shares = call(ImagesMixed(), images, masks[:, None] if with_channel else masks)
    assert shares.shape == (5, 3, 9, 14)
    torch.testing.assert_close(shares.sum(1), torch.ones(5, 9, 14))
    torch.testing.assert_close(shares[:, 1] + 2 * shares[:, 2], found[:, 0])


def test_gaussian_numbers_have_their_deviation() -> None:
    images = torch.zeros(40, 1, 40, 40)
    found, labels = call(GaussianAdded(sigma=0.25), images, torch.zeros(40))
    assert float(found.std()) == pytest.approx(0.25, rel=0.02) and float(found.mean()) == pytest.approx(0, abs=0.01)
    assert len(labels) == 40


def test_shuffled_colours_are_the_same_colours() -> None:
    flat = torch.tensor([0.1, 0.4, 0.9]).reshape(1, 3, 1, 1).expand(200, 3, 8, 8)
    plain = StronglyAugmented(brightness=0, contrast=0, sigma=0, probability=0.5)
    found, _ = call(plain, flat, torch.zeros(200))
    orders = {tuple(image.flatten(1).amax(1).argsort().tolist()) for image in found}
    assert len(orders) == 6
    four = torch.arange(4.0).reshape(1, 4, 1, 1).expand(50, 4, 8, 8)
    same, _ = call(plain, four, torch.zeros(50))
    assert all(image.flatten(1).amax(1).argsort().tolist() == [0, 1, 2, 3] for image in same), (
        "sequences are no colours"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AffineMoved(rotation_rad=4), "rotation_rad=4, scale=0.2, shift=0.1: angles are from 0 to pi"),
        (lambda: AffineMoved(scale=1), "scales from 0 to below 1"),
        (lambda: BoxHidden(side=0), "side=0: a share of the image's sides"),
        (lambda: BoxSwapped(alpha=0), "alpha=0: must be positive"),
        (lambda: ImagesMixed(alpha=float("inf")), "alpha=inf: must be positive and finite"),
        (lambda: GaussianAdded(sigma=-1), "sigma=-1: must be positive and finite"),
        (lambda: StronglyAugmented(probability=0), "probability=0: above 0 and at most 1"),
        (lambda: StronglyAugmented(contrast=1), "contrast=1, sigma=0.05: 0 or more, and the contrast below 1"),
    ],
)
def test_settings_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("change", [ImagesMixed(), BoxSwapped()], ids=lambda one: type(one).__name__)
def test_class_indices_cannot_be_mixed_without_their_number(change: BatchChange) -> None:
    with pytest.raises(ValueError, match=r"the number of classes is needed: name it \(class_count\)"):
        call(change, images_of(2), torch.arange(6) % 3, classes=None)
