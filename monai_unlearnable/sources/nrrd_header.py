"""The text header of NRRD files with the numbers in the same file (``.nrrd``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from monai_unlearnable.sources.block_file import BlockLayout
from monai_unlearnable.sources.data_block import DataBlock
from monai_unlearnable.sources.file_errors import Refused
from monai_unlearnable.sources.header_text import LARGEST_HEADER_BYTES, parse_sizes

__all__ = ["nrrd_fields", "read_nrrd_layout"]

_SIGNATURE = b"NRRD000"
_TYPES = {
    "i1": "signed char, int8, int8_t",
    "u1": "uchar, unsigned char, uint8, uint8_t",
    "i2": "short, short int, signed short, signed short int, int16, int16_t",
    "u2": "ushort, unsigned short, unsigned short int, uint16, uint16_t",
    "i4": "int, signed int, int32, int32_t",
    "u4": "uint, unsigned int, uint32, uint32_t",
    "f4": "float",
    "f8": "double",
}
_CODES = {name: code for code, names in _TYPES.items() for name in names.split(", ")}
_PACKINGS = {"raw": "", "gzip": "gzip", "gz": "gzip"}
_SPACE_KINDS = ("domain", "space")
_REFUSED_KINDS = ("complex",)
_HOUNSFIELD = ("hu", "hounsfield", "hounsfield unit", "hounsfield units")
_NOT_HANDLED = ("data file", "line skip", "byte skip")
_SAME = {"datafile": "data file", "lineskip": "line skip", "byteskip": "byte skip", "sampleunits": "sample units"}


def read_nrrd_layout(path: Path) -> BlockLayout:
    """Read the header of a NRRD file.

    Raises:
        Refused: it is not one, or of a kind that is not handled.
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        start = stream.read(LARGEST_HEADER_BYTES)
    fields, head_bytes = nrrd_fields(start)
    for key in "type", "dimension", "sizes", "encoding":
        if key not in fields:
            raise Refused(f"its header has no {key!r}.")
    if "data file" in fields:
        raise Refused(
            f"its numbers lie in another file ({fields['data file'][:80]!r}), which is not handled. Save it as one "
            f"attached .nrrd file."
        )
    for key in _NOT_HANDLED:
        if fields.get(key, "0") != "0":
            raise Refused(f"says {key} {fields[key][:40]!r}, which is not handled. Save it without.")
    if fields["encoding"].lower() not in _PACKINGS:
        raise Refused(f"is encoded as {fields['encoding'][:40]!r}; only raw and gzip are handled. Save it as gzip.")
    return BlockLayout(
        head=start[:head_bytes],
        file=path,
        offset_bytes=head_bytes,
        packing=_PACKINGS[fields["encoding"].lower()],
        block=_block(fields),
        format="nrrd",
        unit="HU" if fields.get("sample units", "").strip('"').lower() in _HOUNSFIELD else "",
    )


def nrrd_fields(start: bytes) -> tuple[dict[str, str], int]:
    """Return the fields of a header, without comments and key/value pairs, and how many bytes it has.

    Raises:
        Refused: it is not a NRRD header, does not end, or a field is there twice.
    """
    if not start.startswith(_SIGNATURE):
        raise Refused("is not a NRRD file.")
    fields: dict[str, str] = {}
    position = start.find(b"\n") + 1
    while position > 0 and (end := start.find(b"\n", position)) >= 0:
        line = start[position:end].removesuffix(b"\r").decode("latin-1")
        position = end + 1
        if not line:
            return fields, position
        pair, field = line.find(":="), line.find(": ")
        if line.startswith("#") or (pair >= 0 and (field < 0 or pair < field)):
            continue
        name, colon, value = line.partition(":")
        key = _SAME.get(name.strip().lower(), name.strip().lower())
        if not colon or key in fields:
            raise Refused(f"its header has the line {line[:80]!r}, which is no field or is there twice.")
        fields[key] = value.strip()
    raise Refused("its header does not end; the file is cut short or has its numbers elsewhere.")


def _block(fields: dict[str, str]) -> DataBlock:
    (axes,) = parse_sizes(fields["dimension"], name="dimension", count=1)
    sizes = parse_sizes(fields["sizes"], name="sizes", count=axes)
    name = fields["type"].lower()
    if name not in _CODES:
        raise Refused(f"holds {name[:40]!r} numbers, which are not handled. Save it as one of {', '.join(_CODES)}.")
    dtype = np.dtype(_CODES[name])
    order = fields.get("endian", "").lower()
    if dtype.itemsize > 1 and order not in ("little", "big"):
        raise Refused(f"its header says endian {order[:40]!r}; it must be little or big.")
    channels = _channel_axes(fields, axes)
    return DataBlock(
        dtype=dtype.newbyteorder(">" if order == "big" else "<"),
        file_shape=tuple(reversed(sizes)),
        channel_axes=tuple(sorted(axes - 1 - axis for axis in channels)),
    )


def _channel_axes(fields: dict[str, str], axes: int) -> list[int]:
    """Return which axes are no space, as numbered in the file: from the fastest on."""
    kinds = fields.get("kinds", "").lower().split()
    if kinds and len(kinds) != axes:
        raise Refused(f"its header says {len(kinds)} kinds of {axes} axes.")
    refused = [one for one in kinds if one in _REFUSED_KINDS]
    if refused:
        raise Refused(f"has an axis of kind {refused[0]!r}, which is not handled.")
    directions = _directions(fields, axes)
    channels = [
        axis
        for axis in range(axes)
        if (directions and directions[axis] == "none") or (kinds and kinds[axis] not in (*_SPACE_KINDS, "???", "none"))
    ]
    space = [axis for axis in range(axes) if axis not in channels]
    if not 2 <= len(space) <= 4:
        raise Refused(f"has {len(space)} axes of space; two or three are handled, and a fourth as channels.")
    return [*channels, *space[3:]]


def _directions(fields: dict[str, str], axes: int) -> list[str]:
    text = fields.get("space directions", "").lower()
    if not text:
        return []
    directions = text.replace("(", " (").replace(", ", ",").split()
    if len(directions) != axes:
        raise Refused(f"its header says {len(directions)} space directions of {axes} axes.")
    return directions
