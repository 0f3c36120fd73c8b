"""A source as map-style data sets of MONAI dictionaries: of whole images, and of their patches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from monai_unlearnable.sources.base import Sample, Source, Task
from monai_unlearnable.sources.float_levels import FloatValues, level_size_of
from monai_unlearnable.sources.patches import LARGEST_PATCH_VALUES, patch_regions
from monai_unlearnable.sources.stored_levels import is_floating, whole_levels
from monai_unlearnable.types import Region

__all__ = ["Place", "SourceDataset", "SourcePatches"]

Place: TypeAlias = tuple[int, int]
"""Number of an image, and number of a patch of it."""


class SourceDataset(Dataset[dict[str, Any]]):
    """Images of a source in levels: ``{"image", "label", "sample_id"}``.

    ``image`` is float32 ``(channel, *space)``; ``label`` is an int64 scalar, a float32 vector of 0/1, or for
    segmentation int64 ``(1, *space)``, the class of every voxel.

    Args:
        source: where the images come from.
        level_sizes: what one level adds to a stored value of each image; by default 1, which floating-point images
            have that hold whole numbers only.
        windows: where each image has a window of its own, its lower and upper end in levels; the data then have
            ``"window_levels"`` too, float32 ``(2,)``.
    """

    def __init__(
        self,
        source: Source,
        *,
        level_sizes: Sequence[float] | None = None,
        windows: Sequence[tuple[float, float]] | None = None,
    ) -> None:
        self.source = source
        self.level_sizes = level_sizes
        self.windows = windows

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.item(self.source[index], index)

    def item(self, sample: Sample, index: int, region: Region | None = None) -> dict[str, Any]:
        """Return the data of image ``index`` that was read before, or of a part of it."""
        stored = sample.image if region is None else sample.image[region]
        levels = whole_levels(stored, level_size=self._level_size(sample, index))
        item = {
            "image": torch.from_numpy(levels.astype(np.float32)),
            "label": self._label(sample, region),
            "sample_id": sample.sample_id,
        }
        return item if self.windows is None else {**item, "window_levels": torch.tensor(self.windows[index])}

    def _label(self, sample: Sample, region: Region | None) -> Tensor:
        if self.source.task is Task.SEGMENTATION:
            mask = sample.label if region is None else sample.label[region[1:]]
            return torch.tensor(mask)[None].long()
        label = torch.tensor(sample.label)  # a copy: the source's own labels stay as they are
        return label.float() if self.source.task is Task.MULTI_LABEL else label.long()

    def _level_size(self, sample: Sample, index: int) -> float:
        if self.level_sizes is not None:
            return self.level_sizes[index]
        if not is_floating(sample.image.dtype):
            return 1.0
        return level_size_of(cast(FloatValues, sample.image), asked=None, where=sample.sample_id)


class SourcePatches(Dataset[dict[str, Any]]):
    """Patches of images, by :data:`Place`; an image that is small enough is one patch and has no other keys.

    The data of a patch say where it lies as MONAI's :class:`~monai.data.PatchIterd` does: ``"patch_coords"``, int64
    ``(1 + dimensions, 2)``, first and last index (exclusive) along each axis, and ``"original_spatial_shape"``, int64
    ``(dimensions,)``. With ``keep`` they are best asked for image by image, in order.

    Args:
        images: the whole images.
        largest_values: values that a patch may have.
        keep: keep an image that was read until its last patch, or a patch of another image, is asked for.
    """

    def __init__(
        self, images: SourceDataset, *, largest_values: int = LARGEST_PATCH_VALUES, keep: bool = False
    ) -> None:
        self.images = images
        self.keep = keep
        self.regions = tuple(
            patch_regions(images.source.shape(index), largest_values=largest_values) for index in range(len(images))
        )
        self._last: tuple[int, Sample] | None = None

    def __len__(self) -> int:
        return sum(map(len, self.regions))

    def __getitem__(self, place: Place) -> dict[str, Any]:
        index, number = place
        regions = self.regions[index]
        if len(regions) == 1:
            return self.images[index]
        region = regions[number]
        sample = self._read(index, last=number == len(regions) - 1)
        return {
            **self.images.item(sample, index, region),
            "patch_coords": torch.tensor([(one.start, one.stop) for one in region]),
            "original_spatial_shape": torch.tensor(self.images.source.shape(index)[1:]),
        }

    def _read(self, index: int, *, last: bool) -> Sample:
        kept, self._last = self._last, None
        sample = kept[1] if kept is not None and kept[0] == index else self.images.source[index]
        if self.keep and not last:
            self._last = index, sample
        return sample

    def batch_shape(self, place: Place) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the shape of a patch and of its image: what patches of one batch have in common."""
        index, number = place
        patch = tuple(one.stop - one.start for one in self.regions[index][number])
        return patch, self.images.source.shape(index)
