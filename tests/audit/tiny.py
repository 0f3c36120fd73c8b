"""Tiny sets that a linear victim learns in a second, and releases of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from monai_unlearnable.audit import VictimRecipe, adam_optimizer

SIZE_PX = 12


class TinyNetwork(nn.Module):
    """Mean over a 4x4 grid, then one linear layer."""

    def __init__(self, *, spatial_dims: int, in_channels: int, num_classes: int) -> None:
        super().__init__()
        pool = nn.AdaptiveAvgPool2d(4) if spatial_dims == 2 else nn.AdaptiveAvgPool3d(4)
        self.layers = nn.Sequential(pool, nn.Flatten(), nn.Linear(in_channels * 4**spatial_dims, num_classes))

    def forward(self, images: Any) -> Any:
        return self.layers(images)


RECIPE = VictimRecipe(
    name="tiny", network=TinyNetwork, optimizer=adam_optimizer, epochs=6, batch_size=8, learning_rate=0.1
)


def halves(count: int, *, seed: int, swapped: bool = False) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Grey images whose left (class 0) or right half (class 1) is brighter; two thirds are of class 1."""
    generator = np.random.default_rng(seed)
    labels = (np.arange(count) % 3 > 0).astype(np.int64)
    images = generator.integers(80, 120, size=(count, SIZE_PX, SIZE_PX))
    half = SIZE_PX // 2
    for image, label in zip(images, labels, strict=True):
        side = 1 - label if swapped else label
        image[:, half * side : half * (side + 1)] += 60
    return images.astype(np.uint8), labels


def write_source(path: Path, *, seed: int = 0) -> Path:
    """Write a single-label ``.npz`` with 60 training and 30 test images."""
    arrays: dict[str, Any] = {}
    for offset, (split, count) in enumerate((("train", 60), ("val", 6), ("test", 30))):
        images, labels = halves(count, seed=seed + 10 * offset)
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = images, labels[:, None].astype(np.uint8)
    np.savez(path, **arrays)
    return path


def write_release(folder: Path, source: Path, *, swapped: bool = True, **changes: Any) -> Path:
    """Write a release whose deltas show each class the other way round (or, not swapped, change one level)."""
    folder.mkdir(exist_ok=True)
    with np.load(source, allow_pickle=False) as archive:
        arrays: dict[str, Any] = dict(archive)
    images, labels = arrays["train_images"].astype(np.int64), arrays["train_labels"][:, 0]
    half = SIZE_PX // 2
    for image, label in zip(images, labels, strict=True):
        if swapped:
            image[:, half * label : half * (label + 1)] -= 60
            image[:, half * (1 - label) : half * (2 - label)] += 60
        else:
            image += 1
    arrays["train_images"] = images.astype(np.uint8)
    np.savez(folder / source.name, **{**arrays, **changes})
    return folder


def write_folders(folder: Path, *, names: tuple[str, str] = ("a", "b"), suffix: str = ".png", **options: Any) -> Path:
    """Write 60 images as ``folder/<class>/<number><suffix>``."""
    images, labels = halves(60, seed=0, **options)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        target = folder / names[label] / f"{number:03d}{suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(target)
    return folder


def write_manifest(release: Path, **changes: Any) -> None:
    """Write the part of a manifest that the audit reads."""
    names = [path.relative_to(release).as_posix() for path in sorted(release.rglob("*.*")) if path.suffix != ".json"]
    files = [{"name": name, "source_format": "png", "budgets": [0]} for name in names]
    budgets = [{"norm": "linf", "radius_levels": 60}]
    content = {"method": "synthetic", "radius_given": "60", "budgets": budgets, "files": files, **changes}
    (release / "manifest.json").write_text(json.dumps(content))
