"""Runs whose deltas share their radius with a pattern, or lie in blocks of pixels, and autoregressive ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.fft import dctn  # type: ignore[import-untyped]

from monai_unlearnable.errors import BudgetError, LedgerError, SourceError
from monai_unlearnable.perturbations import Checks, Coarse, Stripes
from monai_unlearnable.release import restore_release
from monai_unlearnable.sources import open_source
from monai_unlearnable.transforms import SurrogatePerturbation
from monai_unlearnable.workflows import (
    AutoregressiveRecipe,
    ErrorMinimizingRecipe,
    LinearErrorMinimizingRecipe,
    ProtectReport,
    Recipe,
    TargetedAdversarialRecipe,
    load_surrogate,
    protect,
)
from monai_unlearnable.workflows.recipe_base import SurrogateRecipe
from tests.small_data import class_images, write_npz
from tests.workflows.test_dense_road import SMALL, pictures, volumes
from tests.workflows.test_fitting import source as sized_source

LINEAR = LinearErrorMinimizingRecipe(surrogate_epochs=3)
BLOCKS = replace(LINEAR, block_size_px=4)
BOTH = replace(LINEAR, kept_patterns=Stripes())


def road(source: Path, root: Path, recipe: Recipe) -> ProtectReport:
    return protect(source, output=root / "release", ledger=root / "ledger", recipe=recipe, seed=3)


def deltas(source: Path, root: Path) -> list[NDArray[Any]]:
    before, after = open_source(source), open_source(root / "release")
    return [after.read(at).astype(int) - before.read(at) for at in range(len(before))]


@pytest.mark.parametrize("make", [pictures, volumes], ids=["pictures", "volumes"])
@pytest.mark.parametrize(
    "recipe",
    [
        AutoregressiveRecipe(),
        ErrorMinimizingRecipe(**SMALL, max_rounds=1, kept_patterns=Stripes()),
        TargetedAdversarialRecipe(**SMALL, block_size_px=6, kept_patterns=Stripes(), kept_share=0.25),
    ],
    ids=["autoregressive", "shared", "shared, in blocks"],
)
def test_masks_of_several_sizes(make: object, recipe: Recipe, tmp_path: Path) -> None:
    source = make(tmp_path / "source")  # type: ignore[operator]
    assert road(source, tmp_path, recipe).held
    assert all(np.abs(one).max() in range(1, 400) for one in deltas(source, tmp_path))
    assert restore_release(tmp_path / "release", tmp_path / "ledger", tmp_path / "back").held


def test_deltas_of_a_class_differ_where_they_are_autoregressive(tmp_path: Path) -> None:
    source = write_npz(tmp_path / "s.npz")
    report = road(source, tmp_path, AutoregressiveRecipe())
    assert report.held and report.method == "autoregressive"
    assert len({one.tobytes() for one in deltas(source, tmp_path)}) == 16


def test_deltas_are_even_over_blocks_of_stored_pixels(tmp_path: Path) -> None:
    source = write_npz(tmp_path / "s.npz")
    assert road(source, tmp_path, BLOCKS).held
    found = np.stack(deltas(source, tmp_path))[:, 0].reshape(-1, 7, 4, 7, 4)
    assert (found == found[:, :, :1, :, :1]).all() and len(np.unique(found)) > 1
    surrogate, method = load_surrogate(tmp_path / "ledger", BLOCKS)
    images, labels = class_images(per_class=1, seed=9)
    later = SurrogatePerturbation(method, surrogate)(torch.from_numpy(images[0])[None], int(labels[0]))
    changed = (later[0].numpy().astype(int) - images[0]).reshape(7, 4, 7, 4)
    assert (changed == changed[:, :1, :, :1]).all() and changed.any()


@pytest.mark.parametrize("recipe", [LINEAR, ErrorMinimizingRecipe(**SMALL, max_rounds=1)], ids=["linear", "networks"])
def test_deltas_keep_their_long_waves_alone(recipe: SurrogateRecipe, tmp_path: Path) -> None:
    source = write_npz(tmp_path / "s.npz")
    recipe = replace(recipe, low_pass_share=0.25)
    assert road(source, tmp_path, recipe).held
    found = dctn(np.stack(deltas(source, tmp_path))[:, 0], axes=(1, 2), norm="ortho") ** 2
    short = found.sum() - found[:, :7, :7].sum()
    # What rounding to whole levels and the ends of the range and of the radius bring back; white noise has 0.94.
    assert 0 < short < 0.1 * found.sum()
    surrogate, method = load_surrogate(tmp_path / "ledger", recipe.seen_at(None))
    images, labels = class_images(per_class=1, seed=9)
    later = SurrogatePerturbation(method, surrogate)(torch.from_numpy(images[0])[None], int(labels[0]))
    spectrum = dctn(later[0].numpy() - images[0].astype(float), norm="ortho") ** 2
    assert 0 < spectrum.sum() - spectrum[:7, :7].sum() < 0.1 * spectrum.sum()


def test_a_pattern_keeps_its_share_and_later_images_are_refused(tmp_path: Path) -> None:
    source = write_npz(tmp_path / "s.npz")
    assert road(source, tmp_path, BOTH).held
    labels = open_source(source).labels
    found = np.stack(deltas(source, tmp_path))
    common = [set(np.unique(found[labels == label])) for label in (0, 1)]
    # Pattern and rest have the same or opposite signs: +-4 and +-4, and a quarter of both in the faint class.
    assert sorted(map(sorted, common)) == [[-8, 0, 8], [-2, 0, 2]]
    with pytest.raises(LedgerError, match="the deltas of its run share their radius with a pattern"):
        load_surrogate(tmp_path / "ledger", BOTH)


def test_a_radius_too_small_to_share_is_refused(tmp_path: Path) -> None:
    source = write_npz(tmp_path / "s.npz")
    with pytest.raises(BudgetError, match=r"a radius of 1 levels, shared by two methods in shares of 0\.5 and 0\.5"):
        protect(source, output=tmp_path / "r", ledger=tmp_path / "l", recipe=BOTH, radius="1 levels")


def test_blocks_as_large_as_an_image_are_refused(tmp_path: Path) -> None:
    source = write_npz(tmp_path / "s.npz")
    with pytest.raises(SourceError, match="has sides of 28 pixels at most, and in blocks of 15 its delta would be the"):
        road(source, tmp_path, replace(LINEAR, block_size_px=15))
    assert not (tmp_path / "ledger").exists()


def test_one_wave_alone_and_blocks_beside_a_low_pass_are_refused(tmp_path: Path) -> None:
    source = write_npz(tmp_path / "s.npz")
    with pytest.raises(SourceError, match=r"sides of 28 pixels at most, and with 0\.05 of its waves its"):
        road(source, tmp_path, replace(LINEAR, low_pass_share=0.05))
    with pytest.raises(BudgetError, match=r"block_size_px=4 and low_pass_share=0\.5 both say how fine deltas are"):
        road(source, tmp_path, replace(BLOCKS, low_pass_share=0.5))
    assert not (tmp_path / "ledger").exists()


def test_kept_patterns_are_fitted_like_any_other() -> None:
    recipe = ErrorMinimizingRecipe(kept_patterns=Stripes())
    assert recipe.seen_at(96).kept_patterns == Stripes(view_px=48)
    assert recipe.seen_whole(spatial_dims=3).kept_patterns == Checks()
    assert recipe.seen_whole(spatial_dims=2).kept_patterns == Stripes()
    assert replace(recipe, surrogate_size_px=32).seen_whole(spatial_dims=3).kept_patterns == Stripes()
    assert TargetedAdversarialRecipe(kept_patterns=Stripes()).seen_at(64).kept_patterns == Stripes(view_px=32)
    assert replace(recipe, block_size_px=4).coarse(Stripes()) == Coarse(patterns=Stripes(), block_size_px=4)
    assert replace(recipe, low_pass_share=0.3).coarse(Stripes()) == Coarse(patterns=Stripes(), block_size_px=4)
    recipe.check_images(sized_source([20], dims=3))
