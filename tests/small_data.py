"""Tiny data sets that a small network can learn, for tests of whole workflows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CLASSES = ("left", "right")


def class_images(*, per_class: int, size_px: int = 28, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Grey images ``(n, size, size)`` whose left or right half is brighter, and their labels ``(n,)``."""
    generator = np.random.default_rng(seed)
    labels = np.tile(np.arange(2), per_class)
    images = generator.integers(60, 120, size=(2 * per_class, size_px, size_px))
    half = size_px // 2
    for image, label in zip(images, labels, strict=True):
        image[:, half * label : half * (label + 1)] += 60
    return images.astype(np.uint8), labels


def write_npz(path: Path, *, train_per_class: int = 8, test_per_class: int = 4) -> Path:
    """Write a single-label file in the style of MedMNIST: splits train, val and test, 28 px."""
    arrays: dict[str, NDArray[np.generic]] = {}
    counts = {"train": train_per_class, "val": test_per_class, "test": test_per_class}
    for seed, (split, per_class) in enumerate(counts.items()):
        images, labels = class_images(per_class=per_class, seed=seed)
        arrays[f"{split}_images"] = images
        arrays[f"{split}_labels"] = labels[:, None].astype(np.uint8)
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def write_class_folders(folder: Path, *, per_class: int = 8, seed: int = 0) -> Path:
    """Write ``folder/<class>/<number>.png``, 28 px."""
    images, labels = class_images(per_class=per_class, seed=seed)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        target = folder / CLASSES[label] / f"{number:03d}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(target)
    return folder
