"""Prove that the strips or tiles of a TIFF file are all there and of the right size, before any is decoded."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np

from monai_unlearnable.sources.file_errors import Refused
from monai_unlearnable.sources.pictures import MAXIMUM_PIXELS
from monai_unlearnable.sources.tiff_layout import DEFLATE, PACKBITS, PLAIN

__all__ = ["check_segments"]

_LARGEST_BYTES = MAXIMUM_PIXELS * 6  # three channels of 16 bit


def check_segments(page: Any, data: bytes) -> None:
    """Prove that every strip or tile lies in the file and unpacks to as much as its part of the picture.

    tifffile fills what is missing with zeros or with whatever was in memory.

    Args:
        page: the page of a ``tifffile.TiffFile``.
        data: the whole file.

    Raises:
        Refused: a segment is missing, outside the file, or too long or short.
    """
    itemsize = np.dtype(page.dtype).itemsize
    most = math.prod(page.chunks) * itemsize
    if most > _LARGEST_BYTES:
        raise Refused(f"has strips or tiles of {most} bytes, more than the limit of {_LARGEST_BYTES}.")
    count = _segment_count(page)
    offsets, sizes = [int(one) for one in page.dataoffsets], [int(one) for one in page.databytecounts]
    if len(offsets) != count or len(sizes) != count:
        raise Refused(f"has {len(offsets)} strips or tiles, its header says {count}.")
    for index, (offset, size) in enumerate(zip(offsets, sizes, strict=True)):
        if offset <= 0 or size <= 0 or offset + size > len(data):
            raise Refused(f"says that {size} bytes of pixels lie at byte {offset}, the file has {len(data)}.")
        least = _least_bytes(page, index, itemsize=itemsize)
        unpacked = _unpacked_bytes(int(page.compression), data[offset : offset + size], most)
        if unpacked is not None and not least <= unpacked <= most:
            raise Refused(
                f"strip or tile {index} unpacks to {unpacked} bytes, its header says from {least} to {most}. It is cut "
                f"short or damaged; fetch it again."
            )


def _segment_count(page: Any) -> int:
    """Return how many segments there must be, after a proof that together they cover the picture."""
    shape, grid = tuple(page.shape), tuple(page.chunked)
    chunk = (1,) * (len(shape) - len(page.chunks)) + tuple(page.chunks)
    if len(grid) != len(shape) or any(one * per < all_ for one, per, all_ in zip(chunk, grid, shape, strict=True)):
        raise Refused(f"its strips or tiles of {page.chunks} do not cover a picture of {shape}.")
    return int(math.prod(grid))


def _least_bytes(page: Any, index: int, *, itemsize: int) -> int:
    """Return how many bytes a segment needs: a tile is always whole, the last strip of a plane may be lower."""
    if page.is_tiled:
        return int(math.prod(page.chunks)) * itemsize
    height, rows = int(page.imagelength), int(page.chunks[0])
    first_row = index % math.ceil(height / rows) * rows
    return min(rows, height - first_row) * int(math.prod(page.chunks[1:])) * itemsize


def _unpacked_bytes(compression: int, packed: bytes, most: int) -> int | None:
    """Return to how many bytes a segment unpacks; one more than ``most`` stands for all above; None if unknown."""
    if compression == PLAIN:
        return min(len(packed), most)
    if compression == PACKBITS:
        return min(_packbits_bytes(packed), most)
    if compression not in DEFLATE:
        return None
    decoder = zlib.decompressobj()
    try:
        unpacked = len(decoder.decompress(packed, most + 1))
    except zlib.error as error:
        raise Refused(f"its compressed pixels are damaged ({error}); fetch it again.") from error
    return unpacked if decoder.eof or unpacked > most else 0


def _packbits_bytes(packed: bytes) -> int:
    position, unpacked = 0, 0
    while position < len(packed):
        code = packed[position]
        literal = code < 128
        if code != 128:
            unpacked += min(code + 1, len(packed) - position - 1) if literal else 257 - code
        position += code + 2 if literal else 1 + (code != 128)
    return unpacked
