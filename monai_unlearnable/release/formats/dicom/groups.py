"""Retired group lengths (gggg,0000) that old files still carry: keep them true."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from monai_unlearnable.release.formats.dicom.encode import with_value
from monai_unlearnable.sources.dicom.elements import Element, element_bytes

__all__ = ["with_group_lengths"]


def with_group_lengths(old: Iterable[Element], new: Iterable[Element]) -> tuple[Element, ...]:
    """Return the new elements, each group length changed by as much as its group grew or shrank."""
    new = tuple(new)
    lengths = [one for one in new if one.tag & 0xFFFF == 0 and len(one.value) == 4]
    if not lengths:
        return new
    before, after = _group_bytes(old), _group_bytes(new)
    changed = {}
    for one in lengths:
        group, order = one.tag >> 16, one.encoding.byte_order
        length = int.from_bytes(one.value, order) + after[group] - before[group]
        if after[group] != before[group] and 0 <= length < 1 << 32:
            changed[one.tag] = with_value(one, length.to_bytes(4, order))
    return tuple(changed.get(one.tag, one) for one in new)


def _group_bytes(elements: Iterable[Element]) -> Counter[int]:
    sizes: Counter[int] = Counter()
    for one in elements:
        sizes[one.tag >> 16] += len(element_bytes(one))
    return sizes
