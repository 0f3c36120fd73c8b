"""Pixels in their cells: take the stored bits out, put other ones in, leave every other bit as it is."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.sources.dicom.content import DicomContent
from monai_unlearnable.sources.dicom.elements import Element
from monai_unlearnable.sources.dicom.layout import PixelLayout
from monai_unlearnable.types import StoredArray

__all__ = [
    "Cells",
    "cells_to_levels",
    "check_native_size",
    "is_sign_extended",
    "levels_to_cells",
    "native_bytes",
    "native_cells",
]

Cells: TypeAlias = NDArray[np.unsignedinteger[Any]]
"""Whole cells in native byte order, (sample, frame, row, column)."""


def native_cells(content: DicomContent, element: Element, layout: PixelLayout) -> Cells:
    """Return the cells of uncompressed pixel data, ``(sample, frame, row, column)``: where they lie, not to be changed.

    Raises:
        ValueError: the element holds fewer bytes than the header promises.
    """
    check_native_size(element, layout)
    raw = _swapped(element.value, content, element, layout)
    order = content.encoding.order
    flat = np.frombuffer(raw, dtype=layout.cell_dtype.newbyteorder(order), count=_count(layout))
    stored = flat.reshape(_file_shape(layout)).astype(layout.cell_dtype, copy=False)
    return np.moveaxis(stored, 1 if layout.planar else -1, 0)


def native_bytes(cells: Cells, content: DicomContent, element: Element, layout: PixelLayout) -> bytes:
    """Return the element's value with other cells; bytes beyond the last cell stay.

    Raises:
        ValueError: the element holds fewer bytes than the header promises.
    """
    check_native_size(element, layout)
    stored = np.moveaxis(cells, 0, 1 if layout.planar else -1)
    new = stored.astype(layout.cell_dtype.newbyteorder(content.encoding.order), copy=False).tobytes()
    old = _swapped(element.value, content, element, layout)
    rest = bytes(old[len(new) :])
    return bytes(_swapped(new + rest if rest else new, content, element, layout))


def cells_to_levels(cells: Cells, layout: PixelLayout) -> StoredArray:
    """Take the stored bits out of their cells: ``(sample, [frame,] row, column)`` of ``layout.dtype``, in levels.

    Example:
        >>> layout = PixelLayout(rows=1, columns=2, frames=1, samples=1, planar=False, bits_allocated=16,
        ...                      bits_stored=12, high_bit=11, signed=True, photometric="MONOCHROME2")
        >>> cells_to_levels(np.array([[[[0x0FFF, 0x7001]]]], dtype=np.uint16), layout).tolist()
        [[[-1, 1]]]
    """
    if layout.bits_stored == layout.bits_allocated:
        return np.array(cells, order="C").view(layout.dtype).reshape(layout.shape)
    top = cells << np.array(layout.bits_allocated - 1 - layout.high_bit, dtype=cells.dtype)
    shift = np.array(layout.bits_allocated - layout.bits_stored, dtype=layout.dtype)
    return np.ascontiguousarray(top.view(layout.dtype) >> shift).reshape(layout.shape)


def levels_to_cells(levels: StoredArray, cells: Cells, layout: PixelLayout, *, sign_extended: bool) -> Cells:
    """Put other levels into cells.

    Args:
        levels: as :func:`cells_to_levels` returns them, inside ``layout.low_level`` and ``layout.high_level``.
        cells: the old cells, whose other bits stay.
        layout: where the bits lie.
        sign_extended: in cells whose bits above the stored ones repeat the sign, let them repeat the new one.
    """
    if layout.bits_stored == layout.bits_allocated:  # a cell has no other bits
        return levels.reshape(cells.shape).view(cells.dtype)
    if not sign_extended:
        return _with_bits(levels, cells, layout, count=layout.bits_stored)
    repeats, new = _repeat_sign(cells, layout), _with_bits(levels, cells, layout, count=layout.bits_allocated)
    if repeats.all():
        return new
    return np.where(repeats, new, _with_bits(levels, cells, layout, count=layout.bits_stored))


def is_sign_extended(cells: Cells, layout: PixelLayout, padding: NDArray[np.bool_] | None) -> bool:
    """Tell whether the bits above the stored ones repeat the sign in every cell that is no padding.

    Many readers take such cells for whole numbers and do not look at BitsStored, so a released file goes on so. A
    padding value may lie outside of the stored bits.
    """
    if not layout.signed or layout.high_bit == layout.bits_allocated - 1:
        return False
    repeats = _repeat_sign(cells, layout)
    return bool((repeats if padding is None else repeats | padding.reshape(repeats.shape)).all())


def _repeat_sign(cells: Cells, layout: PixelLayout) -> NDArray[np.bool_]:
    own = _with_bits(cells_to_levels(cells, layout), cells, layout, count=layout.bits_allocated)
    return np.asarray(own == cells)


def _with_bits(levels: StoredArray, cells: Cells, layout: PixelLayout, *, count: int) -> Cells:
    """Put levels into so many bits of each cell, from the lowest stored one upwards; the others stay."""
    shift, every = layout.high_bit + 1 - layout.bits_stored, (1 << layout.bits_allocated) - 1
    mask = (((1 << count) - 1) << shift) & every
    whole = levels.reshape(cells.shape).view(cells.dtype) << np.array(shift, dtype=cells.dtype)
    field, kept = np.array(mask, dtype=cells.dtype), np.array(mask ^ every, dtype=cells.dtype)
    return np.asarray((cells & kept) | (whole & field))


def _file_shape(layout: PixelLayout) -> tuple[int, ...]:
    space = (layout.rows, layout.columns)
    return (layout.frames, layout.samples, *space) if layout.planar else (layout.frames, *space, layout.samples)


def _count(layout: PixelLayout) -> int:
    return layout.rows * layout.columns * layout.frames * layout.samples


def check_native_size(element: Element, layout: PixelLayout) -> None:
    """Refuse uncompressed pixel data that hold less than the header promises.

    Raises:
        ValueError: with both numbers of bytes.
    """
    if element.is_undefined_length:
        raise ValueError("PixelData is encapsulated, but TransferSyntaxUID is an uncompressed one: it is damaged.")
    if len(element.value) < layout.total_bytes:
        raise ValueError(
            f"its header promises {layout.total_bytes} bytes of pixels ({layout.frames} frames of {layout.rows} x "
            f"{layout.columns} x {layout.samples}, {layout.bits_allocated} bits), PixelData holds "
            f"{len(element.value)}: the file is cut short or damaged. Replace it or take it out."
        )


def _swapped(
    raw: bytes | memoryview, content: DicomContent, element: Element, layout: PixelLayout
) -> bytes | memoryview:
    """Of 8-bit cells in 16-bit words (OW) big endian exchanges each two bytes (PS3.5, 8.1.1)."""
    if content.encoding.little_endian or layout.bits_allocated != 8 or element.vr != "OW":
        return raw
    even = len(raw) // 2 * 2
    return np.frombuffer(raw[:even], dtype=np.uint16).byteswap().tobytes() + bytes(raw[even:])
