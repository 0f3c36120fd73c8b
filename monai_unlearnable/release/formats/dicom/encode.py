"""Write single new elements with pydicom, in the encoding of the data set that they go into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.sequence import Sequence as ItemSequence

from monai_unlearnable.sources.dicom.elements import Element, Encoding, Item
from monai_unlearnable.sources.dicom.parsing import parse_elements

__all__ = ["new_element", "new_sequence", "with_item", "with_value"]


def new_element(tag: int, vr: str, value: object, encoding: Encoding) -> Element:
    r"""Encode one element.

    Example:
        >>> encoding = Encoding(implicit=False, little_endian=True)
        >>> new_element(0x00080018, "UI", "1.2", encoding).header
        b'\x08\x00\x18\x00UI\x04\x00'
    """
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = encoding.implicit, encoding.little_endian
    write_data_element(stream, DataElement(tag, vr, value))
    return parse_elements(stream.getvalue(), encoding)[0]


def new_sequence(tag: int, items: Sequence[Dataset], encoding: Encoding) -> Element:
    """Encode a sequence, its lengths defined."""
    return new_element(tag, "SQ", ItemSequence(items), encoding)


def with_item(sequence: Element | None, new: Callable[[Encoding], Element], encoding: Encoding) -> Element:
    """Return a sequence with the items of a new one at its end; the new one where there was none.

    Args:
        sequence: the old one, if there is one.
        new: makes the sequence of what is added, in an encoding.
        encoding: of the data set.
    """
    if sequence is None or sequence.items is None:
        return new(encoding)
    added: tuple[Item, ...] = new(sequence.encoding).items or ()
    return sequence.with_items((*sequence.items, *added))


def with_value(element: Element, value: bytes) -> Element:
    """Return an element with another value, its length put right; its value representation stays.

    Raises:
        ValueError: the value is too long for the length field.
    """
    if len(value) % 2:
        raise ValueError("a value must have an even number of bytes.")
    short = not element.encoding.implicit and len(element.header) == 8
    size = 2 if short else 4
    if len(value) >= 1 << 8 * size:
        raise ValueError(f"a value of {len(value)} bytes is too long for {element.vr}.")
    length = len(value).to_bytes(size, element.encoding.byte_order)
    return replace(element, header=element.header[:-size] + length, value=memoryview(value), trailer=b"")
