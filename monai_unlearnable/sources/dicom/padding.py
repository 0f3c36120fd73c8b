"""Which voxels are padding and must stay as they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.sources.dicom.cells import Cells, cells_to_levels
from monai_unlearnable.sources.dicom.content import DicomContent
from monai_unlearnable.sources.dicom.layout import PixelLayout

__all__ = ["has_padding", "padding_range", "padding_voxels"]

_VALUE, _RANGE_LIMIT = 0x00280120, 0x00280121


def has_padding(content: DicomContent) -> bool:
    """Tell whether a file names a padding value at all, from its header."""
    return content.find(_VALUE) is not None


def padding_range(content: DicomContent, layout: PixelLayout) -> tuple[int, int] | None:
    """Return the smallest and largest padding level (PixelPaddingValue, PixelPaddingRangeLimit), or None.

    Whatever type the values are written as, they are read as the pixels are: signed or not.

    Raises:
        ValueError: a padding value is not two bytes long.
    """
    levels = [level for tag in (_VALUE, _RANGE_LIMIT) if (level := _level(content, tag, layout)) is not None]
    if content.find(_VALUE) is None or layout.samples != 1 or not levels:
        return None
    return min(levels), max(levels)


def padding_voxels(content: DicomContent, cells: Cells, layout: PixelLayout) -> NDArray[np.bool_] | None:
    """Return which voxels are padding, in the shape of the levels; None where the file names no padding value.

    A padding value may lie outside BitsStored; such cells are found by their whole value.

    Raises:
        ValueError: a padding value is not two bytes long.
    """
    limits = padding_range(content, layout)
    if limits is None:
        return None
    low, high = limits
    levels, whole = cells_to_levels(cells, layout), cells.view(layout.dtype).reshape(layout.shape)
    return ((levels >= low) & (levels <= high)) | ((whole >= low) & (whole <= high))


def _level(content: DicomContent, tag: int, layout: PixelLayout) -> int | None:
    element = content.find(tag)
    if element is None or not element.value:
        return None
    name = "PixelPaddingValue" if tag == _VALUE else "PixelPaddingRangeLimit"
    if len(element.value) != 2:
        raise ValueError(f"{name} is {len(element.value)} bytes long; it must be one number of two bytes.")
    return int.from_bytes(element.value, content.encoding.byte_order, signed=layout.signed)
