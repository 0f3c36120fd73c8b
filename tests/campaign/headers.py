"""Overwrite single fields of a file's header with values that nobody expects, and leave the rest whole."""

from __future__ import annotations

import gzip
import io
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable

_WHOLE = (0, 1, 2, 3, 7, 8, 15, 16, 17, 64, 255, 256, 1023, 32767, 32768, 65535, 2**31 - 1, 2**31, 2**32 - 1, -1, -2)
_REAL = (0.0, 1.0, -1.0, 0.5, 347.0, 351.9, 352.0, 1e9, 1e308, -1e308, float("nan"), float("inf"), -float("inf"))
_TEXT = (
    *("", "0", "-1", "1", "2", "3.5", "12 12", "12 12 3 1", "4294967296", "65536 65536 65536", "1e308", "nan", "True"),
    *("False", "LOCAL", "MET_FLOAT", "MET_UCHAR", "MET_USHORT_ARRAY", "uint8", "double", "short", "raw", "gzip", "hex"),
    *("big", "little", "none", "domain domain", "(1,0,0) (0,1,0)", "../../../etc/hostname", "suspect.raw", "\xff\xfe"),
)
_NIFTI_FIELDS = (
    *(("i", 0), ("h", 68), ("h", 70), ("h", 72), ("f", 108), ("f", 112), ("f", 116), ("f", 124), ("h", 252)),
    *(("h", 254), ("i", 344), ("b", 123), ("i", 348), *(("h", 40 + 2 * at) for at in range(8))),
    *(("f", 76 + 4 * at) for at in range(5)),
)
_NIFTI2_FIELDS = (
    *(("i", 0), ("i", 4), ("h", 12), ("h", 14), ("q", 168), ("d", 176), ("d", 184), ("i", 344), ("i", 540)),
    *(("q", 16 + 8 * at) for at in range(8)),
)
_BMP_FIELDS = (("I", 2), ("I", 10), ("I", 14), ("i", 18), ("i", 22), ("H", 26), ("H", 28), ("I", 30), ("I", 46))
_DICOM_TAGS = (
    *(0x00020010, 0x00080016, 0x00080018, 0x0020000E, 0x00200013, 0x00200032, 0x00200037, 0x00280002, 0x00280004),
    *(0x00280006, 0x00280008, 0x00280010, 0x00280011, 0x00280100, 0x00280101, 0x00280102, 0x00280103, 0x7FE00010),
)


def damage_header(kind: str, data: bytes, generator: random.Random) -> bytes:
    """Return a copy whose header says something else.

    Args:
        kind: whose header it is; a kind that is not known gets bytes in its first 64 overwritten.
        data: the whole file.
        generator: where, and which value.
    """
    return _DAMAGES.get(kind, _anything)(data, generator)


def _anything(data: bytes, generator: random.Random) -> bytes:
    at = generator.randrange(min(64, len(data)))
    return data[:at] + generator.randbytes(2) + data[at + 2 :]


def _packed(layout: str, generator: random.Random) -> bytes:
    """A field that holds an odd number; what does not fit is cut."""
    if layout in "fd":
        real: float = generator.choice(_REAL)
        return bytes(struct.pack(f"<{layout}", real if layout == "d" or abs(real) < 1e38 else float("inf")))
    size = struct.calcsize(f"<{layout}")
    whole: int = generator.choice(_WHOLE)
    return (whole % (1 << 8 * size)).to_bytes(size, "little")


def _fields(*fields: tuple[str, int]) -> Callable[[bytes, random.Random], bytes]:
    def damage(data: bytes, generator: random.Random) -> bytes:
        changed = bytearray(data)
        for layout, at in generator.sample(fields, generator.choice((1, 1, 2))):
            field = _packed(layout, generator)
            changed[at : at + len(field)] = field
        return bytes(changed)

    return damage


def _nifti(data: bytes, generator: random.Random) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return _fields(*_NIFTI_FIELDS)(data, generator)
    return gzip.compress(_fields(*_NIFTI_FIELDS)(gzip.decompress(data), generator), mtime=0)


def _text(data: bytes, generator: random.Random) -> bytes:
    lines = list(re.finditer(rb"^([\w ]+)( = |: )(.*)$", data[:1500], flags=re.M))
    one = generator.choice(lines)
    start, end = one.span(3)
    return data[:start] + generator.choice(_TEXT).encode("latin-1") + data[end:]


def _png(data: bytes, generator: random.Random) -> bytes:
    layout, at = generator.choice((("I", 16), ("I", 20), ("B", 24), ("B", 25), ("B", 26), ("B", 27), ("B", 28)))
    changed = bytearray(data)
    field = _packed(layout, generator)[::-1]
    changed[at : at + len(field)] = field
    changed[29:33] = struct.pack(">I", zlib.crc32(changed[12:29]))  # a checksum that holds, so that the value is seen
    return bytes(changed)


def _tiff(data: bytes, generator: random.Random) -> bytes:
    start = struct.unpack_from("<I", data, 4)[0]
    entries = struct.unpack_from("<H", data, start)[0]
    entry = start + 2 + 12 * generator.randrange(entries)
    layout, offset = generator.choice((("H", 0), ("H", 2), ("I", 4), ("I", 8), ("H", 8), ("H", 8)))
    changed = bytearray(data)
    field = _packed(layout, generator)
    changed[entry + offset : entry + offset + len(field)] = field
    return bytes(changed)


def _dicom(data: bytes, generator: random.Random) -> bytes:
    tags = list(_DICOM_TAGS)
    generator.shuffle(tags)
    for tag in tags:
        for order in "<>":
            at = data.find(struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF), 132)
            if at >= 0:
                offset = generator.choice((4, 6, 8, 8, 8, 9))  # type or length, or the value
                field = generator.choice((_packed("H", generator), generator.choice(_TEXT).encode("latin-1")[:4]))
                return data[: at + offset] + field + data[at + offset + len(field) :]
    return _anything(data, generator)


def _npz(data: bytes, generator: random.Random) -> bytes:
    texts = (b"'<u1'", b"'|O'", b"'<f8'", b"'<i8'", b"True", b"(4, 12)", b"(2147483647, 2147483647)", b"(-1,)", b"()")
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(made, "w") as changed:
        names = archive.namelist()
        chosen = generator.choice(names)
        for name in names:
            member = archive.read(name)
            if name == chosen:
                old = generator.choice((rb"'\|?<?[ui]\d'", rb"False", rb"\([^)]*\)"))
                member = re.sub(old, lambda _: generator.choice(texts), member, count=1)
            changed.writestr(name if generator.random() > 0.05 else "../other.npy", member)
    return made.getvalue()


_DAMAGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "png": _png,
    "bmp": _fields(*_BMP_FIELDS),
    "tiff": _tiff,
    "nifti": _nifti,
    "nifti2": _fields(*_NIFTI2_FIELDS),
    "text": _text,
    "dicom": _dicom,
    "npz": _npz,
}
