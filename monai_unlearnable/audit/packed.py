"""Class maps as short text, so that predicted masks can be kept beside the figures of a training."""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PackedMap"]


@dataclass(frozen=True)
class PackedMap:
    """One class map.

    Attributes:
        shape: of the map.
        zlib_base64: its bytes, a class each, rows first; compressed, then as text.

    Example:
        >>> PackedMap.of(np.array([[0, 3]], dtype=np.uint8)).unpacked()
        array([[0, 3]], dtype=uint8)
    """

    shape: tuple[int, ...]
    zlib_base64: str

    @classmethod
    def of(cls, classes: NDArray[np.uint8]) -> PackedMap:
        """Pack uint8 ``(*space)``."""
        packed = zlib.compress(np.ascontiguousarray(classes).tobytes(), level=9)
        return cls(tuple(classes.shape), base64.b64encode(packed).decode("ascii"))

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> PackedMap:
        """Build it from ``dataclasses.asdict`` after a way through JSON, and check that it can be unpacked.

        Raises:
            TypeError: a value is missing or of another type.
            ValueError: it is damaged.
        """
        found = cls(tuple(content["shape"]), content["zlib_base64"])
        found.unpacked()
        return found

    def unpacked(self) -> NDArray[np.uint8]:
        """Return uint8 ``(*space)``.

        Raises:
            TypeError: a value is of another type.
            ValueError: it is damaged.
        """
        size = math.prod(self.shape)
        try:
            # One byte more than there may be shows a map that is too long, and no more memory is spent on it.
            content = zlib.decompressobj().decompress(base64.b64decode(self.zlib_base64, validate=True), size + 1)
        except (zlib.error, binascii.Error) as error:
            raise ValueError(f"a packed class map of shape {self.shape} is damaged: {error}") from error
        if len(content) != size:
            raise ValueError(f"a packed class map of shape {self.shape} holds {len(content)} bytes, not {size}.")
        return np.frombuffer(content, dtype=np.uint8).reshape(self.shape)
