from __future__ import annotations

import base64
import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from monai_unlearnable.audit import RecipeOutcome, TrainingResult
from monai_unlearnable.audit.overlays import OUTLINE_COLOURS, Overlay, draw_overlays
from monai_unlearnable.audit.packed import PackedMap
from monai_unlearnable.audit.pairing import AuditData
from monai_unlearnable.sources import Task
from monai_unlearnable.sources.image_view import ImageView, Placement
from tests.audit.discs import RECIPE, MaskSource

COLOURS = [tuple(bytes.fromhex(one[1:])) for one in OUTLINE_COLOURS]


def _drawn(source: MaskSource, predictions: list[Any], *, size_px: int | None = None) -> tuple[Overlay, ...]:
    data = AuditData(source, source, source, ((0, 0),), ((0, 0),), tuple(range(len(source))), "")
    results = [
        TrainingResult(0.5, 0.5, None, (1.0,), (0.5,), 1.0, None, tuple(map(PackedMap.of, one))) for one in predictions
    ]
    recipe = replace(RECIPE, image_size_px=size_px)
    return draw_overlays(data, RecipeOutcome(recipe, Task.SEGMENTATION, 0.0, (0,), (results[0],), (results[1],)))


def _decode(uri: str) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def _outlined_by_hand(mask: NDArray[Any], image: NDArray[Any], step: int) -> NDArray[np.uint8]:
    large, drawn = mask.repeat(step, 0).repeat(step, 1), image.repeat(step, 0).repeat(step, 1).copy()
    for row, column in np.argwhere(large > 0):
        around = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
        inside = [0 <= r < large.shape[0] and 0 <= c < large.shape[1] for r, c in around]
        same = [ok and large[place] == large[row, column] for ok, place in zip(inside, around, strict=True)]
        if not all(same):
            drawn[row, column] = COLOURS[large[row, column] - 1]
    return drawn


@pytest.mark.parametrize("channels", [1, 3])
def test_outlines_are_drawn_around_every_structure(channels: int) -> None:
    generator = np.random.default_rng(0)
    image = generator.integers(0, 255, size=(channels, 16, 12)).astype(np.uint8)
    masks = [np.zeros((16, 12), np.uint8) for _ in range(3)]
    masks[0][2:9, 3:8], masks[0][5:7, 5:12] = 1, 2
    masks[1][:, 4:6], masks[2][10:, 2:9] = 1, 2
    (one,) = _drawn(
        MaskSource([image], [masks[0].astype(np.int64)], names=("none", "a", "b")), [[masks[1]], [masks[2]]]
    )
    plain = np.moveaxis(image if channels == 3 else image.repeat(3, axis=0), 0, -1)
    assert np.array_equal(_decode(one.image), plain.repeat(16, 0).repeat(16, 1))
    for uri, mask in zip((one.truth, one.released, one.clean), masks, strict=True):
        assert np.array_equal(_decode(uri), _outlined_by_hand(mask, plain, 16))
    assert (one.recipe, one.sample_id, one.plane) == ("tiny unet", "000.png", "")
    assert one.aspect == pytest.approx(12 / 16)


def test_a_squeezed_image_is_shown_with_the_aspect_of_its_file() -> None:
    image, mask = np.zeros((1, 10, 40), np.uint8), np.zeros((10, 40), np.int64)
    seen = [[np.zeros((8, 8), np.uint8)]] * 2
    (one,) = _drawn(MaskSource([image], [mask]), seen, size_px=8)
    assert _decode(one.truth).shape == (256, 256, 3)
    assert one.aspect == pytest.approx(4.0)


def test_a_volume_is_cut_through_the_middle_of_what_is_marked() -> None:
    volume = np.arange(6 * 7 * 8).reshape(1, 6, 7, 8).astype(np.int16)
    mask = np.zeros((6, 7, 8), np.int64)
    mask[4, 2:5, 3:6] = 1
    source = MaskSource([volume], [mask])
    source.view = lambda index: ImageView(placement=Placement(spacing_mm=(3.0, 2.0, 1.0)))  # type: ignore[method-assign]
    (one,) = _drawn(source, [[mask.astype(np.uint8)], [np.zeros_like(mask, dtype=np.uint8)]])
    assert one.plane == "across axis 1 of the file, slice 5"
    assert one.aspect == pytest.approx(8 * 1.0 / (7 * 2.0))
    assert one.clean == one.image != one.truth == one.released


def test_only_segmentation_has_overlays() -> None:
    source = MaskSource([np.zeros((1, 4, 4), np.uint8)], [np.zeros((4, 4), np.int64)])
    data = AuditData(source, source, source, (), (), (0,), "")
    assert draw_overlays(data, RecipeOutcome(RECIPE, Task.SINGLE_LABEL, 0.5, (0,), (), ())) == ()
