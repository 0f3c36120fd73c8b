"""What a file says about its pixels, and which of that is handled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from monai_unlearnable.sources.dicom.content import DicomContent
from monai_unlearnable.sources.dicom.syntaxes import LOSSLESS, LOSSY, NATIVE, syntax_text

__all__ = ["PixelLayout", "check_syntax", "pixel_layout", "whole_number"]

_PHOTOMETRIC = {1: ("MONOCHROME1", "MONOCHROME2"), 3: ("RGB",)}
_COLOUR_TRANSFORMS = ("YBR_RCT", "YBR_ICT", "YBR_FULL", "YBR_FULL_422")
"""What a codec may store RGB as; it gives RGB back."""

_FLOAT_PIXELS = {0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData"}


@dataclass(frozen=True, kw_only=True)
class PixelLayout:
    """How the pixels lie in their cells.

    Attributes:
        rows: height in pixels.
        columns: width in pixels.
        frames: number of frames, 1 where the file names none.
        samples: 1 (grey) or 3 (RGB).
        planar: the samples lie in planes (PlanarConfiguration 1), not pixel by pixel.
        bits_allocated: size of a cell, 8 or 16.
        bits_stored: bits of a cell that are the pixel.
        high_bit: the highest of them.
        signed: the pixel is a two's complement number.
        photometric: PhotometricInterpretation as written.
    """

    rows: int
    columns: int
    frames: int
    samples: int
    planar: bool
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    photometric: str

    @property
    def shape(self) -> tuple[int, ...]:
        """``(sample, row, column)``, or ``(sample, frame, row, column)`` of more than one frame."""
        frames = (self.frames,) if self.frames > 1 else ()
        return (self.samples, *frames, self.rows, self.columns)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a level: int8, uint8, int16 or uint16."""
        return np.dtype(f"{'i' if self.signed else 'u'}{self.bits_allocated // 8}")

    @property
    def cell_dtype(self) -> np.dtype[Any]:
        """Type of a whole cell: uint8 or uint16."""
        return np.dtype(f"u{self.bits_allocated // 8}")

    @property
    def low_level(self) -> int:
        """Smallest level that the stored bits can hold."""
        return -(1 << (self.bits_stored - 1)) if self.signed else 0

    @property
    def high_level(self) -> int:
        """Largest level that the stored bits can hold."""
        return (1 << (self.bits_stored - self.signed)) - 1

    @property
    def total_bytes(self) -> int:
        """Bytes of all frames, uncompressed."""
        return self.rows * self.columns * self.frames * self.samples * self.bits_allocated // 8


def pixel_layout(content: DicomContent, *, allow_lossy: bool = False) -> PixelLayout:
    """Read the image pixel module and refuse what is not handled.

    Args:
        content: the file.
        allow_lossy: take pixels that were compressed with loss.

    Raises:
        ValueError: an attribute is missing or has a value that is not handled; the message names both.
    """
    dataset = content.dataset
    for tag, keyword in _FLOAT_PIXELS.items():
        if content.find(tag) is not None:
            raise ValueError(f"its pixels are {keyword}; only whole numbers (PixelData) are handled.")
    if content.find(0x7FE00010) is None:
        kind = getattr(dataset.get("SOPClassUID"), "name", "of unknown kind")
        raise ValueError(f"has no PixelData (it is {kind}), so there is no image to protect. Take it out.")
    check_syntax(content.transfer_syntax, allow_lossy=allow_lossy)
    samples = whole_number(dataset, "SamplesPerPixel", default=1)
    allocated = whole_number(dataset, "BitsAllocated")
    stored = whole_number(dataset, "BitsStored", default=allocated)
    layout = PixelLayout(
        rows=whole_number(dataset, "Rows"),
        columns=whole_number(dataset, "Columns"),
        frames=whole_number(dataset, "NumberOfFrames", default=1),
        samples=samples,
        planar=samples > 1 and whole_number(dataset, "PlanarConfiguration", default=0) == 1,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=whole_number(dataset, "HighBit", default=stored - 1),
        signed=_one_of(dataset, "PixelRepresentation", (0, 1)) == 1,
        photometric=str(dataset.get("PhotometricInterpretation", "")).strip(),
    )
    _check_layout(layout, native=content.transfer_syntax in NATIVE)
    return layout


def check_syntax(transfer_syntax: str, *, allow_lossy: bool) -> None:
    """Refuse a transfer syntax that is not handled, or loses something unless that is allowed.

    Raises:
        ValueError: with the syntax and what to do.
    """
    if transfer_syntax in LOSSY and not allow_lossy:
        raise ValueError(
            f"TransferSyntaxUID is {syntax_text(transfer_syntax)}, which loses something at every writing. "
            "Allow lossy files to be written without further loss (--allow-lossy or allow_lossy=True), or take it out."
        )
    if transfer_syntax not in NATIVE | LOSSLESS | LOSSY:
        raise ValueError(f"TransferSyntaxUID is {syntax_text(transfer_syntax)}, which is not handled.")


def whole_number(dataset: Dataset, keyword: str, *, default: int | None = None) -> int:
    """Read an attribute that must be one whole number.

    Raises:
        ValueError: it is missing and has no default, or is something else.
    """
    value = dataset.get(keyword)
    if value is None or value == "":
        if default is None:
            raise ValueError(f"has no {keyword}, so its pixels cannot be read. Replace the file or take it out.")
        return default
    try:
        number = int(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{keyword} is {str(value)[:60]!r}; it must be one whole number.") from error
    if number != float(value):
        raise ValueError(f"{keyword} is {value}; it must be one whole number.")
    return number


def _one_of(dataset: Dataset, keyword: str, values: tuple[int, ...]) -> int:
    value = whole_number(dataset, keyword)
    if value not in values:
        raise ValueError(f"{keyword} is {value}; it must be one of {values}.")
    return value


def _check_layout(layout: PixelLayout, *, native: bool) -> None:
    for keyword, value in (("Rows", layout.rows), ("Columns", layout.columns), ("NumberOfFrames", layout.frames)):
        if value < 1:
            raise ValueError(f"{keyword} is {value}; it must be at least 1.")
    if layout.bits_allocated not in (8, 16):
        raise ValueError(f"BitsAllocated is {layout.bits_allocated}; only cells of 8 and 16 bits are handled.")
    if not 2 <= layout.bits_stored <= layout.bits_allocated:
        raise ValueError(f"BitsStored is {layout.bits_stored} with BitsAllocated {layout.bits_allocated}; not handled.")
    if not layout.bits_stored - 1 <= layout.high_bit < layout.bits_allocated:
        raise ValueError(
            f"HighBit is {layout.high_bit} with BitsStored {layout.bits_stored} and "
            f"BitsAllocated {layout.bits_allocated}; the pixel does not fit its cell."
        )
    if not native and layout.high_bit != layout.bits_stored - 1:
        raise ValueError(f"HighBit is {layout.high_bit}, BitsStored {layout.bits_stored}: not handled if compressed.")
    if layout.samples not in _PHOTOMETRIC:
        raise ValueError(f"SamplesPerPixel is {layout.samples}; only 1 (grey) and 3 (RGB) are handled.")
    handled = _PHOTOMETRIC[layout.samples] + (_COLOUR_TRANSFORMS if layout.samples == 3 and not native else ())
    if layout.photometric not in handled:
        raise ValueError(
            f"PhotometricInterpretation is {layout.photometric!r} with SamplesPerPixel {layout.samples}; "
            f"handled: {', '.join(handled)}. Convert it without loss to one of these, or take it out."
        )
