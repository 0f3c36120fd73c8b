"""What class folders and CSV files share: labelled picture files under one folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.sources.base import Source, Task
from monai_unlearnable.sources.labels import check_names, check_unique
from monai_unlearnable.sources.pictures import PictureHeader, read_header, read_picture
from monai_unlearnable.types import StoredArray

__all__ = ["PictureSource"]


class PictureSource(Source):
    """Labelled picture files under one folder; a sample id is a file's path relative to it.

    Args:
        folder: the folder that sample ids are relative to.
        task: single-label or multi-label.
        class_names: a name for each class or label column.
        sample_ids: relative paths with ``/``.
        labels: ``(n,)`` class indices or ``(n, classes)`` of 0/1, int64.

    Raises:
        SourceError: no picture, duplicate ids or names that cannot be printed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        task: Task,
        class_names: tuple[str, ...],
        sample_ids: tuple[str, ...],
        labels: NDArray[np.int64],
    ) -> None:
        check_unique(sample_ids, path=folder)
        check_names((*class_names, *sample_ids), path=folder)
        self.path = folder
        self.task = task
        self.class_names = class_names
        self.sample_ids = sample_ids
        self.labels = labels
        self._headers: dict[int, PictureHeader] = {}

    def file(self, index: int) -> Path:
        """Return the file of image ``index``."""
        return self.path / self.sample_ids[index]

    def header(self, index: int) -> PictureHeader:
        """Return size, type and format of image ``index``; read once, then remembered."""
        if index not in self._headers:
            self._headers[index] = read_header(self.file(index))
        return self._headers[index]

    def read(self, index: int) -> StoredArray:
        """Read the stored integers of image ``index``, ``(channel, height, width)``."""
        return read_picture(self.file(index))

    def shape(self, index: int) -> tuple[int, ...]:
        """Return ``(channel, height, width)`` of image ``index`` from its header."""
        return self.header(index).shape

    def dtype(self, index: int) -> np.dtype[np.integer]:
        """Return uint8 or uint16 from the header of image ``index``."""
        return self.header(index).dtype
