"""Deltas in one flat file, mapped into memory piece by piece."""

from __future__ import annotations

import math
import mmap
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from monai_unlearnable.errors import StoreError
from monai_unlearnable.stores.base import DeltaStore, StoreHeader, digest
from monai_unlearnable.types import Region, StoredLevels

__all__ = ["MappedStore"]

_HEADER_NAME = "header.json"
_DELTAS_NAME = "deltas.bin"
_CHUNK_BYTES = 1 << 20


class MappedStore(DeltaStore):
    """A store on disk, of any size, whose memory does not grow with the number of images.

    ``header.json`` says what the store is for; ``deltas.bin`` holds the deltas one after the other in the
    header's order, little-endian, C order. Only the delta at hand is mapped, so resident memory stays flat.
    Use :meth:`create` or :meth:`open`.

    Example:
        >>> import tempfile
        >>> header = StoreHeader({"a": (1, 2, 2)}, 8.0, {}, "synthetic", 0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = MappedStore.create(Path(folder) / "store", header)
        ...     store.write(["a"], torch.full((1, 1, 2, 2), 5))
        ...     int(MappedStore.open(Path(folder) / "store", header).read(["a"]).sum())
        20
    """

    def __init__(self, directory: Path, header: StoreHeader) -> None:
        self.header = header
        self.directory = Path(directory)
        self._numpy_dtype = np.dtype(f"<i{header.dtype.itemsize}")
        self._offsets: dict[str, int] = {}
        end = 0
        for key, shape in header.shapes.items():
            self._offsets[key] = end
            end += math.prod(shape) * self._numpy_dtype.itemsize
        self._size_bytes = end
        self._content: tuple[tuple[int, int], str] | None = None
        self._data_name = str(self.data_path)

    @property
    def data_path(self) -> Path:
        """The file that holds the deltas."""
        return self.directory / _DELTAS_NAME

    @classmethod
    def create(cls, directory: str | Path, header: StoreHeader) -> MappedStore:
        """Make a new store of zeros; the folder appears with both files or not at all.

        What a killed :meth:`create` left beside it is cleared away, so only one process at a time may make a store.

        Raises:
            StoreError: the folder exists already (a store is never overwritten).
        """
        directory = Path(directory)
        if directory.exists():
            raise StoreError(f"{directory}: exists already; open it, or give another folder.")
        directory.parent.mkdir(parents=True, exist_ok=True)
        unfinished = directory.with_name(f".{directory.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        store = cls(unfinished, header)
        with store.data_path.open("wb") as file:
            # A sparse file would end the process with SIGBUS when the disk fills later.
            os.posix_fallocate(file.fileno(), 0, store._size_bytes)
            os.fsync(file.fileno())
        with (unfinished / _HEADER_NAME).open("w", encoding="utf-8") as text:
            text.write(header.to_json())
            text.flush()
            os.fsync(text.fileno())
        unfinished.rename(directory)
        return cls(directory, header)

    @classmethod
    def open(cls, directory: str | Path, expected: StoreHeader | None = None) -> MappedStore:
        """Open a store and check that it is whole and made for what ``expected`` describes.

        Raises:
            StoreError: no store is there, it is damaged, or it was made for something else.
        """
        directory = Path(directory)
        try:
            header = StoreHeader.from_json((directory / _HEADER_NAME).read_text(encoding="utf-8"))
            if expected is not None:
                header.require(expected)
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"{directory}: holds no readable store ({error}).") from error
        except StoreError as error:
            raise StoreError(f"{directory}: {error}") from error
        store = cls(directory, header)
        size = store.data_path.stat().st_size if store.data_path.is_file() else -1
        if size != store._size_bytes:
            raise StoreError(
                f"{store.data_path}: has {size} bytes, its header needs {store._size_bytes}. The store is damaged."
            )
        return store

    def read_region(self, key: str, region: Region) -> StoredLevels:
        """Read part of one delta; see :meth:`DeltaStore.read_region`."""
        stored = self._map(key, writable=False)[region]
        return torch.from_numpy(np.array(stored, dtype=self._numpy_dtype.newbyteorder("=")))

    def write_region(self, key: str, region: Region, levels: StoredLevels) -> None:
        """Write part of one delta; see :meth:`DeltaStore.write_region`."""
        self._map(key, writable=True)[region] = self._checked(key, region, levels).numpy()
        self._content = None

    def flush(self) -> None:
        """Make everything written so far durable."""
        with self.data_path.open("rb+") as file:
            os.fsync(file.fileno())

    def content_sha256(self) -> str:
        """Hash of header and deltas; computed again only when the file has changed."""
        status = self.data_path.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        if self._content is None or self._content[0] != stamp:
            content = digest(self.header)
            with self.data_path.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    content.update(chunk)
            self._content = (stamp, content.hexdigest())
        return self._content[1]

    def __reduce__(self) -> tuple[Any, ...]:
        # The content's hash travels along so that a cache keyed by the pickled transform
        # (MONAI's pickle_hashing) notices a delta that changed.
        return _reopen, (self.directory, self.header, self.content_sha256())

    def _map(self, key: str, *, writable: bool) -> NDArray[np.integer]:
        shape = self.shape(key)
        # np.memmap resolves the path anew each time, which costs more than small deltas do.
        before = self._offsets[key] % mmap.ALLOCATIONGRANULARITY
        size = before + math.prod(shape) * self._numpy_dtype.itemsize
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        with open(self._data_name, "rb+" if writable else "rb") as file:  # noqa: PTH123 - Path.open costs as much again
            mapped = mmap.mmap(file.fileno(), size, access=access, offset=self._offsets[key] - before)
        return np.ndarray(shape, self._numpy_dtype, buffer=mapped, offset=before)


def _reopen(directory: Path, header: StoreHeader, content_sha256: str) -> MappedStore:
    return MappedStore.open(directory, header)
