"""Images as one victim sees them."""

from __future__ import annotations

from collections.abc import Sequence

from monai_unlearnable.audit.loading import ImageSet, load_images
from monai_unlearnable.audit.victims import VictimRecipe
from monai_unlearnable.sources.base import Source

__all__ = ["load_seen"]


def load_seen(source: Source, *, recipe: VictimRecipe, indices: Sequence[int], class_names: Sequence[str]) -> ImageSet:
    """Read images at the size and by the interpolation of a victim, or with a border for its patches.

    Raises:
        SourceError: see :func:`~monai_unlearnable.audit.loading.load_images`.
        NotApplicableError: likewise.
    """
    return load_images(
        source,
        indices=indices,
        size_px=recipe.image_size_px,
        interpolation=recipe.interpolation,
        patch_px=recipe.patch_size_px,
        pictures=recipe.pictures,
        class_names=class_names,
    )
