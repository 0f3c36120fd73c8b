"""From pictures and masks, and from volumes and masks, to a proved release of each method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monai_unlearnable.audit import audit_release
from monai_unlearnable.audit.victims import DENSE_RECIPE
from monai_unlearnable.dense_networks import small_unet
from monai_unlearnable.errors import SourceError
from monai_unlearnable.perturbations import ContourBand
from monai_unlearnable.release import restore_release, verify_release
from monai_unlearnable.sources import Task, open_source
from monai_unlearnable.workflows import (
    ErrorMinimizingRecipe,
    ProtectReport,
    Recipe,
    SyntheticRecipe,
    TargetedAdversarialRecipe,
    protect,
)
from tests.perturbations.test_regions import near
from tests.sources.test_nifti_file import save_nifti

SMALL: dict[str, Any] = {"dense_networks": (small_unet,), "surrogate_size_px": 16, "steps": 3, "surrogate_epochs": 1}
RECIPES: dict[str, Recipe] = {
    "synthetic": SyntheticRecipe(),
    "error_minimizing": ErrorMinimizingRecipe(**SMALL, max_rounds=2),
    "two networks": ErrorMinimizingRecipe(**(SMALL | {"dense_networks": (small_unet,) * 2}), max_rounds=1),
    "targeted": TargetedAdversarialRecipe(**SMALL),
}


SIZES = ((40, 36), (40, 36), (33, 50), (40, 36), (33, 50), (24, 24))


def pictures(folder: Path, *, sizes: Sequence[tuple[int, int]] = SIZES) -> Path:
    """Write colour pictures of these sizes with a disc, and its masks as JPEG."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number, (height, width) in enumerate(sizes):
        random = np.random.default_rng(number)
        rows, columns = np.mgrid[:height, :width]
        disc = (rows - height * 0.5) ** 2 + (columns - width * 0.4) ** 2 < 64 + 8 * number
        image = random.integers(90, 130, (height, width, 3)) + 40 * disc[..., None]
        Image.fromarray(image.astype(np.uint8)).save(folder / "images" / f"scan_{number:03d}.png")
        Image.fromarray((255 * disc).astype(np.uint8)).save(folder / "masks" / f"mask_{number:03d}.jpg", quality=95)
    return folder


def volumes(folder: Path) -> Path:
    """Write int16 volumes with two structures, and their masks."""
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for number in range(4):
        space = (20, 26, 22 + number % 2)
        random = np.random.default_rng(number)
        mask = np.zeros(space, dtype=np.uint8)
        mask[4:10, 6:14, 5:15], mask[11:16, 6:14, 5:15] = 1, 2
        save_nifti(
            folder / "images" / f"case_{number}.nii", (random.normal(500, 60, space) + 150 * mask).astype("int16")
        )
        save_nifti(folder / "labels" / f"case_{number}.nii", mask)
    return folder


def road(source: Path, root: Path, recipe: Recipe) -> ProtectReport:
    return protect(source, output=root / "release", ledger=root / "ledger", recipe=recipe, seed=3)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("make", [pictures, volumes], ids=["pictures", "volumes"])
def test_masks_are_labels_like_any_other(name: str, make: Any, tmp_path: Path) -> None:
    source = make(tmp_path / "source")
    assert road(source, tmp_path, RECIPES[name]).held
    before, after = open_source(source), open_source(tmp_path / "release")
    assert after.task is Task.SEGMENTATION and after.class_names == before.class_names
    changed = 0
    for index in range(len(before)):
        assert np.array_equal(before.label(index), after.label(index)), "masks stay as they are"
        changed += int((before.read(index) != after.read(index)).sum())
    assert changed > 0
    assert verify_release(tmp_path / "release", tmp_path / "ledger").held
    assert restore_release(tmp_path / "release", tmp_path / "ledger", tmp_path / "back").held


def test_healthy_images_may_be_taken(tmp_path: Path) -> None:
    source = pictures(tmp_path / "source")
    empty = source / "masks" / "mask_002.jpg"
    Image.fromarray(np.zeros((33, 50), dtype=np.uint8)).save(empty)
    with pytest.raises(SourceError, match=r"mask_002\.jpg"):
        road(source, tmp_path, SyntheticRecipe())
    report = protect(
        source,
        output=tmp_path / "release",
        ledger=tmp_path / "ledger",
        recipe=SyntheticRecipe(),
        allow_empty_masks=True,
    )
    assert report.held and report.class_counts == {"0": 6, "1": 5}
    recipe = replace(DENSE_RECIPE, epochs=1, batch_size=2, image_size_px=16)
    audit = audit_release(tmp_path / "release", clean=source, output=tmp_path / "report", recipes=(recipe,), seeds=1)
    assert audit.counts["released"] == 6


def test_synthetic_patterns_differ_inside_and_outside(tmp_path: Path) -> None:
    source = pictures(tmp_path / "source")
    road(source, tmp_path, SyntheticRecipe())
    before, after = open_source(source), open_source(tmp_path / "release")
    for index in range(len(before)):
        delta = np.abs(after.read(index).astype(int) - before.read(index))
        inside = before.label(index).astype(bool)
        assert (delta[:, inside] == 8).all() and (delta[:, ~inside] == 2).all(), "the background's is the faint one"


@pytest.mark.parametrize("name", ["synthetic", "error_minimizing", "targeted"])
def test_only_a_region_changes(name: str, tmp_path: Path) -> None:
    source = pictures(tmp_path / "source")
    road(source, tmp_path, replace(RECIPES[name], region=ContourBand(inside_px=3, outside_px=2)))
    before, after = open_source(source), open_source(tmp_path / "release")
    for index in range(len(before)):
        mask = before.label(index).astype(bool)
        band = near(mask, 2) & ~(mask & ~near(~mask, 3))
        changed = (after.read(index) != before.read(index)).any(0)
        assert changed.any() and not changed[~band].any()


def test_refuses_class_wise_deltas_for_masks(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="its labels are masks, and a class-wise delta is for images of one class"):
        road(pictures(tmp_path / "source"), tmp_path, SyntheticRecipe(class_wise=True))
