"""The block of plain numbers that volume formats keep beside their header, as channel-first arrays and back."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.sources.file_errors import Refused
from monai_unlearnable.sources.float_levels import whole_number_limit
from monai_unlearnable.sources.image_file import StoredValues

__all__ = ["DEFLATE_RATIO", "LARGEST_TAIL_BYTES", "DataBlock", "check_fits", "inflate", "level_range"]

DEFLATE_RATIO = 1032
"""No byte of a deflate stream stands for more bytes than this."""

LARGEST_TAIL_BYTES = 1 << 24
"""More bytes than this after the numbers are taken for a wrong header or a decompression bomb."""

_BUFFER_VALUES, _SPARE_BYTES = 1 << 16, 16


@dataclass(frozen=True, kw_only=True)
class DataBlock:
    """How the numbers of one image lie in a run of bytes.

    The image is ``(channel, *space)`` with space in the order ``x, y, z``, as nibabel and MONAI's readers give it. All
    axes of the file that are not space are joined to the channel, the slowest of the file first.

    Attributes:
        dtype: type of a number, with its byte order.
        file_shape: size of each axis in the file, slowest first.
        channel_axes: which of these axes are channels; the two or three others are space.

    Example:
        >>> block = DataBlock(dtype=np.dtype(">u2"), file_shape=(2, 3, 4), channel_axes=(0,))
        >>> block.shape, block.size_bytes
        ((2, 4, 3), 48)
        >>> image = block.decode(bytes(range(48)))
        >>> block.encode(image) == bytes(range(48))
        True
    """

    dtype: np.dtype[Any]
    file_shape: tuple[int, ...]
    channel_axes: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the image, ``(channel, *space)``."""
        sizes = [self.file_shape[axis] for axis in self._order]
        channels = len(self.channel_axes)
        return (math.prod(sizes[:channels]), *sizes[channels:])

    @property
    def size_bytes(self) -> int:
        """How many bytes the numbers take."""
        return math.prod(self.file_shape) * self.dtype.itemsize

    def decode(self, body: bytes) -> StoredValues:
        """Return the numbers as ``(channel, *space)`` in native byte order."""
        array: NDArray[Any] = np.frombuffer(body, self.dtype).reshape(self.file_shape).transpose(self._order)
        return _copied(array.reshape(self.shape), self.dtype.newbyteorder("="))

    def encode(self, image: StoredValues) -> memoryview:
        """Return the bytes of an image ``(channel, *space)``; the inverse of :meth:`decode`."""
        array = image.reshape([self.file_shape[axis] for axis in self._order]).transpose(np.argsort(self._order))
        return _copied(array, self.dtype).reshape(-1).view(np.uint8).data

    @property
    def _order(self) -> list[int]:
        space = [axis for axis in range(len(self.file_shape)) if axis not in self.channel_axes]
        return [*self.channel_axes, *reversed(space)]


def _copied(array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a copy in C order."""
    copy = np.empty(array.shape, dtype=dtype)
    if array.ndim < 3 or array.flags.c_contiguous:
        copy[...] = array
        return copy
    for index in np.ndindex(array.shape[:-3]):
        _turn(array[index], copy[index])
    return copy


def _turn(volume: NDArray[Any], copy: NDArray[Any]) -> None:
    """Copy a volume whose axes are turned, a few planes at a time, through a buffer that the processor's cache holds.

    Neighbours in the copy often lie a power of two apart in the volume, and all of those share one place in the cache;
    in the buffer they do not, because its rows are a little longer.
    """
    first, middle, last = volume.shape
    step = max(1, _BUFFER_VALUES // (first * last))
    buffer = np.empty((last, step, first + max(1, _SPARE_BYTES // copy.itemsize)), dtype=copy.dtype)
    for start in range(0, middle, step):
        rows = slice(start, min(middle, start + step))
        planes = buffer[:, : rows.stop - start, :first]
        planes[...] = volume[:, rows].transpose(2, 1, 0)
        copy[:, rows] = planes.transpose(2, 1, 0)


def level_range(dtype: np.dtype[Any]) -> tuple[int, int]:
    """Return the smallest and largest level of a stored type; of floats, where every whole number is one.

    Example:
        >>> level_range(np.dtype(np.int8)), level_range(np.dtype(np.float32))
        ((-128, 127), (-16777215, 16777215))
    """
    if np.issubdtype(dtype, np.floating):
        limit = whole_number_limit(dtype) - 1
        return -limit, limit
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)


def check_fits(block: DataBlock, available_bytes: int, *, packed: bool) -> None:
    """Refuse a header that claims more numbers than its file can hold, before memory is taken for them.

    Args:
        block: what the header says.
        available_bytes: how many bytes the file has for the numbers.
        packed: whether they are a deflate stream.

    Raises:
        Refused: a size is not above zero, or the numbers do not fit.
    """
    if min(block.file_shape) < 1:
        raise Refused(f"its header says a size of {block.file_shape}; every size must be above zero.")
    most = available_bytes * DEFLATE_RATIO if packed else available_bytes
    if block.size_bytes > most:
        raise Refused(
            f"its header says {block.dtype.name} {block.shape} ({block.size_bytes} bytes), the file holds at most "
            f"{max(most, 0)}. It is cut short or damaged; fetch it again."
        )


def inflate(packed: bytes, *, size_bytes: int, gzip: bool) -> tuple[bytes, bytes]:
    """Unpack a zlib or gzip stream of known size.

    Args:
        packed: the stream, and maybe something after it.
        size_bytes: how many bytes must come out.
        gzip: whether it is a gzip member, not a zlib stream.

    Returns:
        What came out, and what lies after the stream.

    Raises:
        Refused: the stream holds more or less than that, is cut short, or its checksum is wrong.
    """
    decoder = zlib.decompressobj(31 if gzip else 15)
    try:
        body = decoder.decompress(packed, size_bytes + 1)
    except zlib.error as error:
        raise Refused(f"its compressed pixels are damaged ({error}); fetch it again.") from error
    if len(body) != size_bytes or not decoder.eof:
        said = "more" if len(body) > size_bytes else "less"
        raise Refused(f"its compressed pixels hold {said} than the {size_bytes} bytes that its header says.")
    return body, decoder.unused_data
