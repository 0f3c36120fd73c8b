"""Deltas in memory."""

from __future__ import annotations

import torch

from monai_unlearnable.stores.base import DeltaStore, StoreHeader, digest
from monai_unlearnable.types import Region, StoredLevels

__all__ = ["MemoryStore"]


class MemoryStore(DeltaStore):
    """A store that lives as long as the process; every delta starts at zero.

    Args:
        header: what the store is made for.

    Example:
        >>> store = MemoryStore(StoreHeader({"a": (1, 2, 2)}, 8.0, {}, "synthetic", 0))
        >>> store.write(["a"], torch.full((1, 1, 2, 2), -3))
        >>> store.read(["a"]).flatten().tolist()
        [-3, -3, -3, -3]
    """

    def __init__(self, header: StoreHeader) -> None:
        self.header = header
        self._deltas = {key: torch.zeros(shape, dtype=header.dtype) for key, shape in header.shapes.items()}

    def read_region(self, key: str, region: Region) -> StoredLevels:
        """Read part of one delta; see :meth:`DeltaStore.read_region`."""
        self.shape(key)
        return self._deltas[key][region].clone()

    def write_region(self, key: str, region: Region, levels: StoredLevels) -> None:
        """Write part of one delta; see :meth:`DeltaStore.write_region`."""
        self._deltas[key][region] = self._checked(key, region, levels)

    def flush(self) -> None:
        """Do nothing: memory is never durable."""

    def content_sha256(self) -> str:
        """Hash of header and deltas."""
        content = digest(self.header)
        for key in self.keys:
            content.update(self._deltas[key].numpy().tobytes())
        return str(content.hexdigest())
