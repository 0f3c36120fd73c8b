"""One look at every image, and how recipes are fitted to what was seen."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from monai_unlearnable.errors import SourceError
from monai_unlearnable.networks import small_resnet
from monai_unlearnable.perturbations import Blocks, Stripes
from monai_unlearnable.sources import Source, open_source
from monai_unlearnable.workflows import ErrorMinimizingRecipe, SyntheticRecipe, survey
from monai_unlearnable.workflows.fitting import common_size_px, fit_recipe
from tests.small_data import write_class_folders
from tests.sources.files import save


def _deep(root: Path, *levels: np.ndarray) -> Source:
    for number, image in enumerate(levels):
        save(root / "ab"[number % 2] / f"{number}.png", image.astype(np.uint16))
    return open_source(root)


def _sizes(root: Path, *shapes: tuple[int, ...]) -> Source:
    for number, shape in enumerate(shapes):
        save(root / "ab"[number % 2] / f"{number}.png", np.full(shape, number, dtype=np.uint8))
    return open_source(root)


def test_window_of_8_bit_is_the_full_scale(tmp_path: Path) -> None:
    levels = survey(open_source(write_class_folders(tmp_path, per_class=2)))
    assert levels.common_window_levels == (0, 255) and levels.windows_levels is None
    assert {(one.low_level, one.high_level, one.range_levels) for one in levels.images} == {(0, 255, 255)}


def test_window_of_16_bit_is_the_robust_range_of_the_foreground(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    images = [generator.integers(500, 2500 + 900 * number, (40, 40)) for number in range(4)]
    for image in images:
        image[:20] = 0  # air
        image[30, 3] = 60000  # one hot pixel
    source = _deep(tmp_path, *images)
    levels = survey(source)
    for one in levels.images:
        image = images[int(one.sample_id[2])]
        low, high = np.percentile(image[image > 0], [0.5, 99.5], method="inverted_cdf")
        assert (*one.window_levels, one.range_levels) == (low, high, high - low)
        assert (one.low_level, one.high_level) == (0, 65535)
    assert levels.common_window_levels is None
    assert levels.windows_levels == tuple(one.window_levels for one in levels.images)


@pytest.mark.parametrize("level", [0, 700])
def test_flat_deep_images_are_refused(level: int, tmp_path: Path) -> None:
    with pytest.raises(
        SourceError, match="every image is padding, or its foreground has one level; there is nothing to protect"
    ):
        survey(_deep(tmp_path, *[np.full((4, 4), level)] * 2))


def test_hash_depends_on_pixels_and_labels(tmp_path: Path) -> None:
    def content(folder: Path) -> str:
        return survey(open_source(folder)).data_sha256

    first, second = (write_class_folders(tmp_path / name, per_class=2) for name in "ab")
    assert content(first) == content(second)
    (second / "left/000.png").rename(second / "right/000.png")
    assert content(first) != content(second)


def test_progress_counts_to_the_end(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    survey(open_source(write_class_folders(tmp_path, per_class=2)), progress=lambda *pair: seen.append(pair))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(
    ("shapes", "size"),
    [
        (((9, 9), (9, 9)), None),
        (((9, 9), (9, 8)), 16),
        (((9, 29), (9, 8)), 32),
        (((128, 9), (128, 9)), None),
        (((129, 9), (129, 9)), 96),
    ],
)
def test_one_size_for_several_or_large(shapes: tuple[tuple[int, ...], ...], size: int | None, tmp_path: Path) -> None:
    source = _sizes(tmp_path, *shapes)
    assert common_size_px(source) == size
    drawn = None if size is None else size // 2
    fitted = ErrorMinimizingRecipe(surrogate_size_px=size, start=Stripes(view_px=drawn))
    assert fit_recipe(ErrorMinimizingRecipe(), source) == fitted
    own = ErrorMinimizingRecipe(surrogate_size_px=32)
    assert fit_recipe(own, source) == ErrorMinimizingRecipe(surrogate_size_px=32, start=Stripes(view_px=16))
    assert fit_recipe(replace(own, start=None), source) == replace(own, start=None)
    assert fit_recipe(SyntheticRecipe(), source) == SyntheticRecipe(patterns=Stripes(view_px=drawn, phases=2))
    blocks = SyntheticRecipe(patterns=Blocks())
    assert fit_recipe(blocks, source) == blocks


def test_sizes_of_two_sources_count_together(tmp_path: Path) -> None:
    small, large = _sizes(tmp_path / "x", (9, 9), (9, 9)), _sizes(tmp_path / "y", (12, 12), (12, 12))
    assert common_size_px(small) is None and common_size_px(small, large) == 16


def test_settings_are_plain_values() -> None:
    described = ErrorMinimizingRecipe(networks=(partial(small_resnet, in_channels=1),)).describe()
    assert described["method"] == "error_minimizing" and described["stop_error"] == 0.01
    assert described["networks"] == ["monai_unlearnable.networks.small_resnet(in_channels=1)"]
    assert ErrorMinimizingRecipe().describe()["networks"] == [
        "monai_unlearnable.networks.small_resnet",
        "monai_unlearnable.networks.small_densenet",
    ]
