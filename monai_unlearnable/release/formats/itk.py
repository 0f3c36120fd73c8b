"""The formats of ITK: MetaImage and NRRD."""

from __future__ import annotations

import gzip
import zlib
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path

from monai_unlearnable.release.formats.base import ReleaseFormat
from monai_unlearnable.release.formats.newest import Newest
from monai_unlearnable.release.formats.only_image import only_image
from monai_unlearnable.release.hashing import bytes_sha256
from monai_unlearnable.sources.block_file import BlockLayout
from monai_unlearnable.sources.itk_file import BlockFormat, MetaImageFile, NrrdFile, decode_block
from monai_unlearnable.sources.metaimage_header import LOCAL, metaimage_fields
from monai_unlearnable.types import StoredValues

__all__ = ["BlockReleaseFormat", "MetaImageFormat", "NrrdFormat"]

_LEVEL = 1
"""More effort makes files of grey values hardly smaller and takes several times as long."""


class BlockReleaseFormat(ReleaseFormat):
    """One volume in each file; the header and whatever follows the numbers are kept byte by byte.

    The numbers keep their type, byte order and order; packed ones are packed again. Images of a floating-point file are
    read and written as its floats.
    """

    reader: BlockFormat

    def __init__(self) -> None:
        self._newest = Newest(self.reader.parts)

    @abstractmethod
    def head(self, layout: BlockLayout, *, packed_bytes: int) -> bytes:
        """Return the header for numbers that take so many bytes in the file."""

    def read(self, path: Path) -> Iterator[StoredValues]:
        """Yield the one image of the file; see :meth:`ReleaseFormat.read`."""
        yield decode_block(self._newest.of(path), path)

    def write(self, path: Path, *, template: Path, images: Iterator[StoredValues]) -> None:
        """Write the template with another image; see :meth:`ReleaseFormat.write`."""
        parts = self._newest.of(template)
        block = parts.layout.block
        image = only_image(images, template=template, shape=block.shape, dtype=block.dtype.newbyteorder("="))
        body = _pack(block.encode(image), packing=parts.layout.packing)
        with path.open("wb") as stream:
            stream.writelines((self.head(parts.layout, packed_bytes=len(body)), body, parts.tail))

    def untouched_sha256(self, path: Path) -> dict[str, str]:
        """Hash what lies before and after the numbers; see :meth:`ReleaseFormat.untouched_sha256`."""
        parts = self._newest.of(path)
        return {"header": bytes_sha256(parts.layout.lasting_head), "tail": bytes_sha256(parts.tail)}


class MetaImageFormat(BlockReleaseFormat):
    """MetaImage, always as one file: what was ``.mhd`` and ``.raw`` is written as ``.mha``.

    Of the header only ``ElementDataFile`` (which becomes ``LOCAL``) and ``CompressedDataSize`` may change.
    """

    name = "mha"
    reader = MetaImageFile()

    def head(self, layout: BlockLayout, *, packed_bytes: int) -> bytes:
        """Return the header with the place and length of the new numbers; see :meth:`BlockReleaseFormat.head`."""
        fields, _ = metaimage_fields(layout.head)
        values = {"ElementDataFile": LOCAL}
        if layout.packing:
            values["CompressedDataSize"] = str(packed_bytes)
        head = layout.head
        for key in sorted(values, key=lambda one: fields[one].start, reverse=True):
            head = head[: fields[key].start] + values[key].encode() + head[fields[key].stop :]
        return head


class NrrdFormat(BlockReleaseFormat):
    """NRRD with its numbers in the same file; not one byte of the header changes."""

    name = "nrrd"
    reader = NrrdFile()

    def head(self, layout: BlockLayout, *, packed_bytes: int) -> bytes:
        """Return the header as it was; see :meth:`BlockReleaseFormat.head`."""
        return layout.head


def _pack(body: memoryview, *, packing: str) -> bytes | memoryview:
    if packing == "zlib":
        return zlib.compress(body, _LEVEL)
    # No name and no time, so that equal content gives equal files.
    return gzip.compress(body, _LEVEL, mtime=0) if packing == "gzip" else body
