"""Put a file together from its parts, and check that it says what it should."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from monai_unlearnable.errors import ReleaseError
from monai_unlearnable.release.formats.dicom import tags
from monai_unlearnable.release.formats.dicom.edit import Elements, text_value, value_text
from monai_unlearnable.release.formats.dicom.groups import with_group_lengths
from monai_unlearnable.release.formats.dicom.pixel_data import PixelElements, compressed_pixels, native_pixels
from monai_unlearnable.sources.dicom.cells import Cells
from monai_unlearnable.sources.dicom.content import DicomContent, parse_content
from monai_unlearnable.sources.dicom.elements import Element, element_pieces, elements_bytes
from monai_unlearnable.sources.dicom.image import LoadedDicom
from monai_unlearnable.sources.dicom.layout import pixel_layout
from monai_unlearnable.sources.dicom.pixels import pixel_cells
from monai_unlearnable.sources.dicom.syntaxes import DEFLATED

__all__ = ["MadeFile", "file_bytes", "with_meta_text", "with_pixels"]


@dataclass(frozen=True, kw_only=True)
class MadeFile:
    """A whole file before it is written.

    Attributes:
        data: its bytes.
        transfer_syntax: how its pixels are written.
        content: what these bytes say, read back from them.
    """

    data: bytes
    transfer_syntax: str
    content: DicomContent


def with_pixels(elements: Iterable[Element], loaded: LoadedDicom, cells: Cells) -> MadeFile:
    """Return a whole file with other pixels.

    Compressed pixels are decoded again before they are trusted; what a codec does not give back bit for bit is
    written uncompressed.

    Args:
        elements: the data set, with any pixels.
        loaded: the file that preamble and file meta information are taken from.
        cells: ``(sample, frame, row, column)``.

    Raises:
        ReleaseError: not even uncompressed pixels read back as they were written.
    """
    elements = tuple(elements)
    for put in (compressed_pixels, native_pixels):
        written = put(elements, loaded, cells)
        if written is None:
            continue
        data = file_bytes(loaded.content.prefix, loaded.content.meta, written)
        content = _read_back(data, loaded.content.path, cells)
        if content is not None:
            return MadeFile(data=data, transfer_syntax=written.transfer_syntax, content=content)
    raise ReleaseError(f"{loaded.content.path}: its pixels do not read back as they were written. Take the file out.")


def file_bytes(prefix: bytes, meta: Iterable[Element], written: PixelElements) -> bytes:
    """Put preamble, file meta information and data set together; the meta names the transfer syntax."""
    start = prefix + elements_bytes(with_meta_text(meta, tags.META_TRANSFER_SYNTAX, written.transfer_syntax))
    pieces = (piece for one in written.elements for piece in element_pieces(one))
    if written.transfer_syntax != DEFLATED:
        return b"".join((start, *pieces))
    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    body = engine.compress(b"".join(pieces)) + engine.flush()
    return start + body + b"\0" * (len(body) % 2)


def with_meta_text(meta: Iterable[Element], tag: int, text: str) -> Elements:
    """Return file meta information that says something else under ``tag``, if it says anything there."""
    meta = tuple(meta)
    named = tuple(text_value(one, text) if one.tag == tag and value_text(one) != text else one for one in meta)
    return with_group_lengths(meta, named)


def _read_back(data: bytes, path: Path, cells: Cells) -> DicomContent | None:
    try:
        content = parse_content(data, path)
        same = np.array_equal(pixel_cells(content, pixel_layout(content), data=data), cells)
    except Exception:  # a codec may raise nearly everything on what it wrote itself
        return None
    return content if same else None
