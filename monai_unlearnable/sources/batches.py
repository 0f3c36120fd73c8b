"""Batches of images, or of patches, of one shape."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Protocol, TypeAlias

import numpy as np
from torch.utils.data import Sampler

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.dataset import Place
from monai_unlearnable.sources.patches import LARGEST_PATCH_VALUES
from monai_unlearnable.types import Region

__all__ = ["Patches", "ShapeBatches"]

BatchShape: TypeAlias = tuple[tuple[int, ...], ...]


class Patches(Protocol):
    """What is batched: a data set by :data:`Place`."""

    @property
    def regions(self) -> Sequence[Sequence[Region]]:
        """The patches of each image."""

    def batch_shape(self, place: Place) -> BatchShape:
        """Return what the patches of a batch have in common; the first is the shape of each."""


class ShapeBatches(Sampler[list[Place]]):
    """Batches of one shape, so that sources with pictures of several sizes can be stacked.

    A patch that would be left over alone joins the batch before it, because batch normalisation cannot be trained on
    a single one.

    Args:
        images: what is batched.
        batch_size: number of patches in a batch; one may have one more, the last one of a shape fewer.
        shuffle: shuffle patches and batches, anew for every epoch.
        seed: seed of the shuffling, together with the epoch.
        one_each: one patch of each image, another one drawn for every epoch; otherwise all patches of all images.
        largest_values: values that a batch may have together, if it has more than one patch.
    """

    def __init__(
        self,
        images: Patches,
        *,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        one_each: bool = False,
        largest_values: int = LARGEST_PATCH_VALUES,
    ) -> None:
        if batch_size < 1:
            raise SourceError(f"batch_size={batch_size}: a batch holds at least 1 image.")
        self._images, self._batch_size, self._largest_values = images, batch_size, largest_values
        self._shuffle, self._seed, self._one_each, self._epoch = shuffle, seed, one_each, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration follows."""
        self._epoch = epoch

    def __len__(self) -> int:
        return sum(len(self._starts(shape, len(group))) for shape, group in self._groups().items())

    def __iter__(self) -> Iterator[list[Place]]:
        random = np.random.default_rng((self._seed, self._epoch))
        batches: list[list[Place]] = []
        for shape, group in self._groups().items():
            ordered = [group[i] for i in random.permutation(len(group))] if self._shuffle else group
            starts = self._starts(shape, len(group))
            batches += [ordered[start:end] for start, end in zip(starts, [*starts[1:], len(group)], strict=True)]
        if self._shuffle:
            return iter([batches[i] for i in random.permutation(len(batches))])
        # Image by image, because a data set of patches keeps the image that it read last.
        return iter(sorted(batches))

    def _groups(self) -> dict[BatchShape, list[Place]]:
        groups: dict[BatchShape, list[Place]] = {}
        for place in self._places():
            groups.setdefault(self._images.batch_shape(place), []).append(place)
        return groups

    def _places(self) -> Iterator[Place]:
        draws = np.random.default_rng((self._seed, self._epoch, 1))
        for index, regions in enumerate(self._images.regions):
            if self._one_each:
                yield index, int(draws.integers(len(regions)))
            else:
                yield from ((index, number) for number in range(len(regions)))

    def _starts(self, shape: BatchShape, count: int) -> range:
        batch_size = min(self._batch_size, max(1, self._largest_values // math.prod(shape[0])))
        alone = batch_size > 1 and count > 1 and count % batch_size == 1
        return range(0, count - alone, batch_size)
