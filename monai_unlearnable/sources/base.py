"""What every source of labelled images offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.data_block import level_range
from monai_unlearnable.sources.image_file import ImageHeader
from monai_unlearnable.sources.image_view import ImageView
from monai_unlearnable.sources.skipped import SkippedFile
from monai_unlearnable.types import StoredValues

__all__ = ["Progress", "Sample", "Source", "Task"]

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the number of images done and the number of all images."""


class Task(str, Enum):
    """What a label is."""

    SINGLE_LABEL = "single_label"
    MULTI_LABEL = "multi_label"
    SEGMENTATION = "segmentation"


@dataclass(frozen=True)
class Sample:
    """One labelled image as it lies in its file.

    Attributes:
        sample_id: stable name of the image inside its source, with ``/`` as separator.
        image: stored numbers, channel first ``(channel, *space)``: int8 to int32, uint8 to uint32, float32 or float64.
        label: a class index (int64 scalar array), a vector of 0/1 (int64, shape ``(classes,)``), or for segmentation
            the class of every voxel (int64, shape ``(*space)``).
    """

    sample_id: str
    image: StoredValues
    label: NDArray[np.int64]


class Source(ABC):
    """A read-only, ordered set of labelled images; pixels are read one image at a time.

    Attributes:
        path: the file or folder that the images are read from.
        task: single-label, multi-label or segmentation.
        class_names: a name for each class (single-label), label column (multi-label) or class of voxels
            (segmentation; the first is the background).
        sample_ids: one unique, stable id for each image, in order.
        labels: ``(n,)`` int64 class indices, or ``(n, classes)`` int64 of 0/1: of segmentation which classes the mask
            of each image shows.
        skipped: files that were to be protected and were left out, because they cannot be read or are not handled.
        ignored_files: relative paths of files beside the images that are no part of the source.
    """

    path: Path
    task: Task
    class_names: tuple[str, ...]
    sample_ids: tuple[str, ...]
    labels: NDArray[np.int64]
    skipped: tuple[SkippedFile, ...] = ()
    ignored_files: tuple[str, ...] = ()

    @abstractmethod
    def read(self, index: int) -> StoredValues:
        """Read the stored numbers of image ``index``, channel first ``(channel, *space)``, never scaled.

        Raises:
            SourceError: the file cannot be read, or is of a kind that is not handled.
        """

    @abstractmethod
    def shape(self, index: int) -> tuple[int, ...]:
        """Return ``(channel, *space)`` of image ``index`` without decoding its pixels."""

    @abstractmethod
    def dtype(self, index: int) -> np.dtype[Any]:
        """Return the stored type of image ``index``: int8 to int32, uint8 to uint32, float32 or float64."""

    def header(self, index: int) -> ImageHeader:
        """Return what the file says about image ``index``; where it says nothing, what its type says."""
        dtype = self.dtype(index)
        low, high = level_range(dtype)
        return ImageHeader(shape=self.shape(index), dtype=dtype, format="", low_level=low, high_level=high)

    def mask_path(self, index: int) -> Path | None:
        """Return the file of the mask of image ``index``; None where the source has no masks."""
        return None

    def mask_labels(self, index: int) -> NDArray[np.integer] | None:
        """Return the mask of image ``index`` as labels of its voxels, ``(*space)``; None where it has none.

        Raises:
            SourceError: the mask cannot be read.
        """
        return None

    def label(self, index: int) -> NDArray[np.int64]:
        """Return what a network learns of image ``index``: its row of :attr:`labels`, or for segmentation its mask.

        Returns:
            A scalar, ``(classes,)`` of 0/1, or ``(*space)`` class of every voxel, int64.

        Raises:
            SourceError: a mask cannot be read.
        """
        row: NDArray[np.int64] = self.labels[index]
        return row

    def check_image(self, index: int) -> None:
        """Decode image ``index`` and whatever belongs to it, and check that its header tells the truth.

        Raises:
            SourceError: it cannot be read, or has another shape or type than its header says.
        """
        image, sample_id = self.read(index), self.sample_ids[index]
        said, found = (self.shape(index), self.dtype(index)), (image.shape, image.dtype)
        if said != found:
            raise SourceError(f"{self.path}: {sample_id}: the header says {said}, the pixels are {found}.")

    def view(self, index: int) -> ImageView:
        """Return how image ``index`` is shown to people; by default as its stored integers, of square pixels.

        Raises:
            SourceError: the file cannot be read.
        """
        return ImageView()

    def untouchable(self, index: int, image: StoredValues | None = None) -> NDArray[np.bool_] | None:
        """Return which values of image ``index`` must stay as they are (padding), in its shape; None if none must.

        Args:
            index: which image.
            image: ask it of these stored numbers in the place of the file's own: what a reader would take for padding
                if the file held them.

        Raises:
            SourceError: the file cannot be read.
        """
        return None

    def __len__(self) -> int:
        return len(self.sample_ids)

    def __getitem__(self, index: int) -> Sample:
        return Sample(self.sample_ids[index], self.read(index), self.label(index))

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def check_readable(self, progress: Progress | None = None) -> None:
        """Decode every image once, so that a damaged file is found before hours are spent.

        Args:
            progress: called after each image with (done, all).

        Raises:
            SourceError: an image cannot be read, or has another shape or type than its header says.
        """
        for index in range(len(self)):
            self.check_image(index)
            if progress is not None:
                progress(index + 1, len(self))
