"""Read an .npz file without trust: no pickle, and no array larger than its own bytes."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.errors import SourceError

__all__ = ["ArrayHeader", "read_array", "read_headers", "require_whole"]

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class ArrayHeader:
    """Shape and type of one array in the file."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def read_headers(path: Path) -> dict[str, ArrayHeader]:
    """Read the header of every array, in the order of the file.

    Raises:
        SourceError: not an .npz file, an entry that is not a plain array, or a header that does not fit its bytes.
    """
    with _errors_name(path), zipfile.ZipFile(path) as archive:
        headers: dict[str, ArrayHeader] = {}
        for entry in archive.infolist():
            name = entry.filename.removesuffix(".npy")
            if name == entry.filename or name in headers:
                raise SourceError(f"{path}: entry {entry.filename!r} is not an array, or is there twice.")
            with archive.open(entry) as stream:
                headers[name] = _read_header(stream, entry.file_size, where=f"{path}: array {name!r}")
    if not headers:
        raise SourceError(f"{path}: holds no array.")
    return headers


def read_array(path: Path, name: str) -> NDArray[Any]:
    """Read one array whole.

    Raises:
        SourceError: the array is not there or cannot be read.
    """
    with _errors_name(path), np.load(path, allow_pickle=False) as arrays:
        if name not in arrays.files:
            raise SourceError(f"{path}: array {name!r} is missing; there are {', '.join(arrays.files)}.")
        array: NDArray[Any] = arrays[name]
        return array


def require_whole(path: Path) -> None:
    """Read every byte of every array once, those that nobody looks at too.

    Raises:
        SourceError: one is damaged.
    """
    with _errors_name(path), zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            with archive.open(entry) as stream:
                while stream.read(_PIECE_BYTES):
                    pass


def _read_header(stream: IO[bytes], file_size: int, *, where: str) -> ArrayHeader:
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise SourceError(f"{where}: is in .npy version {version}, only plain numbers are handled.")
    parse = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = parse(stream)
    if dtype.hasobject:
        raise SourceError(f"{where}: holds pickled objects, which are never loaded. Save it as plain numbers.")
    size = math.prod(int(one) for one in shape) * dtype.itemsize
    if size != file_size - stream.tell():
        raise SourceError(
            f"{where}: its header says {dtype} {shape} ({size} bytes), the file holds {file_size - stream.tell()}."
        )
    return ArrayHeader(tuple(int(one) for one in shape), dtype)


@contextmanager
def _errors_name(path: Path) -> Iterator[None]:
    try:
        yield
    except SourceError:
        raise
    except FileNotFoundError as error:
        raise SourceError(f"{path}: there is no such file.") from error
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError) as error:
        raise SourceError(f"{path}: is not a whole .npz file ({error}). Fetch it again.") from error
    except Exception as error:  # a hostile header makes NumPy and zipfile raise anything, tokenize.TokenError too
        raise SourceError(f"{path}: holds an array that cannot be read ({error}).") from error
