"""WHERE are deltas kept? Whole levels by key, in memory or in a mapped file."""

from monai_unlearnable.stores.base import DeltaStore, StoreHeader
from monai_unlearnable.stores.keys import ClassKey, SampleKey
from monai_unlearnable.stores.mapped import MappedStore
from monai_unlearnable.stores.memory import MemoryStore

__all__ = ["ClassKey", "DeltaStore", "MappedStore", "MemoryStore", "SampleKey", "StoreHeader"]
