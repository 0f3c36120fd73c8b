"""A header of text and a block of numbers: what MetaImage and NRRD files are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from monai_unlearnable.sources.data_block import (
    LARGEST_TAIL_BYTES,
    DataBlock,
    check_fits,
    inflate,
)
from monai_unlearnable.sources.file_errors import Refused

__all__ = ["BlockLayout", "BlockParts", "check_layout", "read_parts"]


@dataclass(frozen=True, kw_only=True)
class BlockLayout:
    """What a header says of its file.

    Attributes:
        head: every byte of the header.
        redundant: ranges of the header that only say where and how long the numbers are, and may change with them.
        file: the file that holds the numbers: the header's own, or one beside it.
        offset_bytes: where in ``file`` they start.
        packing: ``''`` for plain numbers, ``zlib`` or ``gzip``.
        packed_bytes: how long the packed numbers are, where the header says so.
        block: how the numbers lie.
        format: ``mha``, ``mhd`` or ``nrrd``.
        level_size: size of a level in the file's own unit.
        unit: ``HU`` or ``''``.
        slope: size of a level with its sign.
        intercept: value of level 0, in the file's own unit.
    """

    head: bytes
    redundant: tuple[tuple[int, int], ...] = ()
    file: Path
    offset_bytes: int
    packing: str = ""
    packed_bytes: int | None = None
    block: DataBlock
    format: str
    level_size: float = 1.0
    unit: str = ""
    slope: float = 1.0
    intercept: float = 0.0

    @property
    def lasting_head(self) -> bytes:
        """The header without its redundant ranges."""
        kept, position = b"", 0
        for start, stop in sorted(self.redundant):
            kept, position = kept + self.head[position:start], stop
        return kept + self.head[position:]


@dataclass(frozen=True, kw_only=True)
class BlockParts:
    """A whole file, taken apart.

    Attributes:
        layout: what its header says.
        body: the numbers' bytes, unpacked.
        tail: every byte after them.
    """

    layout: BlockLayout
    body: bytes
    tail: bytes


def check_layout(layout: BlockLayout) -> None:
    """Refuse a header that claims more than its file holds.

    Raises:
        Refused: it does.
        OSError: there is no such file.
    """
    available = layout.file.stat().st_size - layout.offset_bytes
    if layout.packed_bytes is not None:
        if layout.packed_bytes > available:
            raise Refused(
                f"its header says {layout.packed_bytes} bytes of compressed pixels, the file holds {available}. "
                f"It is cut short; fetch it again."
            )
        available = layout.packed_bytes
    check_fits(layout.block, available, packed=bool(layout.packing))


def read_parts(layout: BlockLayout) -> BlockParts:
    """Read the numbers and what follows them.

    Raises:
        Refused: they are damaged, cut short, or more than the header says.
        OSError: the file cannot be read.
    """
    check_layout(layout)
    with layout.file.open("rb") as stream:
        stream.seek(layout.offset_bytes)
        data = stream.read()
    if not layout.packing:
        body, tail = data[: layout.block.size_bytes], data[layout.block.size_bytes :]
    else:
        packed = data if layout.packed_bytes is None else data[: layout.packed_bytes]
        body, rest = inflate(packed, size_bytes=layout.block.size_bytes, gzip=layout.packing == "gzip")
        if rest and layout.packed_bytes is not None:
            raise Refused(f"{len(rest)} bytes of its compressed pixels are not needed; its header or they are wrong.")
        tail = rest if layout.packed_bytes is None else data[layout.packed_bytes :]
    if len(tail) > LARGEST_TAIL_BYTES:
        raise Refused(f"holds more than {LARGEST_TAIL_BYTES} bytes after the numbers that its header says.")
    return BlockParts(layout=layout, body=body, tail=tail)
