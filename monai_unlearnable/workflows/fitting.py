"""Fit a recipe to the images of a source."""

from __future__ import annotations

import math
from collections.abc import Callable

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources import Source, Task
from monai_unlearnable.workflows.recipe_base import Recipe

__all__ = ["common_size_px", "fit_recipe", "stays_on_its_grid"]

_COMMON_SIZE_PX = 96
_LARGEST_NATIVE_PX = 128
_MULTIPLE_PX = 8
_SMALLEST_SIZE_PX = 16


def fit_recipe(recipe: Recipe, images: Source) -> Recipe:
    """Choose what the labels need, and let surrogate and patterns have one common size where images need one.

    That is where they have several sizes, or are larger than 128 pixels.
    Deltas stay on the native grid: the surrogate's resampling is part of it and differentiable. Small volumes with
    masks are not resampled (:func:`stays_on_its_grid`). Small images with masks are seen whole: random crops and zooms
    leave nothing of patterns of single voxels.

    Raises:
        SourceError: images of different numbers of channels, pictures beside volumes, or class-wise deltas for images
            of different shapes, for those that are swept in patches, or for masks; or the method is not for them.
    """
    recipe.check_images(images)
    shapes = {images.shape(index) for index in range(len(images))}
    channels = sorted({shape[0] for shape in shapes})
    if len(channels) > 1:
        others = _first_others(images, lambda shape: shape[0])
        raise SourceError(f"{images.path}: holds images of {channels} channels ({others}); protect them apart.")
    if len({len(shape) for shape in shapes}) > 1:
        others = _first_others(images, len)
        raise SourceError(f"{images.path}: holds pictures and volumes ({others}); protect them apart.")
    if recipe.class_wise and len(shapes) > 1:
        raise SourceError(
            f"{images.path}: images have {len(shapes)} shapes such as {sorted(shapes)[:2]}, and a class-wise delta has "
            "one. Use deltas of their own (leave class_wise out)."
        )
    if recipe.class_wise:
        _require_whole(images, recipe.largest_patch_values)
    recipe = recipe.for_task(images.task)
    size_px = None if stays_on_its_grid(images) else common_size_px(images)
    fitted = recipe.seen_at(size_px)
    if size_px is None and images.task is Task.SEGMENTATION:
        return fitted.seen_whole(spatial_dims=len(images.shape(0)) - 1)
    return fitted


def stays_on_its_grid(*sources: Source) -> bool:
    """Whether networks look at images voxel by voxel: volumes with masks whose sides are 128 voxels at most.

    Volumes of one spacing have several sizes, and readers cut patches from them rather than squeeze them into one.
    """
    shapes = (source.shape(index) for source in sources for index in range(len(source)))
    return all(source.task is Task.SEGMENTATION for source in sources) and all(
        len(shape) == 4 and max(shape[1:]) <= _LARGEST_NATIVE_PX for shape in shapes
    )


def _require_whole(images: Source, largest_patch_values: int) -> None:
    shape = images.shape(0)
    if math.prod(shape) > largest_patch_values:
        raise SourceError(
            f"{images.path}: {images.sample_ids[0]} has shape {shape}, more than {largest_patch_values} values: it "
            "would be swept in patches, and class-wise deltas are for whole images. Use deltas of their own (leave "
            "class_wise out), or raise largest_patch_values where the memory is there."
        )


def _first_others(images: Source, kind: Callable[[tuple[int, ...]], int]) -> str:
    """Name the first image and the first of another kind, with their shapes."""
    first = images.shape(0)
    other = next(index for index in range(len(images)) if kind(images.shape(index)) != kind(first))
    return f"{images.sample_ids[0]} has shape {first}, {images.sample_ids[other]} has {images.shape(other)}"


def common_size_px(*sources: Source, largest_px: int = _COMMON_SIZE_PX) -> int | None:
    """Return the size at which a network looks at images of several sizes, or of more than 128 pixels.

    Args:
        sources: whose images one network looks at.
        largest_px: size for large images. Small ones of several sizes are not enlarged beyond their longest side.

    Returns:
        ``largest_px`` or the longest side, rounded up to eight pixels; None where the network can look at the native
        grid.
    """
    spaces = {source.shape(index)[1:] for source in sources for index in range(len(source))}
    longest = max(size for space in spaces for size in space)
    if longest <= _LARGEST_NATIVE_PX and len(spaces) == 1:
        return None
    return min(largest_px, max(_SMALLEST_SIZE_PX, -(-longest // _MULTIPLE_PX) * _MULTIPLE_PX))
