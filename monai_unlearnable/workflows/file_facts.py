"""What the headers of a source's files agree on, before any pixel is read."""

from __future__ import annotations

from dataclasses import dataclass

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources import Source
from monai_unlearnable.sources.dicom import DicomHeader
from monai_unlearnable.sources.image_file import ImageHeader

__all__ = ["FileFacts", "read_file_facts"]

_LARGEST_EXACT_LEVEL = 1 << 24
"""Deltas are computed in float32, which has every whole number up to here."""


@dataclass(frozen=True)
class FileFacts:
    """What every file of a source can hold, and how large its levels are.

    Attributes:
        low_level: smallest level that a pixel of every file may have.
        high_level: largest level that a pixel of every file may have.
        level_size_hu: size of one level in HU; None where not every file has the same.
        no_hu_reason: why not, with the name of a file; else ''.
        is_hu: whether some file is in HU.
    """

    low_level: int
    high_level: int
    level_size_hu: float | None
    no_hu_reason: str
    is_hu: bool


def read_file_facts(source: Source) -> FileFacts:
    """Read every header.

    Raises:
        SourceError: a header cannot be read, or no level fits every file.
    """
    headers = [source.header(index) for index in range(len(source))]
    low = max(max(one.low_level for one in headers), -_LARGEST_EXACT_LEVEL)
    high = min(min(one.high_level for one in headers), _LARGEST_EXACT_LEVEL)
    if not low < high:
        raise SourceError(f"{source.path}: no level fits every file (from {low} to {high}); protect them apart.")
    reason = _no_hu_reason(source, headers)
    size = None if reason else headers[0].level_size
    return FileFacts(low, high, size, reason, any(one.unit == "HU" for one in headers))


def _no_hu_reason(source: Source, headers: list[ImageHeader]) -> str:
    first = headers[0]
    for sample_id, one in zip(source.sample_ids, headers, strict=True):
        if one.unit != "HU":
            return f"{sample_id} has no rescale to HU"
        sizes = one.level_sizes if isinstance(one, DicomHeader) else (one.level_size,)
        other = next((size for size in sizes if size != first.level_size), None)
        if other is not None:
            return (
                f"{sample_id} has levels of {other:g} HU, {source.sample_ids[0]} of {first.level_size:g} HU; a radius "
                "in HU needs one size for all"
            )
    return ""
