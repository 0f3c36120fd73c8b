"""Read one DICOM file into its elements and pydicom's view of them."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.dicom.elements import Element, Encoding
from monai_unlearnable.sources.dicom.errors import errors_name
from monai_unlearnable.sources.dicom.parsing import parse_elements, parse_meta
from monai_unlearnable.sources.dicom.syntaxes import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
)

__all__ = ["MAXIMUM_INFLATED_BYTES", "DicomContent", "is_dicom", "parse_content", "read_content"]

MAXIMUM_INFLATED_BYTES = 1 << 31
"""A deflated data set that grows beyond this is taken for a decompression bomb."""

_DIRECTORY = "1.2.840.10008.1.3.10"
_PREFIX_BYTES = 132
_TRANSFER_SYNTAX = 0x00020010


@dataclass(frozen=True)
class DicomContent:
    """One file, split but not changed.

    Attributes:
        path: the file, for messages.
        prefix: preamble and ``DICM``, or nothing.
        meta: file meta information.
        transfer_syntax: how the data set is written; guessed where the file does not say.
        encoding: what that means for the elements.
        elements: the data set in the file's order.
        dataset: the same, up to the pixel data, as pydicom reads it.
    """

    path: Path
    prefix: bytes
    meta: tuple[Element, ...]
    transfer_syntax: str
    encoding: Encoding
    elements: tuple[Element, ...]
    dataset: Dataset

    def find(self, tag: int) -> Element | None:
        """Return the element of the top level, or None."""
        return next((one for one in self.elements if one.tag == tag), None)

    def text(self, tag: int) -> str:
        """Return the UID or code string of an element of the top level, without its padding; '' where there is none."""
        element = self.find(tag)
        return "" if element is None else bytes(element.value).decode("ascii", errors="replace").strip("\0 ")


def is_dicom(path: Path) -> bool:
    """Tell whether a file is DICOM: by its preamble, or because it is a data set without one.

    A ``DICOMDIR`` is DICOM too; it is refused when it is read.
    """
    try:
        with path.open("rb") as stream:
            if stream.read(_PREFIX_BYTES)[128:] == b"DICM":
                return True
        content = read_content(path)
    except (OSError, SourceError):
        return False
    return any(one.tag in (0x00080016, 0x00080060) for one in content.elements)


def read_content(path: Path) -> DicomContent:
    """Read and split a file; no pixel is decoded.

    Raises:
        SourceError: the file is damaged, cut short or no DICOM image file.
    """
    with errors_name(path):
        return parse_content(path.read_bytes(), path)


def parse_content(data: bytes, path: Path) -> DicomContent:
    """Split a file's bytes; ``path`` is for messages only.

    Raises:
        SourceError: the bytes are damaged, cut short or no DICOM image file.
    """
    with errors_name(path):
        prefix = data[:_PREFIX_BYTES] if data[128:_PREFIX_BYTES] == b"DICM" else b""
        meta, start = parse_meta(data, len(prefix))
        said = _said_syntax(meta)
        body = _inflated(data[start:]) if said == DEFLATED else memoryview(data)[start:]
        transfer_syntax = said or _guessed_syntax(bytes(body[:8]))
        encoding = Encoding(transfer_syntax == IMPLICIT_LITTLE, transfer_syntax != EXPLICIT_BIG)
        elements = _parsed(body, encoding, bare=not prefix and not meta)
        dataset = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True, force=True)
        content = DicomContent(path, prefix, meta, transfer_syntax, encoding, elements, dataset)
        _check(content)
        return content


def _said_syntax(meta: tuple[Element, ...]) -> str | None:
    values = [bytes(one.value) for one in meta if one.tag == _TRANSFER_SYNTAX]
    return values[0].decode("ascii").strip("\0 ") or None if values else None


def _guessed_syntax(start: bytes) -> str:
    """Guess from the first element, as pydicom does: two capital letters are a value representation."""
    if not (start[4:6].isalpha() and start[4:6].isupper()):
        return IMPLICIT_LITTLE
    # A data set begins with a small group number, so its first byte is zero only in big endian.
    return EXPLICIT_BIG if int.from_bytes(start[:2], "little") >= 0x0400 else EXPLICIT_LITTLE


def _inflated(data: bytes) -> memoryview:
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = engine.decompress(data, MAXIMUM_INFLATED_BYTES)
    if not engine.eof:
        fault = "is larger than the limit" if engine.unconsumed_tail else "does not end"
        raise ValueError(f"its deflated data set {fault} ({len(inflated)} bytes read). Replace the file.")
    return memoryview(inflated)


def _parsed(body: memoryview, encoding: Encoding, *, bare: bool) -> tuple[Element, ...]:
    try:
        return parse_elements(body, encoding)
    except ValueError as error:
        if bare:
            raise ValueError(f"is no DICOM file, or a damaged one without preamble ({error})") from error
        raise


def _check(content: DicomContent) -> None:
    """Refuse what pydicom, and so most readers, would understand otherwise than the bytes' walk did."""
    if not content.elements:
        raise ValueError("is no DICOM file: it holds no element.")
    if str(content.dataset.get("MediaStorageSOPClassUID", "")) == _DIRECTORY or 0x00041220 in content.dataset:
        raise ValueError("is a DICOMDIR, a list of files; name the files or their folder instead.")
    seen = {int(tag) for tag in content.dataset.keys()}  # noqa: SIM118  # iterating a Dataset gives elements
    walked = {one.tag for one in content.elements}
    before = {tag for tag in walked if tag < 0x7FE00000}
    if not before <= seen or not seen <= walked:
        odd = ", ".join(f"{tag:08X}" for tag in sorted(before ^ seen)[:4])
        raise ValueError(f"its elements are not written as its TransferSyntaxUID says (pydicom disagrees on {odd}).")
