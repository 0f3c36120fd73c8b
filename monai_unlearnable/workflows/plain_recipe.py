"""What all recipes share: a name, settings, and how they are set up as an engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from monai.data import DataLoader
from torch import nn

from monai_unlearnable.callables import describe_callable
from monai_unlearnable.engines import ProtectionEngine, SaveProtection
from monai_unlearnable.errors import BudgetError, SourceError
from monai_unlearnable.perturbations import PatternFamily, Region
from monai_unlearnable.sources import Source, Task
from monai_unlearnable.sources.patches import LARGEST_PATCH_VALUES
from monai_unlearnable.workflows.context import RecipeContext

__all__ = ["NetworkFactory", "Recipe"]

NetworkFactory = Callable[..., nn.Module]


@dataclass(frozen=True, kw_only=True)
class Recipe(ABC):
    """A method with all its settings.

    Attributes:
        class_wise: one delta for each class in the place of one for each image.
        batch_size: images in a batch of the engine.
        largest_patch_values: values (voxels times channels) that the engine works on at a time: fewer images are in a
            batch where they are large, and an image that is larger itself is swept in patches.
        region: which voxels of an image may change; None for all.
        said_if_given: settings that came later: None is not said, so that runs from before can be taken up again.
    """

    name: ClassVar[str]
    said_if_given: ClassVar[tuple[str, ...]] = ()
    class_wise: bool = False
    batch_size: int = 128
    largest_patch_values: int = LARGEST_PATCH_VALUES
    region: Region | None = None

    def check_images(self, images: Source) -> None:
        """Refuse images that the method is not for, before anything is written.

        Raises:
            SourceError: names why, and what to do.
            BudgetError: the region needs masks, and labels are none.
        """
        if self.region is not None and self.region.needs_masks and images.task is not Task.SEGMENTATION:
            raise BudgetError(
                f"region {self.region!r} needs masks, and the labels of {images.path} are {images.task.value}. Take "
                "the body, or the whole image, or a source with masks."
            )
        if self.class_wise and images.task is Task.SEGMENTATION:
            raise SourceError(
                f"{images.path}: its labels are masks, and a class-wise delta is for images of one class. Use deltas "
                "of their own (leave class_wise out)."
            )

    @abstractmethod
    def build(self, context: RecipeContext) -> tuple[ProtectionEngine, SaveProtection]:
        """Return the engine, and the handler that can resume it."""

    def loader(self, context: RecipeContext) -> DataLoader:
        """Return what the engine passes over."""
        return context.loader(batch_size=self.batch_size, largest_patch_values=self.largest_patch_values)

    def describe(self) -> dict[str, Any]:
        """Return all settings as JSON values; a factory by its dotted name. Some are said only where they are given."""
        settings = {one.name: getattr(self, one.name) for one in fields(self)}
        settings = {key: value for key, value in settings.items() if value is not None or key not in self.said_if_given}
        return {"method": self.name, **{key: _described(value) for key, value in settings.items()}}

    def for_task(self, task: Task) -> Recipe:
        """Return the recipe for images with labels of this kind."""
        return self

    def seen_at(self, size_px: int | None) -> Recipe:
        """Return the recipe for images that networks will look at in this size; None for the native grid."""
        return self

    def seen_whole(self, *, spatial_dims: int) -> Recipe:
        """Return the recipe for images with masks that networks see whole, pixel by pixel, as small ones are."""
        return self


def _described(value: Any) -> Any:
    if isinstance(value, PatternFamily):
        return value.describe()
    if isinstance(value, Region):
        return repr(value)
    if isinstance(value, tuple):
        return [_described(one) for one in value]
    return describe_callable(value) if callable(value) else value
