"""Made-up pictures of bars and releases of them whose deltas one countermeasure takes off, by construction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import nn

from monai_unlearnable.audit import VictimRecipe, adam_optimizer, train_victim
from monai_unlearnable.audit.seen import load_seen
from monai_unlearnable.sources import open_source

SIZE_PX = 16
Pattern: TypeAlias = Callable[[int], NDArray[np.float64]]
"""The delta of a class, ``(height, width, channel)`` levels."""


class BarNetwork(nn.Module):
    """Two convolutions, a coarse grid of means and a linear layer: enough for bars, and as fast as patterns are."""

    def __init__(self, *, spatial_dims: int, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, 12, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(12, 16, 5, padding=2),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(16 * 16, num_classes),
        )

    def forward(self, images: Any) -> Any:
        return self.layers(images)


RECIPE = VictimRecipe(
    name="bars", network=BarNetwork, optimizer=adam_optimizer, epochs=12, batch_size=16, learning_rate=4e-3
)


def bars(count: int, *, seed: int, channels: int, contrast: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Lying (class 0) and standing bars (class 1) somewhere in clutter, ``(count, height, width, channel)`` levels."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    images = 110 + random.normal(0, 12, (count, SIZE_PX, SIZE_PX, channels))
    for image, label in zip(images, labels, strict=True):
        at = int(random.integers(1, SIZE_PX - 5))
        place = (slice(at, at + 4), slice(2, 14)) if label == 0 else (slice(2, 14), slice(at, at + 4))
        image[place] += contrast
    return images, labels


def score(
    folder: Path,
    recipe: VictimRecipe,
    pattern: Pattern | None,
    *,
    channels: int = 1,
    contrast: float = 20,
    seed: int = 0,
) -> float:
    """Write bars with the pattern of their class as a file, train a victim on it, and score it on clean bars."""
    images, labels = bars(160, seed=0, channels=channels, contrast=contrast)
    test_images, test_labels = bars(100, seed=1, channels=channels, contrast=contrast)
    if pattern is not None:
        images = images + np.stack([pattern(int(one)) for one in labels])
    arrays = {
        "train_images": images,
        "train_labels": labels,
        "test_images": test_images,
        "test_labels": test_labels,
    }
    as_bytes: dict[str, Any] = {key: np.clip(np.rint(one), 0, 255).astype(np.uint8) for key, one in arrays.items()}
    sets = []
    for name in ("train", "test"):
        file = folder / f"{name}.npz"
        pictures = as_bytes[f"{name}_images"]
        np.savez(
            file,
            train_images=pictures if channels == 3 else pictures[..., 0],
            train_labels=as_bytes[f"{name}_labels"][:, None],
        )
        source = open_source(file)
        sets.append(load_seen(source, recipe=recipe, indices=range(len(source)), class_names=source.class_names))
    return train_victim(recipe, *sets, seed=seed).score
