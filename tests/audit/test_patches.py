"""Victims that learn from patches, and those that load images by another interpolation."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage.transform import resize

from monai_unlearnable.audit import VictimRecipe, audit_release, run, train_victim
from monai_unlearnable.audit.batches import WholeBatches
from monai_unlearnable.audit.loading import ImageSet, load_images
from monai_unlearnable.audit.outcomes import RecipeOutcome
from monai_unlearnable.audit.overlays import draw_overlays
from monai_unlearnable.audit.pairing import AuditData
from monai_unlearnable.audit.sizes import resized_image, with_border
from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources import Task, open_source
from tests.audit.discs import RECIPE, MaskSource, discs
from tests.audit.tiny import write_source

PATCHES = replace(RECIPE, name="patches", patch_size_px=16, epochs=20, augment=True)


def several_sizes(count: int, *, seed: int, dims: int = 2) -> MaskSource:
    """Discs in images of 20 to 28 pixels."""
    parts = [discs(1, seed=seed * 100 + number, dims=dims, size_px=20 + 4 * (number % 3)) for number in range(count)]
    return MaskSource([images[0] for images, _ in parts], [masks[0] for _, masks in parts])


def test_images_of_several_sizes_get_a_border_of_what_is_dark_and_no_structure() -> None:
    source = several_sizes(3, seed=0)
    loaded = load_images(source, patch_px=16)
    assert loaded.images.shape == (3, 1, 32, 32)
    assert loaded.labels.shape == (3, 32, 32)
    inside = loaded.images[0, :, 6:26, 6:26].numpy()
    assert np.array_equal(inside, source.images[0])
    assert int(loaded.images[0].sum()) == int(source.images[0].astype(np.int64).sum()), "black around"
    assert int(loaded.labels[0].sum()) == int(source.masks[0].sum())
    assert load_images(source, patch_px=28).images.shape == (3, 1, 32, 32), "a patch fits in every image"


def test_a_patch_that_is_larger_than_every_image_is_refused() -> None:
    source = several_sizes(3, seed=0)
    name = re.escape(source.sample_ids[2])
    text = (
        rf"patches of 29 px a side are larger than every image along axis 0: the largest, '{name}', has shape "
        r"\(28, 28\)\. Take patches of 28 px at most\."
    )
    with pytest.raises(SourceError, match=text):
        load_images(source, patch_px=29)
    source.images[1] = source.images[1][:, :, :10]
    source.masks[1] = source.masks[1][:, :10]
    assert load_images(source, patch_px=28).images.shape == (3, 1, 32, 32)


def test_whole_images_of_several_sizes_get_a_border_too() -> None:
    loaded = load_images(several_sizes(3, seed=0))
    assert loaded.images.shape == (3, 1, 32, 32)
    batches = WholeBatches(loaded, generator=torch.Generator().manual_seed(0), shift=False)
    whole = WholeBatches(loaded, generator=None)[[0, 1, 2]]
    flipped = 0
    for _ in range(4):
        batch = batches[[0, 1, 2]]
        for number in range(3):
            same = torch.equal(batch["image"][number], whole["image"][number])
            assert same or torch.equal(batch["image"][number], whole["image"][number].flip(-1)), "nothing is shifted"
            mask = whole["label"][number]
            assert torch.equal(batch["label"][number], mask if same else mask.flip(-1))
            flipped += not same
    assert 0 < flipped < 12


def test_the_border_of_deep_images_is_the_low_end_of_their_window() -> None:
    source = several_sizes(2, seed=0)
    source.images = [one.astype(np.int16) * 10 + 1000 for one in source.images]
    loaded = load_images(source, patch_px=16)
    assert float(loaded.images[0, 0, 0, 0]) == int(loaded.windows[0, 0])


@pytest.mark.parametrize("dims", [2, 3])
def test_patches_are_parts_of_their_images_and_masks_move_along(dims: int) -> None:
    source = several_sizes(4, seed=0, dims=dims)
    loaded = load_images(source, patch_px=12)
    batches = WholeBatches(loaded, generator=None, patches=(12, torch.Generator().manual_seed(0)))
    whole = WholeBatches(loaded, generator=None)[[0, 1, 2, 3]]
    seen = set()
    for _ in range(6):
        batch = batches[[0, 1, 2, 3]]
        assert batch["image"].shape == (4, 1, *[12] * dims) and batch["label"].shape == (4, *[12] * dims)
        assert type(batch["image"]) is torch.Tensor
        for number in range(4):
            at = _place(whole["image"][number, 0], batch["image"][number, 0])
            part = tuple(slice(start, start + 12) for start in at)
            assert torch.equal(whole["label"][number][part], batch["label"][number])
            seen.add((number, at))
    assert len(seen) > 12, "patches are drawn anew"
    assert float(batch["label"].float().mean()) > float(whole["label"].float().mean()), "structures come often"


def _place(image: torch.Tensor, patch: torch.Tensor) -> tuple[int, ...]:
    """Find a patch in an image by looking everywhere."""
    side, (first, *others) = len(patch), [range(size - len(patch) + 1) for size in image.shape]
    for start in np.ndindex(len(first), *[len(one) for one in others]):
        if torch.equal(image[tuple(slice(at, at + side) for at in start)], patch):
            return tuple(start)
    raise AssertionError("the patch is no part of the image")


def test_a_victim_of_patches_learns_and_outlines_whole_images() -> None:
    train, test = (load_images(several_sizes(n, seed=seed), patch_px=16) for n, seed in ((24, 0), (6, 1)))
    result = train_victim(PATCHES, train, test, seed=0)
    assert result.score > 0.5
    assert [one.shape for one in result.predictions] == [(32, 32)] * 4
    again = train_victim(PATCHES, train, test, seed=0)
    assert replace(result, seconds=0.0) == replace(again, seconds=0.0)


def test_training_and_test_images_may_differ_in_size() -> None:
    train = load_images(several_sizes(8, seed=0), patch_px=16)
    test = load_images(MaskSource(*discs(2, seed=1, size_px=36)), patch_px=16)
    result = train_victim(replace(PATCHES, epochs=1), train, test, seed=0)
    assert [one.shape for one in result.predictions] == [(36, 36)] * 2
    data = AuditData(several_sizes(8, seed=0), several_sizes(8, seed=0), MaskSource(*discs(2, seed=1, size_px=36)),
                     ((0, 0),), ((0, 0),), (0, 1), "")  # fmt: skip
    outcome = RecipeOutcome(PATCHES, Task.SEGMENTATION, 0.1, (0,), (result,), (result,))
    assert len(draw_overlays(data, outcome)) == 2


def test_patches_need_labels_of_voxels(tmp_path: Path) -> None:
    images: ImageSet = load_images(open_source(write_source(tmp_path / "images.npz")))
    with pytest.raises(SourceError, match="victim 'patches' learns from patches, but single_label labels are of whole"):
        train_victim(PATCHES, images, images, seed=0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"patch_size_px": 2}, "patch_size_px=2, image_size_px=None: patches have at least 4"),
        ({"patch_size_px": 16, "image_size_px": 16}, "leave image_size_px out"),
        ({"interpolation": "best"}, "interpolation='best': choose one of linear, area, cubic, nearest"),
    ],
)
def test_recipes_that_cannot_be(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VictimRecipe(**wrong)  # type: ignore[arg-type]


def test_a_report_says_how_a_victim_looks_only_where_that_is_unusual() -> None:
    plain = RECIPE.describe()
    assert not {"interpolation", "patch_size_px"} & set(plain)
    described = replace(RECIPE, interpolation="area", patch_size_px=16).describe()
    assert (described["interpolation"], described["patch_size_px"]) == ("area", 16)


def test_interpolations_are_those_of_pillow_and_of_means() -> None:
    levels: NDArray[np.float32] = np.random.default_rng(0).uniform(0, 255, (48, 32)).astype(np.float32)
    for name, method in (("linear", Image.Resampling.BILINEAR), ("cubic", Image.Resampling.BICUBIC)):
        expected = np.asarray(Image.fromarray(levels, mode="F").resize((16, 16), method))
        found = resized_image(torch.from_numpy(levels)[None], size_px=16, interpolation=name)[0].numpy()
        assert np.abs(found - expected).max() < 0.5, name
    area = resized_image(torch.from_numpy(levels)[None], size_px=16, interpolation="area")[0].numpy()
    assert np.allclose(area, levels.reshape(16, 3, 16, 2).mean((1, 3)), atol=1e-3)
    nearest = resized_image(torch.from_numpy(levels)[None], size_px=16, interpolation="nearest")[0].numpy()
    assert np.array_equal(nearest, resize(levels, (16, 16), order=0, anti_aliasing=False, preserve_range=True))


def test_there_is_no_cubic_interpolation_of_volumes() -> None:
    with pytest.raises(ValueError, match="interpolation='cubic': there is none of 3 dimensions"):
        resized_image(torch.zeros(1, 4, 4, 4), size_px=2, interpolation="cubic")


def test_a_border_is_the_same_on_both_sides() -> None:
    assert with_border(torch.ones(2, 1, 2), (4, 5), value=7).tolist()[0] == [
        [7, 7, 7, 7, 7],
        [7, 1, 1, 7, 7],
        [7, 7, 7, 7, 7],
        [7, 7, 7, 7, 7],
    ]


@pytest.mark.parametrize("patch_size_px", [16, None])
def test_an_audit_of_volumes_of_several_sizes(
    patch_size_px: int | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clean, released = several_sizes(6, seed=0, dims=3), several_sizes(6, seed=0, dims=3)
    released.images = [one + np.uint8(1) for one in released.images]
    pairs = tuple((index, index) for index in range(6))
    # The last one is larger than those that are drawn.
    test, large = several_sizes(5, seed=1, dims=3), discs(1, seed=9, dims=3, size_px=40)
    test = MaskSource([*test.images, large[0][0]], [*test.masks, large[1][0]])
    data = AuditData(released, clean, test, pairs, pairs, tuple(range(6)), "made-up test images")
    monkeypatch.setattr(run, "open_data", lambda *_, **__: data)
    recipe = replace(PATCHES, epochs=1, batch_size=2, patch_size_px=patch_size_px)
    report = audit_release("r", clean="c", output=tmp_path / "audit", recipes=[recipe], seeds=1)
    assert report.outcomes[0].recipe.patch_size_px == patch_size_px
