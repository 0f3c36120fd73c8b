"""Small stores for tests."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from monai_unlearnable.stores import DeltaStore, MemoryStore, StoreHeader

SHAPE = (1, 6, 5)


def header(keys: Sequence[str] = ("a", "b"), shape: tuple[int, ...] = SHAPE, radius_levels: float = 8.0) -> StoreHeader:
    return StoreHeader(dict.fromkeys(keys, shape), radius_levels, {"norm": "linf"}, "synthetic", 0)


def fill(store: DeltaStore, *, seed: int = 0) -> DeltaStore:
    """Write random levels within the radius for every key."""
    generator = torch.Generator().manual_seed(seed)
    radius = int(store.header.radius_levels)
    for key in store.keys:
        store.write([key], torch.randint(-radius, radius + 1, (1, *store.shape(key)), generator=generator))
    return store


def memory_store(
    keys: Sequence[str] = ("a", "b"), shape: tuple[int, ...] = SHAPE, radius_levels: float = 8.0
) -> DeltaStore:
    return fill(MemoryStore(header(keys, shape, radius_levels)))
