"""A source as a map-style data set of MONAI dictionaries, and its batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.base import Sample, Source, Task
from monai_unlearnable.sources.float_levels import FloatValues, level_size_of
from monai_unlearnable.sources.stored_levels import is_floating, whole_levels

__all__ = ["ShapeBatches", "SourceDataset"]


class SourceDataset(Dataset[dict[str, Any]]):
    """Images of a source in levels: ``{"image", "label", "sample_id"}``.

    ``image`` is float32 ``(channel, *space)``; ``label`` is an int64 scalar, or a float32 vector of 0/1.

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
        sample = self.source[index]
        label = torch.tensor(sample.label)  # a copy: the source's own labels stay as they are
        levels = whole_levels(sample.image, level_size=self._level_size(sample, index))
        item = {
            "image": torch.from_numpy(levels.astype(np.float32)),
            "label": label.float() if self.source.task is Task.MULTI_LABEL else label.long(),
            "sample_id": sample.sample_id,
        }
        return item if self.windows is None else {**item, "window_levels": torch.tensor(self.windows[index])}

    def _level_size(self, sample: Sample, index: int) -> float:
        if self.level_sizes is not None:
            return self.level_sizes[index]
        if not is_floating(sample.image.dtype):
            return 1.0
        return level_size_of(cast(FloatValues, sample.image), asked=None, where=sample.sample_id)


class ShapeBatches(Sampler[list[int]]):
    """Batches of images of one shape, so that sources with pictures of several sizes can be stacked.

    An image that would be left over alone joins the batch before it, because batch normalisation cannot be trained on
    a single one.

    Args:
        source: whose images are batched.
        batch_size: number of images in a batch; one may have one more, the last one of a shape fewer.
        shuffle: shuffle images and batches, anew for every epoch.
        seed: seed of the shuffling, together with the epoch.
    """

    def __init__(self, source: Source, *, batch_size: int, shuffle: bool = False, seed: int = 0) -> None:
        if batch_size < 1:
            raise SourceError(f"batch_size={batch_size}: a batch holds at least 1 image.")
        groups: dict[tuple[int, ...], list[int]] = {}
        for index in range(len(source)):
            groups.setdefault(source.shape(index), []).append(index)
        self._groups = list(groups.values())
        self._batch_size, self._shuffle, self._seed, self._epoch = batch_size, shuffle, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration follows."""
        self._epoch = epoch

    def __len__(self) -> int:
        return sum(len(_starts(len(group), self._batch_size)) for group in self._groups)

    def __iter__(self) -> Iterator[list[int]]:
        groups = self._groups
        random = np.random.default_rng((self._seed, self._epoch))
        if self._shuffle:
            groups = [[group[i] for i in random.permutation(len(group))] for group in groups]
        batches = []
        for group in groups:
            starts = _starts(len(group), self._batch_size)
            batches += [group[start:end] for start, end in zip(starts, [*starts[1:], len(group)], strict=True)]
        order = random.permutation(len(batches)) if self._shuffle else range(len(batches))
        return iter([batches[i] for i in order])


def _starts(count: int, batch_size: int) -> range:
    alone = batch_size > 1 and count > 1 and count % batch_size == 1
    return range(0, count - alone, batch_size)
