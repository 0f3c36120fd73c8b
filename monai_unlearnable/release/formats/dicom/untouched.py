"""Hash everything in a file that releasing it must leave as it is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from monai_unlearnable.release.formats.dicom import tags
from monai_unlearnable.release.formats.dicom.edit import value_text
from monai_unlearnable.release.formats.dicom.identity import MANUFACTURER
from monai_unlearnable.sources.dicom.content import DicomContent
from monai_unlearnable.sources.dicom.elements import Element, Item, elements_bytes

__all__ = ["untouched_parts"]

_META_CHANGES = (tags.META_LENGTH, tags.META_INSTANCE_UID, tags.META_TRANSFER_SYNTAX)
_MANUFACTURER = 0x00080070
_ADDED_TYPE = b"SECONDARY"  # the second value of an ImageType that the original does not have
_LONGER = (tags.CONTRIBUTING_EQUIPMENT_SEQUENCE, tags.SOURCE_IMAGE_SEQUENCE)


def untouched_parts(content: DicomContent, *, drop_private: bool) -> dict[str, str]:
    """Return SHA-256 of the preamble with file meta information, and of the data set, without what may change.

    There are few hashes on purpose: the hash of a single name or number could be guessed.

    Args:
        content: the original or its released copy; both give the same.
        drop_private: whether the release leaves private elements out.
    """
    meta = [one for one in content.meta if one.tag not in _META_CHANGES]
    data_set = hashlib.sha256()
    for piece in _pieces(content.elements, drop_private, nested=False):
        data_set.update(piece)
    return {
        "file_meta": hashlib.sha256(content.prefix + elements_bytes(meta)).hexdigest(),
        "data_set": data_set.hexdigest(),
    }


def _pieces(elements: Iterable[Element], drop_private: bool, *, nested: bool) -> Iterator[bytes]:
    for one in elements:
        may_change = one.tag in tags.ALLOWED_TO_CHANGE or one.tag & 0xFFFF == 0
        if may_change or (drop_private and one.is_private):
            continue
        if one.items is not None:
            kept = [item for item in one.items if not _may_be_added(one.tag, item, nested)]
            if kept or one.tag not in _LONGER:
                yield _head(one, len(kept))
            for item in kept:
                pieces = b"".join(_pieces(item.elements, drop_private, nested=True))
                yield len(pieces).to_bytes(8, "little") + pieces
            continue
        value = _value(one)
        if value is not None:
            yield _head(one, len(value)) + value


def _head(element: Element, count: int) -> bytes:
    return f"{element.tag:08x}{element.vr}{count};".encode()


def _may_be_added(tag: int, item: Item, nested: bool) -> bool:
    if nested or tag not in _LONGER:
        return False
    if tag == tags.SOURCE_IMAGE_SEQUENCE:
        return any(b"121322" in elements_bytes(one.elements) for one in _purposes(item))
    return any(one.tag == _MANUFACTURER and value_text(one) == MANUFACTURER for one in item.elements)


def _purposes(item: Item) -> Iterator[Item]:
    for one in item.elements:
        if one.tag == 0x0040A170 and one.items is not None:
            yield from one.items


def _value(element: Element) -> bytes | None:
    value = bytes(element.value)
    if element.tag in (tags.IMAGE_TYPE, tags.FRAME_TYPE):
        others = b"\\".join(value.rstrip(b"\0 ").split(b"\\")[1:])
        return None if others in (b"", _ADDED_TYPE) else others
    if element.tag == tags.PHOTOMETRIC_INTERPRETATION:
        return b"RGB" if value.startswith((b"RGB", b"YBR")) else value
    return value
