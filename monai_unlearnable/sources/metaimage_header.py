"""The text header of MetaImage files (``.mha``, ``.mhd``)."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from monai_unlearnable.sources.block_file import BlockLayout
from monai_unlearnable.sources.data_block import DataBlock
from monai_unlearnable.sources.file_errors import Refused
from monai_unlearnable.sources.header_text import (
    LARGEST_HEADER_BYTES,
    HeaderField,
    parse_float,
    parse_numbers,
    parse_sizes,
)

__all__ = ["LOCAL", "metaimage_fields", "read_metaimage_layout"]

LOCAL = "LOCAL"
"""What ``ElementDataFile`` says where the numbers follow the header."""

_TYPES = {
    "MET_UCHAR": "u1",
    "MET_CHAR": "i1",
    "MET_USHORT": "u2",
    "MET_SHORT": "i2",
    "MET_UINT": "u4",
    "MET_INT": "i4",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_LAST_KEY = "ElementDataFile"


def read_metaimage_layout(path: Path) -> BlockLayout:
    """Read the header of a MetaImage file.

    Raises:
        Refused: it is not one, or of a kind that is not handled.
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        start = stream.read(LARGEST_HEADER_BYTES)
    fields, head_bytes = metaimage_fields(start)
    values = {key: field.value for key, field in fields.items()}
    _check_kind(values)
    target = values[_LAST_KEY]
    local = target in (LOCAL, "Local", "local")
    packed = _is_true(values.get("CompressedData", "False"))
    slope = parse_float(values.get("ElementToIntensityFunctionSlope", "1"), name="ElementToIntensityFunctionSlope")
    slope = slope if slope and np.isfinite(slope) else 1.0
    intercept = parse_numbers(values.get("ElementToIntensityFunctionOffset", "0"))
    redundant = [_LAST_KEY, "CompressedDataSize"] if packed else [_LAST_KEY]
    return BlockLayout(
        head=start[:head_bytes],
        redundant=tuple((fields[key].start, fields[key].stop) for key in redundant if key in fields),
        file=path if local else path.parent / _plain_name(target),
        offset_bytes=head_bytes if local else 0,
        packing="zlib" if packed else "",
        packed_bytes=_packed_bytes(values) if packed else None,
        block=_block(values),
        format="mha" if local else "mhd",
        level_size=abs(slope),
        slope=slope,
        intercept=intercept[0] if len(intercept) == 1 else 0.0,
    )


def metaimage_fields(start: bytes) -> tuple[dict[str, HeaderField], int]:
    """Return the fields of a header up to its last one, ``ElementDataFile``, and how many bytes it has.

    Raises:
        Refused: there is no such field, or a field is there twice.
    """
    fields: dict[str, HeaderField] = {}
    position = 0
    while (end := start.find(b"\n", position)) >= 0:
        key_bytes, equals, value_bytes = start[position:end].partition(b"=")
        key = key_bytes.decode("latin-1").strip()
        if not equals:
            break
        if key in fields:
            raise Refused(f"its header says {key[:40]} twice.")
        value = value_bytes.strip()
        value_start = position + len(key_bytes) + 1 + (value_bytes.find(value) if value else 0)
        fields[key] = HeaderField(value.decode("latin-1"), value_start, value_start + len(value))
        position = end + 1
        if key == _LAST_KEY:
            return fields, position
    raise Refused(f"is not a MetaImage file: its header has no {_LAST_KEY}.")


def _check_kind(values: dict[str, str]) -> None:
    if values.get("ObjectType", "Image") != "Image":
        raise Refused(f"holds the MetaIO object {values['ObjectType'][:40]!r}, not an image.")
    if not _is_true(values.get("BinaryData", "True")):
        raise Refused("holds its numbers as text, which is not handled. Save it as binary.")
    if values.get("HeaderSize", "0") != "0":
        raise Refused(f"says HeaderSize {values['HeaderSize'][:40]!r}, which is not handled; save it without.")
    for key in "NDims", "DimSize", "ElementType":
        if key not in values:
            raise Refused(f"its header has no {key}.")


def _block(values: dict[str, str]) -> DataBlock:
    (axes,) = parse_sizes(values["NDims"], name="NDims", count=1)
    if not 2 <= axes <= 4:
        raise Refused(f"its header says {axes} dimensions; two to four are handled.")
    sizes = parse_sizes(values["DimSize"], name="DimSize", count=axes)
    (channels,) = parse_sizes(values.get("ElementNumberOfChannels", "1"), name="ElementNumberOfChannels", count=1)
    element = values["ElementType"]
    if element not in _TYPES:
        raise Refused(f"holds {element[:40]} numbers, which are not handled. Save it as one of {', '.join(_TYPES)}.")
    swapped = values.get("BinaryDataByteOrderMSB", values.get("ElementByteOrderMSB", "False"))
    dtype = np.dtype(_TYPES[element]).newbyteorder(">" if _is_true(swapped) else "<")
    time_axis = (0,) if axes == 4 else ()
    return DataBlock(dtype=dtype, file_shape=(*reversed(sizes), channels), channel_axes=(*time_axis, axes))


def _packed_bytes(values: dict[str, str]) -> int:
    if "CompressedDataSize" not in values:
        raise Refused("its header has no CompressedDataSize, without which ITK cannot read it either.")
    return parse_sizes(values["CompressedDataSize"], name="CompressedDataSize", count=1)[0]


def _plain_name(target: str) -> str:
    """Return the name of the file with the numbers, which must lie beside its header."""
    name = PurePosixPath(target.replace("\\", "/")).name
    if name != target or name in ("", ".", "..", "LIST") or "%" in name or not name.isprintable():
        raise Refused(
            f"its numbers lie in {target[:80]!r}; only LOCAL and the name of one file beside the header are handled."
        )
    return name


def _is_true(text: str) -> bool:
    return text[:1] in ("T", "t", "1")
