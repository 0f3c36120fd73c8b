"""NIfTI in one file, plain or gzipped."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

from monai_unlearnable.release.formats.base import ReleaseFormat
from monai_unlearnable.release.formats.newest import Newest
from monai_unlearnable.release.formats.only_image import only_image
from monai_unlearnable.release.hashing import bytes_sha256
from monai_unlearnable.sources.nifti_file import decode_nifti, read_nifti_parts
from monai_unlearnable.types import StoredValues

__all__ = ["NiftiFormat"]

_LEVEL = 1
"""As nibabel packs: more effort makes files of grey values hardly smaller and takes several times as long."""


class NiftiFormat(ReleaseFormat):
    """One volume in each file; header, extensions and whatever follows the numbers are kept byte by byte.

    The numbers keep their type, byte order and order. A gzipped template gives a gzipped file, without name and time,
    so that equal content gives equal files. Images of a floating-point file are read and written as its floats.
    """

    name = "nifti"

    def __init__(self) -> None:
        self._newest = Newest(read_nifti_parts)

    def read(self, path: Path) -> Iterator[StoredValues]:
        """Yield the one image of the file; see :meth:`ReleaseFormat.read`."""
        yield decode_nifti(self._newest.of(path), path)

    def write(self, path: Path, *, template: Path, images: Iterator[StoredValues]) -> None:
        """Write the template with another image; see :meth:`ReleaseFormat.write`."""
        parts = self._newest.of(template)
        dtype = parts.block.dtype.newbyteorder("=")
        image = only_image(images, template=template, shape=parts.block.shape, dtype=dtype)
        body = parts.block.encode(image)
        with path.open("wb") as stream:
            if not parts.packed:
                stream.writelines((parts.head, body, parts.tail))
                return
            with gzip.GzipFile(filename="", mode="wb", fileobj=stream, compresslevel=_LEVEL, mtime=0) as packed:
                packed.writelines((parts.head, body, parts.tail))

    def untouched_sha256(self, path: Path) -> dict[str, str]:
        """Hash what lies before and after the numbers; see :meth:`ReleaseFormat.untouched_sha256`."""
        parts = self._newest.of(path)
        return {"header": bytes_sha256(parts.head), "tail": bytes_sha256(parts.tail)}
