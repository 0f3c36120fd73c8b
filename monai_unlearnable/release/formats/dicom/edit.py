"""Give a data set its new identity; every element that is not named here stays byte by byte."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, partial

from pydicom.dataset import Dataset

from monai_unlearnable import __version__
from monai_unlearnable.errors import ReleaseError
from monai_unlearnable.release.formats.dicom import tags
from monai_unlearnable.release.formats.dicom.encode import new_element, new_sequence, with_item, with_value
from monai_unlearnable.release.formats.dicom.groups import with_group_lengths
from monai_unlearnable.release.formats.dicom.identity import DERIVATION, MANUFACTURER, ReleaseIdentity
from monai_unlearnable.sources.dicom.content import DicomContent
from monai_unlearnable.sources.dicom.elements import Element, Encoding

__all__ = ["Elements", "identified", "placed", "text_value", "value_text"]

Elements = tuple[Element, ...]

_MAXIMUM_DERIVATION_BYTES = 1024
_ESCAPE = 0x1B


def identified(content: DicomContent, identity: ReleaseIdentity) -> Elements:
    """Return the data set of a released file, with its old pixels.

    Raises:
        ReleaseError: the file has no SOPInstanceUID.
    """
    encoding = content.encoding
    instance = content.find(tags.SOP_INSTANCE_UID)
    if instance is None or not value_text(instance):
        raise ReleaseError(f"{content.path}: has no SOPInstanceUID, so it cannot get a new one. Take it out.")
    elements = _scrubbed(content.elements, identity, nested=False)
    elements = placed(elements, _image_type(content), _derivation(content))
    for tag in (tags.SOP_INSTANCE_UID, tags.SERIES_INSTANCE_UID):
        element = content.find(tag)
        if element is not None and value_text(element):
            elements = placed(elements, text_value(element, identity.uids.new(value_text(element))))
    found = {one.tag: one for one in elements}
    equipment = found.get(tags.CONTRIBUTING_EQUIPMENT_SEQUENCE)
    elements = placed(elements, with_item(equipment, _equipment, encoding))
    if identity.reference_source:
        source = found.get(tags.SOURCE_IMAGE_SEQUENCE)
        elements = placed(elements, with_item(source, partial(_source, content), encoding))
    return with_group_lengths(content.elements, elements)


def placed(elements: Iterable[Element], *new: Element) -> Elements:
    """Return elements with others in place of those of the same tag, or where their tag belongs."""
    result = list(elements)
    for one in new:
        same = [index for index, old in enumerate(result) if old.tag == one.tag]
        if same:
            result[same[0]] = one
        else:
            result.insert(next((index for index, old in enumerate(result) if old.tag > one.tag), len(result)), one)
    return tuple(result)


def value_text(element: Element) -> str:
    """Return a UID or code string without its padding."""
    return bytes(element.value).decode("ascii", errors="replace").strip("\0 ")


def text_value(element: Element, text: str) -> Element:
    """Return an element with another UID or code string, padded as its type wants."""
    padding = b"\0" if element.vr in ("UI", "UN") else b" "
    value = text.encode("ascii")
    return with_value(element, value + padding * (len(value) % 2))


def _scrubbed(elements: Elements, identity: ReleaseIdentity, *, nested: bool) -> Elements:
    kept = []
    for element in elements:
        if element.tag in tags.REMOVED or (identity.drop_private and element.is_private):
            continue
        kept.append(_scrubbed_element(element, identity, nested=nested))
    return tuple(kept)


def _scrubbed_element(element: Element, identity: ReleaseIdentity, *, nested: bool) -> Element:
    if element.items is not None:
        items = []
        for item in element.items:
            inner = _scrubbed(item.elements, identity, nested=True)
            same = len(inner) == len(item.elements) and all(a is b for a, b in zip(inner, item.elements, strict=True))
            inner = inner if same else with_group_lengths(item.elements, inner)
            items.append(item if same else element.with_item_elements(item, inner))
        same = all(a is b for a, b in zip(items, element.items, strict=True))
        return element if same else element.with_items(tuple(items))
    if nested and element.tag in (tags.REFERENCED_SOP_INSTANCE_UID, tags.SERIES_INSTANCE_UID):
        old = value_text(element)
        return element if old not in identity.known else text_value(element, identity.reference(old))
    return _derived(element) if nested and element.tag == tags.FRAME_TYPE else element


def _derived(element: Element) -> Element:
    first, *others = bytes(element.value).split(b"\\")
    if first.strip(b"\0 ") == b"DERIVED":
        return element
    value = b"\\".join([b"DERIVED", *others]).rstrip(b"\0 ")
    return with_value(element, value + b" " * (len(value) % 2))


def _image_type(content: DicomContent) -> Element:
    element = content.find(tags.IMAGE_TYPE)
    if element is None or not value_text(element):
        return new_element(tags.IMAGE_TYPE, "CS", ["DERIVED", "SECONDARY"], content.encoding)
    return _derived(element)


def _derivation(content: DicomContent) -> Element:
    """Keep what was there before: it tells of lossy compression, for one."""
    new = _derivation_alone(content.encoding)
    element = content.find(tags.DERIVATION_DESCRIPTION)
    old = b"" if element is None else bytes(element.value).rstrip(b"\0 ")
    both = old + b" " + bytes(new.value).rstrip() if old else bytes(new.value)
    # After an escape sequence the same bytes may mean other letters.
    if not old or len(both) > _MAXIMUM_DERIVATION_BYTES or _ESCAPE in old:
        return new
    return with_value(new, both + b" " * (len(both) % 2))


@cache  # every file gets the same, and writing it with pydicom takes as long as reading a slice
def _derivation_alone(encoding: Encoding) -> Element:
    return new_element(tags.DERIVATION_DESCRIPTION, "ST", DERIVATION, encoding)


@cache
def _equipment(encoding: Encoding) -> Element:
    item = Dataset()
    item.Manufacturer = MANUFACTURER
    item.SoftwareVersions = __version__
    item.ContributionDescription = DERIVATION
    item.PurposeOfReferenceCodeSequence = [_code("109103", "Modifying Equipment")]
    return new_sequence(tags.CONTRIBUTING_EQUIPMENT_SEQUENCE, [item], encoding)


def _source(content: DicomContent, encoding: Encoding) -> Element:
    item = Dataset()
    sop_class, instance = content.find(tags.SOP_CLASS_UID), content.find(tags.SOP_INSTANCE_UID)
    item.ReferencedSOPClassUID = "" if sop_class is None else value_text(sop_class)
    item.ReferencedSOPInstanceUID = "" if instance is None else value_text(instance)
    item.PurposeOfReferenceCodeSequence = [_code("121322", "Source image for image processing operation")]
    return new_sequence(tags.SOURCE_IMAGE_SEQUENCE, [item], encoding)


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item
