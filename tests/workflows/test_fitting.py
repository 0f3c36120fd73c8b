"""Which images are worked on as they are, and which at a size that networks look at."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from monai_unlearnable.errors import SourceError
from monai_unlearnable.perturbations import Autoregressive, Blocks, Checks, Coarse, Stripes
from monai_unlearnable.sources import Task
from monai_unlearnable.surrogates import usual_ways, whole_ways
from monai_unlearnable.workflows import (
    AutoregressiveRecipe,
    ErrorMinimizingRecipe,
    GeneratorRecipe,
    SyntheticRecipe,
    TargetedAdversarialRecipe,
)
from monai_unlearnable.workflows.context import ImageFacts
from monai_unlearnable.workflows.fitting import fit_recipe, stays_on_its_grid
from monai_unlearnable.workflows.recipe_base import Recipe
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


def test_small_pictures_with_masks_are_seen_whole_and_keep_their_stripes() -> None:
    images, larger = source([64], dims=2), source([136], dims=2)
    assert fit_recipe(ErrorMinimizingRecipe(), images) == ErrorMinimizingRecipe(dense_ways=whole_ways)
    kept = ErrorMinimizingRecipe(kept_patterns=Stripes())
    assert fit_recipe(kept, images) == replace(kept, dense_ways=whole_ways)
    assert fit_recipe(TargetedAdversarialRecipe(), images) == TargetedAdversarialRecipe(dense_ways=whole_ways)
    chosen: list[Recipe] = [
        ErrorMinimizingRecipe(dense_ways=None),
        ErrorMinimizingRecipe(dense_ways=partial(usual_ways)),
        ErrorMinimizingRecipe(surrogate_size_px=32, start=Stripes(view_px=8)),
        GeneratorRecipe(),
    ]
    assert [fit_recipe(one, images) for one in chosen] == chosen
    fitted = fit_recipe(ErrorMinimizingRecipe(), larger)
    assert isinstance(fitted, ErrorMinimizingRecipe) and fitted.dense_ways is usual_ways
    images.task = Task.SINGLE_LABEL
    assert fit_recipe(ErrorMinimizingRecipe(), images) == ErrorMinimizingRecipe()


def test_volumes_with_one_label_each_are_brought_to_one_size() -> None:
    images = source([20, 26], dims=3)
    images.task = Task.SINGLE_LABEL
    assert not stays_on_its_grid(images)
    fitted = fit_recipe(ErrorMinimizingRecipe(), images)
    assert isinstance(fitted, ErrorMinimizingRecipe) and fitted.surrogate_size_px == 32


def test_a_size_that_was_chosen_stays() -> None:
    fitted = fit_recipe(ErrorMinimizingRecipe(surrogate_size_px=24), source([20, 26], dims=3))
    assert isinstance(fitted, ErrorMinimizingRecipe) and fitted.surrogate_size_px == 24


def test_stripes_have_one_phase_for_masks_and_two_for_labels_unless_patterns_are_chosen() -> None:
    images = source([20, 26], dims=2)
    two = SyntheticRecipe(patterns=Stripes(phases=2))
    assert fit_recipe(SyntheticRecipe(), images) == SyntheticRecipe(patterns=Stripes(view_px=16))
    assert fit_recipe(two, images) == SyntheticRecipe(patterns=Stripes(view_px=16, phases=2))
    images.task = Task.SINGLE_LABEL
    assert fit_recipe(SyntheticRecipe(), images) == SyntheticRecipe(patterns=Stripes(view_px=16, phases=2))
    assert fit_recipe(SyntheticRecipe(patterns=Blocks()), images) == SyntheticRecipe(patterns=Blocks())


def test_blocks_have_the_phases_that_the_labels_need() -> None:
    images, recipe = source([20, 26], dims=2), SyntheticRecipe(block_size_px=4)
    for task, phases in ((Task.SEGMENTATION, 1), (Task.SINGLE_LABEL, 2)):
        images.task = task
        coarse = Coarse(patterns=Stripes(view_px=16, phases=phases), block_size_px=4)
        assert fit_recipe(recipe, images) == SyntheticRecipe(patterns=coarse)
        assert fit_recipe(SyntheticRecipe(patterns=coarse), images) == SyntheticRecipe(patterns=coarse)
    textures = fit_recipe(AutoregressiveRecipe(block_size_px=4), images)
    assert textures == AutoregressiveRecipe(patterns=Coarse(patterns=Autoregressive(view_px=16), block_size_px=4))
    assert "block_size_px" not in SyntheticRecipe().describe()
    assert recipe.describe()["block_size_px"] == 4
    with pytest.raises(SourceError, match="has sides of 20 pixels at most, and in blocks of 11 its delta would be the"):
        fit_recipe(SyntheticRecipe(block_size_px=11), images)


def test_small_volumes_get_a_board_that_lies_alike_in_all_of_them() -> None:
    images = source([20, 26], dims=3)
    fitted = fit_recipe(ErrorMinimizingRecipe(), images)
    assert fitted == ErrorMinimizingRecipe(start=Checks(), dense_ways=whole_ways)
    assert fit_recipe(SyntheticRecipe(), images) == SyntheticRecipe(patterns=Checks())
    assert fit_recipe(TargetedAdversarialRecipe(), images) == TargetedAdversarialRecipe(dense_ways=whole_ways)
    generator = fit_recipe(GeneratorRecipe(), images)
    assert generator == GeneratorRecipe(shift_share=0.0)
    facts = ImageFacts.of(images, window_levels=None)
    assert isinstance(generator, GeneratorRecipe)
    assert generator.build_generator(facts).network.patterns == Checks()
    sized = replace(generator, surrogate_size_px=16)
    assert sized.build_generator(facts).network.patterns == Stripes()


def test_what_a_user_chose_for_small_volumes_stays() -> None:
    images = source([20, 26], dims=3)
    chosen: list[Recipe] = [
        ErrorMinimizingRecipe(start=None, dense_ways=None),
        ErrorMinimizingRecipe(start=Blocks(), dense_ways=partial(usual_ways)),
        SyntheticRecipe(patterns=Blocks()),
        GeneratorRecipe(surrogate_size_px=16),
        ErrorMinimizingRecipe(surrogate_size_px=16, start=Stripes(view_px=8)),
    ]
    assert [fit_recipe(one, images) for one in chosen] == chosen
