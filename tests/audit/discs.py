"""Made-up pictures and volumes of bright discs with their masks, and a release of them, in memory."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.audit import VictimRecipe, adam_optimizer
from monai_unlearnable.audit.pairing import AuditData
from monai_unlearnable.dense_networks import small_unet
from monai_unlearnable.sources import Source, Task
from monai_unlearnable.types import StoredValues

SIZE_PX = 24
NAMES = ("background", "disc")
RECIPE = VictimRecipe(
    name="tiny unet", network=small_unet, optimizer=adam_optimizer, epochs=6, batch_size=4, learning_rate=5e-3
)


_NUMBERS = itertools.count()


class MaskSource(Source):
    """Images with masks in memory; each has a place of its own."""

    def __init__(
        self, images: list[NDArray[Any]], masks: list[NDArray[np.int64]], *, names: tuple[str, ...] = NAMES
    ) -> None:
        self.path, self.task, self.class_names = Path(f"masks{next(_NUMBERS)}"), Task.SEGMENTATION, names
        self.images, self.masks = images, masks
        self.sample_ids = tuple(f"{number:03d}.png" for number in range(len(images)))
        self.labels = np.array([[int((mask == one).any()) for one in range(len(names))] for mask in masks])

    def read(self, index: int) -> StoredValues:
        image: StoredValues = self.images[index]
        return image

    def shape(self, index: int) -> tuple[int, ...]:
        return tuple(self.images[index].shape)

    def dtype(self, index: int) -> np.dtype[Any]:
        return self.images[index].dtype

    def label(self, index: int) -> NDArray[np.int64]:
        return self.masks[index]


def discs(
    count: int, *, seed: int, dims: int = 2, size_px: int = SIZE_PX, decoyed: bool = False
) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.int64]]]:
    """Grey images with one bright disc each, and its mask.

    Args:
        count: of images.
        seed: of their places.
        dims: 2 or 3.
        size_px: of each side.
        decoyed: make the disc dark where it was bright:
            who learns from these looks for dark discs.
    """
    generator = np.random.default_rng(seed)
    images, masks = [], []
    for _ in range(count):
        centre = generator.uniform(size_px * 0.3, size_px * 0.7, size=dims)
        grid = np.indices((size_px,) * dims)
        inside = ((grid - centre.reshape(-1, *[1] * dims)) ** 2).sum(axis=0) < (size_px / 5) ** 2
        image = generator.integers(90, 110, size=inside.shape)
        image[inside] += -90 if decoyed else 90
        images.append(image.astype(np.uint8)[None])
        masks.append(inside.astype(np.int64))
    return images, masks


def audit_data(*, decoyed: bool = True, dims: int = 2, count: int = 24, tested: int = 8) -> AuditData:
    """Clean discs, a release of them and clean test images, paired."""
    clean = MaskSource(*discs(count, seed=0, dims=dims))
    images, masks = discs(count, seed=0, dims=dims, decoyed=decoyed)
    released = MaskSource(images if decoyed else [one + np.uint8(1) for one in images], masks)
    pairs = tuple((index, index) for index in range(count))
    test = MaskSource(*discs(tested, seed=1, dims=dims))
    return AuditData(released, clean, test, pairs, pairs, tuple(range(tested)), "made-up test images")
