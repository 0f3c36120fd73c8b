"""SHA-256 of files and of pixels."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from monai_unlearnable.types import StoredValues

__all__ = ["bytes_sha256", "file_sha256", "pixels_sha256"]


def bytes_sha256(data: bytes) -> str:
    """Hash of some bytes, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def pixels_sha256(image: StoredValues) -> str:
    """Hash of an image's type, shape and stored numbers, whatever file they lie in.

    Example:
        >>> image = np.zeros((1, 2, 2), dtype=np.uint8)
        >>> pixels_sha256(image) == pixels_sha256(image.astype(np.uint16))
        False
    """
    content = hashlib.sha256(f"{image.dtype.name} {tuple(image.shape)} ".encode())
    # No copy where the numbers lie as they are hashed, which is nearly always.
    content.update(np.ascontiguousarray(image, dtype=image.dtype.newbyteorder("<")).data)
    return content.hexdigest()
