"""Private elements that may hold a copy of the unprotected image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from monai_unlearnable.sources.dicom.content import DicomContent
from monai_unlearnable.sources.dicom.elements import Element, element_bytes, tag_text

__all__ = ["IMAGE_BYTES", "large_private_elements"]

IMAGE_BYTES = 64 * 64
"""An image of 64 x 64 pixels shows what it shows."""


def large_private_elements(content: DicomContent, *, minimum_bytes: int = IMAGE_BYTES) -> tuple[str, ...]:
    """List private elements as large as an image, at every level: tag and size, for a warning.

    Args:
        content: the file.
        minimum_bytes: how large an element has to be to be listed.
    """
    return tuple(_large(content.elements, minimum_bytes))


def _large(elements: Iterable[Element], minimum_bytes: int) -> Iterator[str]:
    for one in elements:
        if one.is_private and len(element_bytes(one)) >= minimum_bytes:
            yield f"{tag_text(one.tag)}, {len(element_bytes(one))} bytes"
        elif one.items is not None:
            for item in one.items:
                yield from _large(item.elements, minimum_bytes)
