"""A data set as the bytes of its elements, so that what is not changed is copied and never written anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["Element", "Encoding", "Item", "element_bytes", "element_pieces", "elements_bytes", "tag_text"]


@dataclass(frozen=True)
class Encoding:
    """How the elements of a data set are written.

    Attributes:
        implicit: no value representation is written (Implicit VR).
        little_endian: byte order of tags, lengths and values.
    """

    implicit: bool
    little_endian: bool

    @property
    def order(self) -> Literal["<", ">"]:
        """Byte order for :mod:`struct` and NumPy."""
        return "<" if self.little_endian else ">"

    @property
    def byte_order(self) -> Literal["little", "big"]:
        """Byte order for :meth:`int.from_bytes`."""
        return "little" if self.little_endian else "big"


@dataclass(frozen=True)
class Item:
    """One item of a sequence: its header, its elements and its delimiter (empty where the length is defined)."""

    header: bytes
    elements: tuple[Element, ...]
    trailer: bytes


@dataclass(frozen=True)
class Element:
    """One element as it lies in the file.

    Attributes:
        tag: group and element number, ``0xggggeeee``.
        vr: value representation as written; of an implicit file the dictionary's, ``UN`` where it has none.
        header: tag, value representation and length.
        value: the value of an element that is no sequence, or the fragments of encapsulated pixel data.
        items: of a sequence, else None.
        trailer: sequence delimiter where the length is undefined, else empty.
        encoding: how the elements inside the items are written.
    """

    tag: int
    vr: str
    header: bytes
    value: memoryview
    items: tuple[Item, ...] | None
    trailer: bytes
    encoding: Encoding

    @property
    def is_undefined_length(self) -> bool:
        """Whether a delimiter ends the value."""
        return self.header[-4:] == b"\xff\xff\xff\xff" and len(self.header) >= 8 and self._has_long_length

    @property
    def is_private(self) -> bool:
        """Whether the group number is odd."""
        return bool(self.tag >> 16 & 1)

    @property
    def _has_long_length(self) -> bool:
        return len(self.header) == 12 or self.encoding.implicit or self.items is not None

    def with_items(self, items: tuple[Item, ...]) -> Element:
        """Return this sequence with other items, its length put right where it is defined."""
        changed = replace(self, items=items)
        if self.is_undefined_length:
            return changed
        return replace(changed, header=_with_length(self.header, sum(_item_length(item) for item in items), self))

    def with_item_elements(self, item: Item, elements: tuple[Element, ...]) -> Item:
        """Return one of this sequence's items with other elements, its length put right where it is defined."""
        header = item.header
        if header[-4:] != b"\xff\xff\xff\xff":
            header = _with_length(header, sum(len(element_bytes(one)) for one in elements), self)
        return Item(header, elements, item.trailer)


def element_pieces(element: Element) -> Iterator[bytes | memoryview]:
    """Yield the bytes of an element as it lies in the file, uncopied."""
    yield element.header
    if element.items is None:
        yield element.value
    else:
        for item in element.items:
            yield item.header
            for one in item.elements:
                yield from element_pieces(one)
            yield item.trailer
    yield element.trailer


def element_bytes(element: Element) -> bytes:
    """Return an element as it lies in the file."""
    return b"".join(element_pieces(element))


def elements_bytes(elements: Iterable[Element]) -> bytes:
    """Return elements as they lie in the file, one after the other."""
    return b"".join(piece for one in elements for piece in element_pieces(one))


def tag_text(tag: int) -> str:
    """Write a tag as DICOM does.

    Example:
        >>> tag_text(0x7FE00010)
        '(7FE0,0010)'
    """
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _item_length(item: Item) -> int:
    return len(item.header) + len(elements_bytes(item.elements)) + len(item.trailer)


def _with_length(header: bytes, length: int, sequence: Element) -> bytes:
    if length >= 0xFFFFFFFF:
        raise ValueError(f"{tag_text(sequence.tag)} would be {length} bytes long, more than its length can say.")
    return header[:-4] + length.to_bytes(4, sequence.encoding.byte_order)
