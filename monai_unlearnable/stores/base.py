"""What every store of deltas offers: whole levels by key."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from monai_unlearnable.errors import StoreError
from monai_unlearnable.types import Region, StoredLevels

__all__ = ["DeltaStore", "StoreHeader"]

_DTYPES = (torch.int8, torch.int16, torch.int32)
_LARGEST_RADIUS = 1 << 24
"""Deltas are computed in float32, which has every whole number up to here."""


@dataclass(frozen=True)
class StoreHeader:
    """What a store was made for; checked whenever it is opened for a use.

    Attributes:
        shapes: ``(channel, *space)`` of the delta of each key.
        radius_levels: largest |delta| in levels that a value of any image may have (decides int8, int16 or int32).
        budget: the budget's own description, JSON values only.
        method: name of the perturbation.
        seed: seed of the run that writes the store.
        data_sha256: fingerprint of the images the deltas are for ('' when the caller has none).
        level_size: what one level adds to a stored value of a floating-point image (1 for integers).

    Example:
        >>> header = StoreHeader({"a": (1, 4, 4)}, 8.0, {"norm": "linf"}, "synthetic", 0)
        >>> header.dtype
        torch.int8
    """

    shapes: Mapping[str, tuple[int, ...]]
    radius_levels: float
    budget: Mapping[str, Any]
    method: str
    seed: int
    data_sha256: str = ""
    level_size: float = 1.0
    version: int = field(default=1)

    def __post_init__(self) -> None:
        shapes = {str(key): tuple(int(n) for n in shape) for key, shape in self.shapes.items()}
        if not shapes:
            raise StoreError("a store needs at least one key; no sample was given.")
        for key, shape in shapes.items():
            if len(shape) < 2 or min(shape) < 1:
                raise StoreError(f"key {key!r}: shape {shape} is not (channel, *space) of positive sizes.")
        if not 1 <= self.radius_levels <= _LARGEST_RADIUS:
            raise StoreError(
                f"radius_levels={self.radius_levels}: a store keeps radii of 1 to {_LARGEST_RADIUS} levels."
            )
        object.__setattr__(self, "shapes", shapes)

    @property
    def dtype(self) -> torch.dtype:
        """int8 where the radius fits, else int16 or int32."""
        return next(one for one in _DTYPES if self.radius_levels <= torch.iinfo(one).max)

    def require(self, other: StoreHeader) -> None:
        """Check that this store was made for what ``other`` describes.

        Raises:
            StoreError: some field differs; the message names it with both values.
        """
        mine, wanted = asdict(self), asdict(other)
        for name in mine:
            if mine[name] == wanted[name]:
                continue
            if name == "shapes":
                raise StoreError(_explain_shapes(self.shapes, other.shapes))
            raise StoreError(
                f"the store was made for another {name}: it has {mine[name]!r}, this run needs {wanted[name]!r}. "
                "Use the settings it was made with, or start a new store."
            )

    def to_json(self) -> str:
        """Serialise to JSON; the order of the shapes is kept, because deltas lie in a file in that order."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> StoreHeader:
        """Parse what :meth:`to_json` wrote.

        Raises:
            StoreError: the text is not a store header.
        """
        try:
            return cls(**json.loads(text))
        except (TypeError, AttributeError, ValueError) as error:
            raise StoreError(f"not a store header: {error}") from error


def _explain_shapes(mine: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]]) -> str:
    missing = sorted(wanted.keys() - mine.keys())
    surplus = sorted(mine.keys() - wanted.keys())
    if missing or surplus:
        return (
            f"the store was made for other data: {len(missing)} keys are missing (first {missing[:1]}), "
            f"{len(surplus)} are not in the data (first {surplus[:1]}). Start a new store."
        )
    key = next(key for key in mine if mine[key] != wanted[key])
    return f"key {key!r}: the store holds shape {mine[key]}, the image has {wanted[key]}. Start a new store."


class DeltaStore(ABC):
    """Deltas in whole levels by key; write-then-read is the identity.

    Attributes:
        header: what the store was made for.
    """

    header: StoreHeader

    @abstractmethod
    def read_region(self, key: str, region: Region) -> StoredLevels:
        """Read part of one delta.

        Args:
            key: key of the delta.
            region: one slice for each axis, channel first.

        Returns:
            ``(channel, *space)`` of the region, int8, int16 or int32, in levels (a copy).

        Raises:
            KeyError: the store has no such key.
        """

    @abstractmethod
    def write_region(self, key: str, region: Region, levels: StoredLevels) -> None:
        """Write part of one delta without touching the rest.

        Raises:
            KeyError: the store has no such key.
            StoreError: the values are not whole levels within the radius, or of another shape.
        """

    @abstractmethod
    def flush(self) -> None:
        """Make everything written so far durable."""

    @abstractmethod
    def content_sha256(self) -> str:
        """Hash of header and deltas; changes whenever a stored delta changes."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key, in the order of the header."""
        return tuple(self.header.shapes)

    def __contains__(self, key: object) -> bool:
        return key in self.header.shapes

    def __len__(self) -> int:
        return len(self.header.shapes)

    def shape(self, key: str) -> tuple[int, ...]:
        """Return ``(channel, *space)`` of one delta; a KeyError names an unknown key."""
        try:
            return self.header.shapes[key]
        except KeyError:
            raise KeyError(
                f"the store has no delta for {key!r}; it holds {len(self)} keys such as {self.keys[0]!r}."
            ) from None

    def read(self, keys: Sequence[str], regions: Sequence[Region] | None = None) -> StoredLevels:
        """Read deltas of one common shape: ``(batch, channel, *space)``, int8 to int32, levels.

        Args:
            keys: keys of the deltas.
            regions: part of each to read; None for all of it.

        Raises:
            KeyError: the store has no such key.
            StoreError: no key is given, or what is read has several shapes.
        """
        wanted = self._regions(keys, regions)
        shapes = {region_shape(region, self.shape(key)): key for key, region in zip(keys, wanted, strict=True)}
        if len(shapes) != 1:
            raise StoreError(f"deltas are read together when they have one shape; these have {shapes}.")
        return torch.stack([self.read_region(key, region) for key, region in zip(keys, wanted, strict=True)])

    def write(self, keys: Sequence[str], levels: StoredLevels, regions: Sequence[Region] | None = None) -> None:
        """Write deltas ``(batch, channel, *space)``, one for each key; with ``regions`` that part of each."""
        if len(keys) != len(levels):
            raise StoreError(f"{len(keys)} keys but {len(levels)} deltas.")
        for key, region, one in zip(keys, self._regions(keys, regions), levels, strict=True):
            self.write_region(key, region, one)

    def _regions(self, keys: Sequence[str], regions: Sequence[Region] | None) -> Sequence[Region]:
        if regions is None:
            return [_whole(self.shape(key)) for key in keys]
        if len(regions) != len(keys):
            raise StoreError(f"{len(keys)} keys but {len(regions)} regions.")
        return regions

    def _checked(self, key: str, region: Region, levels: StoredLevels) -> StoredLevels:
        """Return ``levels`` in the store's dtype after checking shape, wholeness and radius."""
        if len(region) != len(self.shape(key)):
            raise StoreError(f"key {key!r}: a region of {len(region)} slices, the delta has shape {self.shape(key)}.")
        shape = region_shape(region, self.shape(key))
        if tuple(levels.shape) != shape:
            raise StoreError(f"key {key!r}: got a delta of shape {tuple(levels.shape)}, the region has {shape}.")
        if levels.is_floating_point() and not bool((levels == levels.round()).all()):
            raise StoreError(f"key {key!r}: the delta holds NaN or fractions; only whole levels are stored.")
        low, high = (one.item() for one in torch.aminmax(levels)) if levels.numel() else (0, 0)
        largest = max(high, -low)
        if not largest <= self.header.radius_levels:
            raise StoreError(
                f"key {key!r}: |delta| reaches {largest:g} levels, the store's radius is "
                f"{self.header.radius_levels:g}. Project the delta before writing it."
            )
        return levels.detach().to("cpu", self.header.dtype)


def region_shape(region: Region, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a part of an array."""
    return tuple(len(range(*one.indices(size))) for one, size in zip(region, shape, strict=True))


def _whole(shape: tuple[int, ...]) -> Region:
    return tuple(slice(0, size) for size in shape)


def digest(header: StoreHeader) -> Any:
    """Start a SHA-256 with the header's bytes."""
    return hashlib.sha256(header.to_json().encode())
