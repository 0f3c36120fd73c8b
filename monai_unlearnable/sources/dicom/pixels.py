"""All cells of a file, whatever its transfer syntax."""

from __future__ import annotations

from monai_unlearnable.sources.dicom.cells import Cells, check_native_size, native_cells
from monai_unlearnable.sources.dicom.compressed import check_compressed_size, compressed_cells
from monai_unlearnable.sources.dicom.content import DicomContent
from monai_unlearnable.sources.dicom.elements import Element
from monai_unlearnable.sources.dicom.layout import PixelLayout
from monai_unlearnable.sources.dicom.parsing import PIXEL_DATA
from monai_unlearnable.sources.dicom.syntaxes import NATIVE

__all__ = ["check_pixel_size", "pixel_cells"]


def check_pixel_size(content: DicomContent, layout: PixelLayout) -> None:
    """Refuse a header that promises more pixels than the file can hold, before memory is taken for them.

    Raises:
        ValueError: with both numbers.
    """
    check = check_native_size if content.transfer_syntax in NATIVE else check_compressed_size
    check(_pixel_element(content), layout)


def pixel_cells(content: DicomContent, layout: PixelLayout, *, data: bytes) -> Cells:
    """Return all cells, ``(sample, frame, row, column)``, uint8 or uint16 in native byte order.

    Args:
        content: the file.
        layout: its image pixel module.
        data: the whole file's bytes.

    Raises:
        ValueError: the pixel data are cut short or damaged, or no installed plugin decodes them.
    """
    if content.transfer_syntax in NATIVE:
        return native_cells(content, _pixel_element(content), layout)
    return compressed_cells(content, _pixel_element(content), layout, data=data)


def _pixel_element(content: DicomContent) -> Element:
    element = content.find(PIXEL_DATA)
    if element is None:
        raise ValueError("has no PixelData, so there is no image to protect. Take it out.")
    return element
