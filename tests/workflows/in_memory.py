"""Sources of arrays, for tests that need no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.sources import Source, Task
from monai_unlearnable.sources.data_block import level_range
from monai_unlearnable.sources.image_file import ImageHeader
from monai_unlearnable.types import StoredValues


@dataclass(frozen=True)
class Stored:
    """One image, and what its header says."""

    values: NDArray[Any]
    level_size: float = 1.0
    unit: str = ""
    hidden: NDArray[np.bool_] | None = None


class ArraySource(Source):
    """Images in memory; labels alternate."""

    def __init__(self, images: Sequence[Stored]) -> None:
        self.path = Path("arrays")
        self.task = Task.SINGLE_LABEL
        self.class_names = ("a", "b")
        self.images = images
        self.sample_ids = tuple(f"{number}.nii" for number in range(len(images)))
        self.labels = np.arange(len(images), dtype=np.int64) % 2

    def read(self, index: int) -> StoredValues:
        values: StoredValues = self.images[index].values
        return values

    def shape(self, index: int) -> tuple[int, ...]:
        return tuple(self.images[index].values.shape)

    def dtype(self, index: int) -> np.dtype[Any]:
        return self.images[index].values.dtype

    def header(self, index: int) -> ImageHeader:
        one, (low, high) = self.images[index], level_range(self.dtype(index))
        return ImageHeader(
            shape=self.shape(index),
            dtype=self.dtype(index),
            format="nifti",
            low_level=low,
            high_level=high,
            level_size=one.level_size,
            unit=one.unit,
        )

    def untouchable(self, index: int, image: StoredValues | None = None) -> NDArray[np.bool_] | None:
        return self.images[index].hidden
