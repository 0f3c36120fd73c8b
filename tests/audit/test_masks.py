from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_unlearnable.audit.batches import WholeBatches
from monai_unlearnable.audit.loading import labels_by_name, load_images
from monai_unlearnable.audit.masks import mask_by_name, resized_mask
from monai_unlearnable.audit.packed import PackedMap
from monai_unlearnable.errors import SourceError
from tests.audit.discs import MaskSource, discs


def _source(shape: tuple[int, ...] = (6, 7), *, count: int = 3, names: tuple[str, ...] = ("none", "a", "b")) -> Any:
    generator = np.random.default_rng(0)
    masks = [generator.integers(0, len(names), size=shape) for _ in range(count)]
    images = [generator.integers(0, 255, size=(1, *shape)).astype(np.uint8) for _ in range(count)]
    return MaskSource(images, masks, names=names)


@pytest.mark.parametrize("shape", [(6, 7), (4, 5, 6)], ids=str)
def test_labels_are_the_masks(shape: tuple[int, ...]) -> None:
    source = _source(shape)
    loaded = load_images(source, indices=[2, 0])
    assert loaded.labels.dtype == torch.int64
    assert np.array_equal(loaded.labels.numpy(), np.stack([source.masks[2], source.masks[0]]))
    assert (loaded.class_count, loaded.spatial_dims) == (3, len(shape))


@settings(max_examples=25)
@given(rows=st.integers(4, 40), columns=st.integers(4, 40), size_px=st.integers(4, 40), seed=st.integers(0, 99))
def test_masks_take_the_pixel_whose_centre_is_nearest(rows: int, columns: int, size_px: int, seed: int) -> None:
    mask = np.random.default_rng(seed).integers(0, 200, size=(rows, columns))
    places = [np.floor((np.arange(size_px) + 0.5) * np.float32(size / size_px)) for size in mask.shape]
    found = resized_mask(mask, size_px=size_px)
    assert found.dtype == np.int64
    # Halfway between two pixels, rounding decides; one pixel to either side is as near.
    either = [
        [np.minimum(one + step, size - 1).astype(int) for step in (-1, 0, 1)]
        for one, size in zip(places, mask.shape, strict=True)
    ]
    assert np.any([found == mask[np.ix_(x, y)] for x in either[0] for y in either[1]], axis=0).all()
    assert (found == mask[np.ix_(either[0][1], either[1][1])]).mean() > 0.8


def test_resized_masks_hold_only_classes_that_were_there() -> None:
    source = _source((9, 5, 7))
    source.masks[0] = np.where(source.masks[0] == 1, 0, source.masks[0])
    loaded = load_images(source, indices=[0], size_px=16)
    assert loaded.labels.shape == (1, 16, 16, 16)
    assert set(loaded.labels.unique().tolist()) == {0, 2}
    assert np.array_equal(load_images(source, size_px=None).labels[1], source.masks[1])


def test_a_mask_and_its_image_stay_together_when_resized() -> None:
    images, masks = discs(3, seed=0, size_px=48)
    loaded = load_images(MaskSource(images, masks), size_px=24)
    bright = loaded.images[:, 0] > 145
    assert (bright == (loaded.labels == 1)).float().mean() > 0.98


def test_the_hash_follows_every_voxel_of_a_mask() -> None:
    source, other = _source(), _source()
    before = load_images(source).sha256
    assert load_images(other).sha256 == before
    other.masks[1][2, 3] = (other.masks[1][2, 3] + 1) % 3
    other.labels = source.labels
    assert load_images(other).sha256 != before


def test_classes_are_matched_by_name() -> None:
    source = _source(names=("none", "b", "a"))
    names = ("none", "a", "c", "b")
    expected = np.array([0, 3, 1])[source.masks[0]]
    assert np.array_equal(mask_by_name(source, 0, names), expected)
    assert np.array_equal(load_images(source, class_names=names).labels[0], expected)
    assert np.array_equal(
        labels_by_name(source, names), source.labels[:, [0, 2]].repeat(2, axis=1)[:, [0, 1, 0, 2]] * [1, 1, 0, 1]
    )
    with pytest.raises(SourceError, match=r"\['none', 'b', 'a'\] do not fit .*\['none', 'a'\]"):
        load_images(source, class_names=("none", "a"))
    with pytest.raises(SourceError, match="its background is 'none', the clean source's 'a'"):
        load_images(source, class_names=("a", "none", "b"))


def test_masks_that_do_not_fit_are_refused() -> None:
    source = _source()
    source.masks[1] = source.masks[1][:, :-1]
    with pytest.raises(SourceError, match=r"'001\.png': its mask has shape \(6, 6\), the image \(6, 7\)"):
        load_images(source)
    source = _source()
    for wrong in (3, -1):
        source.masks[2][0, 0] = wrong
        with pytest.raises(SourceError, match=r"'002\.png': its mask holds classes .* names for 0 to 2 only"):
            load_images(source)


def test_more_classes_than_a_byte_holds_are_refused() -> None:
    source = _source(names=tuple(f"class {number}" for number in range(257)))
    with pytest.raises(SourceError, match="257 classes of voxels; an audit handles 256 at most"):
        load_images(source)


@pytest.mark.parametrize("dims", [2, 3])
def test_augmentation_moves_image_and_mask_together(dims: int) -> None:
    generator = np.random.default_rng(5)
    masks = [generator.integers(0, 200, size=(16,) * dims) for _ in range(6)]
    images = [mask[None].astype(np.uint8) for mask in masks]
    loaded = load_images(MaskSource(images, masks, names=tuple(map(str, range(200)))))
    plain = WholeBatches(loaded, generator=None)[[0, 1, 2, 3, 4, 5]]
    batch = WholeBatches(loaded, generator=torch.Generator().manual_seed(0))[[0, 1, 2, 3, 4, 5]]
    assert not torch.equal(batch["image"], plain["image"])
    assert batch["label"].dtype == torch.int64
    assert torch.equal(((batch["image"][:, 0] * 0.5 + 0.5) * 255).round().long(), batch["label"])


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), shape=st.sampled_from([(1, 1), (5, 7), (3, 4, 5)]))
def test_packed_maps_come_back(seed: int, shape: tuple[int, ...]) -> None:
    classes = np.random.default_rng(seed).integers(0, 256, size=shape).astype(np.uint8)
    assert np.array_equal(PackedMap.of(classes).unpacked(), classes)


def test_packing_a_mask_is_worth_it() -> None:
    (_, masks) = discs(1, seed=0, size_px=128)
    assert len(PackedMap.of(masks[0].astype(np.uint8)).zlib_base64) < 128 * 128 / 20


def test_damaged_packed_maps_are_refused() -> None:
    packed = PackedMap.of(np.zeros((4, 4), np.uint8)).zlib_base64
    for shape, text in (((4, 4), "????"), ((4, 4), "AAAA"), ((4, 5), packed), ((4, 3), packed)):
        with pytest.raises(ValueError, match=r"a packed class map of shape \(4, \d\)"):
            PackedMap(shape, text).unpacked()
