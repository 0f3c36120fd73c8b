"""Build small sources, stores and whole releases for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from monai_unlearnable.release import (
    Manifest,
    ManifestFields,
    ReleaseBudget,
    ReleaseBudgets,
    hold_ledger,
    write_release,
)
from monai_unlearnable.sources import Progress, Source, open_source
from monai_unlearnable.stores import MemoryStore, StoreHeader
from tests.sources.files import rgb16_png, save

SEED = 123456789
LINF = ReleaseBudget(norm="linf", radius_levels=8.0, low_level=0, high_level=65535)


def random_store(source: Source, *, radius_levels: int = 8, seed: int = 0) -> MemoryStore:
    generator = torch.Generator().manual_seed(seed)
    shapes = {name: source.shape(index) for index, name in enumerate(source.sample_ids)}
    store = MemoryStore(StoreHeader(shapes, radius_levels, {"norm": "linf"}, "synthetic", SEED))
    for name, shape in shapes.items():
        store.write([name], torch.randint(-radius_levels, radius_levels + 1, (1, *shape), generator=generator))
    return store


def class_folders(root: Path) -> Path:
    """Write pictures of every kind: grey and RGB, 8 and 16 bit, PNG, JPEG and BMP."""
    generator = np.random.default_rng(0)
    save(root / "a" / "grey8.png", generator.integers(0, 256, (6, 5)).astype(np.uint8))
    save(root / "a" / "grey16.png", generator.integers(0, 65536, (6, 5)).astype(np.uint16))
    save(root / "a" / "lossy.jpeg", generator.integers(0, 256, (8, 9, 3)).astype(np.uint8))
    save(root / "b" / "rgb8.PNG", generator.integers(0, 256, (4, 5, 3)).astype(np.uint8))
    save(root / "b" / "dark.bmp", np.zeros((3, 4), dtype=np.uint8))
    (root / "b" / "rgb16.png").write_bytes(rgb16_png(generator.integers(0, 65536, (4, 3, 3)).astype(np.uint16)))
    return root


@dataclass(frozen=True)
class Built:
    """A source and where its release goes."""

    root: Path
    source_path: Path
    labels: Path | None = None
    configuration: Mapping[str, Any] = field(default_factory=lambda: {"seed": SEED, "radius": "8 levels"})
    allow_empty_masks: bool = False

    @property
    def release(self) -> Path:
        return self.root / "release"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger"

    def source(self) -> Source:
        return open_source(self.source_path, self.labels, allow_empty_masks=self.allow_empty_masks)

    def write(
        self,
        *,
        store: MemoryStore | None = None,
        keys: Sequence[str] | None = None,
        budget: ReleaseBudget | ReleaseBudgets = LINF,
        progress: Progress | None = None,
    ) -> Manifest:
        source = self.source()
        if isinstance(budget, ReleaseBudget):
            budget = ReleaseBudgets(distinct=(budget,), radius_given="8 levels")
        with hold_ledger(
            self.ledger, source=self.source_path, release=self.release, configuration=self.configuration
        ) as ledger:
            return write_release(
                source,
                store or random_store(source),
                keys or source.sample_ids,
                release=self.release,
                ledger=ledger,
                manifest_fields=ManifestFields(
                    method="synthetic", budgets=budget, configuration={"block_size_px": 4, "sample_wise": True}
                ),
                progress=progress,
            )


def built_folders(root: Path) -> Built:
    return Built(root, class_folders(root / "source"))


def built_npz(root: Path, images: NDArray[np.generic] | None = None) -> Built:
    (root / "source").mkdir()
    if images is None:
        images = np.random.default_rng(0).integers(0, 256, (5, 6, 7)).astype(np.uint8)
    labels = (np.arange(len(images)) % 2)[:, None].astype(np.uint8)
    arrays: dict[str, Any] = {"train_images": images, "train_labels": labels}
    arrays |= {"val_images": images[:2], "val_labels": labels[:2], "note": np.array([1.5, np.nan])}
    np.savez_compressed(root / "source" / "set.npz", **arrays)
    return Built(root, root / "source" / "set.npz")
