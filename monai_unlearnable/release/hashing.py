"""SHA-256 of files and of pixels, at once or beside other work."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from monai_unlearnable.types import StoredValues

__all__ = ["HashThread", "bytes_sha256", "file_sha256", "pixels_sha256"]

Hashed = TypeVar("Hashed")

_WORTH_BYTES = 1 << 17
"""Handing less than this to another thread takes about as long as hashing it."""


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


class HashThread:
    """Hashes one thing after the other in a thread of its own; what is hashed must not change meanwhile.

    Hashing leaves the interpreter to other threads, so it goes on while its caller computes or waits for the disk. The
    thread ends with the object.

    Example:
        >>> HashThread().later(bytes_sha256, b"", size_bytes=0).result()[:8]
        'e3b0c442'
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sha256")

    def later(self, function: Callable[[Hashed], str], what: Hashed, *, size_bytes: int) -> Future[str]:
        """Begin to hash; the result raises what hashing raises.

        Args:
            function: one of this file's.
            what: its argument.
            size_bytes: how much that is.
        """
        if size_bytes >= _WORTH_BYTES:
            return self._thread.submit(function, what)
        done = Future[str]()
        done.set_result(function(what))
        return done
