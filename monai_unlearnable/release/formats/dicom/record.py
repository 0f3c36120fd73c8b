"""What the owner keeps of an original, to give it back from its released copy."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from monai_unlearnable.errors import LedgerError
from monai_unlearnable.release.formats.dicom import tags
from monai_unlearnable.sources.dicom.content import DicomContent
from monai_unlearnable.sources.dicom.elements import Element, element_bytes, element_pieces, elements_bytes

__all__ = ["OriginalRecord", "content_sha256", "read_record", "record_of"]

_FORMAT = "monai_unlearnable DICOM original 1"

_PIXEL_TAGS = frozenset({tags.PIXEL_DATA, tags.PHOTOMETRIC_INTERPRETATION, tags.PLANAR_CONFIGURATION})
"""Elements that say how the pixels are written; they come from the released file together with its pixels."""


@dataclass(frozen=True, kw_only=True)
class OriginalRecord:
    """The elements of an original that its released copy does not have so.

    Attributes:
        prefix: preamble and ``DICM``.
        meta: file meta information.
        transfer_syntax: of the original.
        count: how many elements the original's data set has.
        elements: place in the data set and bytes of each element that was changed or removed.
        replaced: tags that are in the released copy and are not taken from there.
        has_pixels: ``elements`` hold the pixel data as well, which were compressed and are kept as they were.
        sign_extended: the bits above the stored ones repeat the sign.
        sha256: of the whole original, its data set inflated.
    """

    prefix: bytes
    meta: bytes
    transfer_syntax: str
    count: int
    elements: tuple[tuple[int, bytes], ...]
    replaced: frozenset[int]
    has_pixels: bool
    sign_extended: bool
    sha256: str

    def to_bytes(self) -> bytes:
        """Return the record as JSON. It holds elements of the original, so it belongs into the ledger only."""
        fields: dict[str, Any] = {"format": _FORMAT, **vars(self)}
        fields |= {"prefix": _text(self.prefix), "meta": _text(self.meta), "replaced": sorted(self.replaced)}
        fields["elements"] = [[place, _text(data)] for place, data in self.elements]
        return json.dumps(fields, separators=(",", ":")).encode()


def record_of(
    original: DicomContent, released: DicomContent, *, sign_extended: bool, keep_compressed: bool
) -> OriginalRecord:
    """Compare an original with its released copy, and keep what differs.

    Args:
        original: the source's file.
        released: its protected copy.
        sign_extended: the bits above the stored ones repeat the sign in the original.
        keep_compressed: keep compressed pixel data, too; otherwise they are restored uncompressed or compressed anew.
    """
    has_pixels = keep_compressed and _is_compressed(original)
    # Offset tables belong to the very compressed pixels and mean nothing without them.
    elements = [one for one in original.elements if has_pixels or one.tag not in tags.OFFSET_TABLES]
    literal, replaced = [], {one.tag for one in released.elements} - {one.tag for one in elements}
    taken = frozenset[int]() if has_pixels else _PIXEL_TAGS
    same = {one.tag: element_bytes(one) for one in released.elements if one.tag not in taken}
    for place, one in enumerate(elements):
        if one.tag in taken:
            continue
        data = element_bytes(one)
        if same.get(one.tag) != data:
            literal.append((place, data))
            replaced.add(one.tag)
    return OriginalRecord(
        prefix=original.prefix,
        meta=elements_bytes(original.meta),
        transfer_syntax=original.transfer_syntax,
        count=len(elements),
        elements=tuple(literal),
        replaced=frozenset(replaced),
        has_pixels=has_pixels,
        sign_extended=sign_extended,
        sha256=content_sha256(original.prefix, original.meta, original.elements),
    )


def read_record(data: bytes) -> OriginalRecord:
    """Read a record back.

    Raises:
        LedgerError: it is damaged, or of another version.
    """
    try:
        fields = json.loads(data)
        if not isinstance(fields, dict) or fields.pop("format", None) != _FORMAT:
            raise ValueError(f"it is not of the format {_FORMAT!r}")
        fields |= {"prefix": _bytes(fields["prefix"]), "meta": _bytes(fields["meta"])}
        fields["elements"] = tuple((int(place), _bytes(text)) for place, text in fields["elements"])
        fields["replaced"] = frozenset(int(tag) for tag in fields["replaced"])
        return OriginalRecord(**fields)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise LedgerError(f"The record of a DICOM original is damaged ({error}). Use the ledger as written.") from error


def content_sha256(prefix: bytes, meta: Iterable[Element], elements: Iterable[Element]) -> str:
    """Hash a whole file, its data set inflated."""
    content = hashlib.sha256(prefix + elements_bytes(meta))
    for one in elements:
        for piece in element_pieces(one):
            content.update(piece)
    return content.hexdigest()


def _is_compressed(content: DicomContent) -> bool:
    element = content.find(tags.PIXEL_DATA)
    return element is not None and element.is_undefined_length


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
