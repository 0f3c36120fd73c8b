"""Read the chunks of a PNG file: header, checksums, and what lies beside the pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["PNG_SIGNATURE", "Chunk", "PngHeader", "encode_chunk", "iterate_chunks", "parse_header"]

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Chunk:
    """One chunk: its four-letter kind and its bytes."""

    kind: bytes
    body: bytes


@dataclass(frozen=True)
class PngHeader:
    """What the IHDR chunk says.

    Attributes:
        width: columns in px.
        height: rows in px.
        bit_depth: bits of one sample (1, 2, 4, 8, 16).
        colour_type: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha.
    """

    width: int
    height: int
    bit_depth: int
    colour_type: int


def parse_header(start: bytes) -> PngHeader:
    """Parse the first 26 bytes of a PNG file.

    Raises:
        ValueError: the bytes are not the start of a PNG file.
    """
    if len(start) < 26 or not start.startswith(PNG_SIGNATURE) or start[12:16] != b"IHDR":
        raise ValueError("not the start of a PNG file")
    return PngHeader(*struct.unpack(">IIBB", start[16:26]))


def iterate_chunks(data: bytes) -> Iterator[Chunk]:
    """Yield every chunk of a PNG file up to its end, each with its checksum proved.

    Raises:
        ValueError: the file is cut short, or a checksum does not fit its chunk.
    """
    if not data.startswith(PNG_SIGNATURE):
        raise ValueError("no PNG signature")
    position = len(PNG_SIGNATURE)
    while True:
        if position + 12 > len(data):
            raise ValueError("the file ends before its IEND chunk")
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        end = position + 12 + length
        if end > len(data):
            raise ValueError(f"the file ends inside its {_named(kind)} chunk")
        (said,) = struct.unpack(">I", data[end - 4 : end])
        if zlib.crc32(data[position + 4 : end - 4]) != said:
            raise ValueError(f"the checksum of its {_named(kind)} chunk is wrong")
        yield Chunk(kind, data[position + 8 : end - 4])
        if kind == b"IEND":
            return
        position = end


def _named(kind: bytes) -> str:
    return kind.decode("ascii", errors="backslashreplace")


def encode_chunk(chunk: Chunk) -> bytes:
    """Return the bytes of one chunk as they lie in a file: length, kind, body, checksum."""
    named = chunk.kind + chunk.body
    return struct.pack(">I", len(chunk.body)) + named + struct.pack(">I", zlib.crc32(named))
