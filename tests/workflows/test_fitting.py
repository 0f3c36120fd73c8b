"""Which images are worked on as they are, and which at a size that networks look at."""

from __future__ import annotations

import pytest

from monai_unlearnable.sources import Task
from monai_unlearnable.workflows import ErrorMinimizingRecipe, GeneratorRecipe
from monai_unlearnable.workflows.fitting import fit_recipe, stays_on_its_grid
from tests.audit.discs import MaskSource, discs


def source(sides: list[int], *, dims: int) -> MaskSource:
    parts = [discs(1, seed=side, dims=dims, size_px=side) for side in sides]
    return MaskSource([images[0] for images, _ in parts], [masks[0] for _, masks in parts])


@pytest.mark.parametrize(
    ("sides", "dims", "expected"),
    [([20, 26], 3, None), ([128], 3, None), ([20, 136], 3, 96), ([136], 3, 96), ([20, 26], 2, 32), ([64], 2, None)],
)
def test_small_volumes_with_masks_are_looked_at_voxel_by_voxel(
    sides: list[int], dims: int, expected: int | None
) -> None:
    images = source(sides, dims=dims)
    assert stays_on_its_grid(images) is (dims == 3 and max(sides) <= 128)
    for recipe in (ErrorMinimizingRecipe(), GeneratorRecipe()):
        fitted = fit_recipe(recipe, images)
        assert isinstance(fitted, ErrorMinimizingRecipe | GeneratorRecipe)
        assert fitted.surrogate_size_px == expected


def test_volumes_with_one_label_each_are_brought_to_one_size() -> None:
    images = source([20, 26], dims=3)
    images.task = Task.SINGLE_LABEL
    assert not stays_on_its_grid(images)
    fitted = fit_recipe(ErrorMinimizingRecipe(), images)
    assert isinstance(fitted, ErrorMinimizingRecipe) and fitted.surrogate_size_px == 32


def test_a_size_that_was_chosen_stays() -> None:
    fitted = fit_recipe(ErrorMinimizingRecipe(surrogate_size_px=24), source([20, 26], dims=3))
    assert isinstance(fitted, ErrorMinimizingRecipe) and fitted.surrogate_size_px == 24
