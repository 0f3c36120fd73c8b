"""Split a data set into its elements, every length checked against the bytes that are there."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pydicom.datadict import dictionary_VR
from pydicom.tag import Tag

from monai_unlearnable.sources.dicom.elements import Element, Encoding, Item, tag_text

__all__ = ["MAXIMUM_DEPTH", "PIXEL_DATA", "parse_elements", "parse_meta"]

MAXIMUM_DEPTH = 32
"""Sequences inside sequences; more is taken for an attempt to exhaust the stack."""

PIXEL_DATA = 0x7FE00010
"""Tag of the pixels."""

_LONG = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
"""Value representations with a length of four bytes (PS3.5, 7.1.2)."""

_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD


def parse_elements(data: bytes | memoryview, encoding: Encoding) -> tuple[Element, ...]:
    """Split the bytes of a whole data set.

    Raises:
        ValueError: an element is longer than the data, has no valid value representation, or stands there twice.
    """
    reader = _Reader(memoryview(data), 0)
    return tuple(_elements(reader, len(reader.data), encoding, depth=0, delimited=False))


def parse_meta(data: bytes, start: int) -> tuple[tuple[Element, ...], int]:
    """Split the file meta information (group 0002, always Explicit VR Little Endian) that begins at ``start``.

    Returns:
        Its elements, and where the data set begins.

    Raises:
        ValueError: as :func:`parse_elements`.
    """
    reader, encoding = _Reader(memoryview(data), start), Encoding(implicit=False, little_endian=True)
    elements = []
    while data[reader.position : reader.position + 2] == b"\x02\x00":
        elements.append(_element(reader, len(data), encoding, depth=0))
    return tuple(elements), reader.position


@dataclass
class _Reader:
    data: memoryview
    position: int

    def take(self, count: int, stop: int, what: str | int) -> memoryview:
        """Take the next bytes; ``what`` they belong to, in words or a tag, is for the message."""
        if count > stop - self.position:
            name = what if isinstance(what, str) else tag_text(what)
            raise ValueError(
                f"{name} promises {count} bytes at offset {self.position}, {stop - self.position} are there: "
                "the file is cut short or damaged. Replace it or take it out."
            )
        taken = self.data[self.position : self.position + count]
        self.position += count
        return taken

    def tag(self, stop: int, encoding: Encoding) -> int:
        group, element = struct.unpack(encoding.order + "HH", self.take(4, stop, "a tag"))
        return int(group) << 16 | int(element)


def _elements(reader: _Reader, stop: int, encoding: Encoding, *, depth: int, delimited: bool) -> list[Element]:
    if depth > MAXIMUM_DEPTH:
        raise ValueError(f"has sequences nested more than {MAXIMUM_DEPTH} deep, which is not handled.")
    elements: list[Element] = []
    seen: set[int] = set()
    while reader.position < stop:
        element = _element(reader, stop, encoding, depth=depth)
        if element.tag == _ITEM_END and delimited:
            reader.position -= 8
            return elements
        if element.tag >> 16 == 0xFFFE or element.tag in seen:
            fault = "stands where no element may" if element.tag >> 16 == 0xFFFE else "stands in one data set twice"
            raise ValueError(f"{tag_text(element.tag)} {fault}: the file is damaged. Replace it or take it out.")
        seen.add(element.tag)
        elements.append(element)
    if delimited:
        raise ValueError("an item of undefined length does not end: the file is cut short or damaged.")
    return elements


def _element(reader: _Reader, stop: int, encoding: Encoding, *, depth: int) -> Element:
    start = reader.position
    tag = reader.tag(stop, encoding)
    if tag >> 16 == 0xFFFE:
        length = _unpack(encoding, "I", reader.take(4, stop, "a delimiter"))
        header = bytes(reader.data[start : reader.position])
        value = reader.take(0 if length == _UNDEFINED else length, stop, tag)
        return Element(tag, "", header, value, None, b"", encoding)
    vr, length = _vr_and_length(reader, tag, stop, encoding)
    header = bytes(reader.data[start : reader.position])
    undefined = length == _UNDEFINED
    if vr == "SQ" or (undefined and vr == "UN" and tag != PIXEL_DATA):
        # Of an element of unknown type the standard wants the items in Implicit VR Little Endian (PS3.5, 6.2.2).
        inner = Encoding(True, True) if not encoding.implicit and vr == "UN" else encoding
        return _sequence(reader, Element(tag, vr, header, memoryview(b""), None, b"", inner), length, stop, depth)
    if undefined:
        value, trailer = _fragments(reader, tag, stop, encoding)
        return Element(tag, vr, header, value, None, trailer, encoding)
    return Element(tag, vr, header, reader.take(length, stop, tag), None, b"", encoding)


def _vr_and_length(reader: _Reader, tag: int, stop: int, encoding: Encoding) -> tuple[str, int]:
    if encoding.implicit:
        length = _unpack(encoding, "I", reader.take(4, stop, tag))
        return _dictionary_vr(tag), length
    raw = bytes(reader.take(2, stop, tag))
    if not (raw.isalpha() and raw.isupper()):
        raise ValueError(
            f"{tag_text(tag)} at offset {reader.position - 6} has no value representation ({raw!r}), as an "
            "Explicit VR file must: the file is damaged, or not written as its TransferSyntaxUID says."
        )
    vr = raw.decode("ascii")
    if vr in _LONG:
        reader.take(2, stop, tag)
    return vr, _unpack(encoding, "I" if vr in _LONG else "H", reader.take(4 if vr in _LONG else 2, stop, tag))


def _sequence(reader: _Reader, bare: Element, length: int, stop: int, depth: int) -> Element:
    undefined = length == _UNDEFINED
    if not undefined and length > stop - reader.position:
        reader.take(length, stop, bare.tag)
    end = stop if undefined else reader.position + length
    items, trailer = [], b""
    while undefined or reader.position < end:
        start = reader.position
        tag = reader.tag(end, bare.encoding)
        item_length = _unpack(bare.encoding, "I", reader.take(4, end, bare.tag))
        header = bytes(reader.data[start : reader.position])
        if tag == _SEQUENCE_END and undefined:
            trailer = header
            break
        if tag != _ITEM:
            raise ValueError(f"{tag_text(bare.tag)} holds {tag_text(tag)} where an item must begin: it is damaged.")
        items.append(_item(reader, header, item_length, end, bare, depth))
    return Element(bare.tag, bare.vr, bare.header, bare.value, tuple(items), trailer, bare.encoding)


def _item(reader: _Reader, header: bytes, length: int, end: int, sequence: Element, depth: int) -> Item:
    if length == _UNDEFINED:
        elements = _elements(reader, end, sequence.encoding, depth=depth + 1, delimited=True)
        return Item(header, tuple(elements), bytes(reader.take(8, end, "an item's end")))
    if length > end - reader.position:
        reader.take(length, end, f"an item of {tag_text(sequence.tag)}")
    stop = reader.position + length
    return Item(header, tuple(_elements(reader, stop, sequence.encoding, depth=depth + 1, delimited=False)), b"")


def _fragments(reader: _Reader, tag: int, stop: int, encoding: Encoding) -> tuple[memoryview, bytes]:
    """Walk over encapsulated fragments by their lengths: a delimiter's bytes may occur inside one."""
    start = reader.position
    while True:
        item_start = reader.position
        item_tag = reader.tag(stop, encoding)
        length = _unpack(encoding, "I", reader.take(4, stop, tag))
        if item_tag == _SEQUENCE_END:
            return reader.data[start:item_start], bytes(reader.data[item_start : reader.position])
        if item_tag != _ITEM:
            raise ValueError(f"{tag_text(tag)} holds {tag_text(item_tag)} where a fragment must begin: it is damaged.")
        reader.take(length, stop, f"a fragment of {tag_text(tag)}")


def _dictionary_vr(tag: int) -> str:
    try:
        return "UN" if tag >> 16 & 1 else str(dictionary_VR(Tag(tag)))
    except KeyError:
        return "UL" if tag & 0xFFFF == 0 else "UN"


def _unpack(encoding: Encoding, code: str, data: memoryview) -> int:
    return int(struct.unpack(encoding.order + code, data)[0])
