"""PNG of 8 or 16 bit, grey or RGB."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from monai_unlearnable.errors import ReleaseError
from monai_unlearnable.release.formats.base import ReleaseFormat
from monai_unlearnable.sources.pictures import read_header, read_picture
from monai_unlearnable.sources.png_chunks import PNG_SIGNATURE, Chunk, encode_chunk, iterate_chunks
from monai_unlearnable.sources.rgb16 import write_rgb16
from monai_unlearnable.types import StoredValues

__all__ = ["PngFormat"]

_KEPT = (b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT", b"pHYs")
"""Chunks that say how to show or measure the pixels. Texts, times and EXIF may name a patient and are left out."""

_IHDR_BYTES = 8 + 25
_ORIENTATION = 0x0112
_METRES_PER_INCH = 0.0254


class PngFormat(ReleaseFormat):
    """One picture in each file, written as PNG whatever the source's format was.

    What says how to show or measure the pixels is kept: colour space, pixel size, and (as the only EXIF value) the
    orientation. Texts, times and other EXIF values are not.
    """

    name = "png"

    def read(self, path: Path) -> Iterator[StoredValues]:
        """Yield the one image of the file; see :meth:`ReleaseFormat.read`."""
        yield read_picture(path)

    def write(self, path: Path, *, template: Path, images: Iterator[StoredValues]) -> None:
        """Write the one image as PNG; see :meth:`ReleaseFormat.write`."""
        header = read_header(template)
        for count, image in enumerate(images):
            if count or image.shape != header.shape or image.dtype != header.dtype:
                raise ReleaseError(
                    f"{template}: holds one image, {header.dtype} {header.shape}; "
                    f"image {count} is {image.dtype} {image.shape}."
                )
            encoded = _encode(path, image)
            kept = b"".join(encode_chunk(chunk) for chunk in _kept_chunks(template))
            path.write_bytes(encoded[:_IHDR_BYTES] + kept + encoded[_IHDR_BYTES:])

    def untouched_sha256(self, path: Path) -> dict[str, str]:
        """Return nothing: a picture has no named parts; see :meth:`ReleaseFormat.untouched_sha256`."""
        return {}


def _encode(path: Path, image: StoredValues) -> bytes:
    if image.dtype == np.uint16 and len(image) == 3:
        # ITK wants this extension, and a killed run knows its own unfinished file by its name.
        scratch = path if path.suffix in (".png", ".PNG") else path.with_name(f"{path.stem}.png")
        write_rgb16(scratch, np.moveaxis(image, 0, -1).astype(np.uint16, copy=False))
        encoded = scratch.read_bytes()
        scratch.unlink()
    else:
        stream = io.BytesIO()
        Image.fromarray(image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)).save(stream, format="PNG")
        encoded = stream.getvalue()
    # An encoder's own remarks go, so that the file holds what this class puts into it and nothing else.
    chunks = (one for one in iterate_chunks(encoded) if one.kind in (b"IHDR", b"IDAT", b"IEND"))
    return PNG_SIGNATURE + b"".join(encode_chunk(one) for one in chunks)


def _kept_chunks(template: Path) -> list[Chunk]:
    data = template.read_bytes()
    with Image.open(io.BytesIO(data)) as picture:
        orientation = _orientation_of(picture)
        if data.startswith(PNG_SIGNATURE):
            kept = [one for one in iterate_chunks(data) if one.kind in _KEPT]
        else:
            kept = _chunks_of(picture)
    return kept + ([_orientation_chunk(orientation)] if 2 <= orientation <= 8 else [])


def _orientation_of(picture: Image.Image) -> int:
    """Return which way is up; 1, which is usual, where what the file says of it cannot be read."""
    try:
        said = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # Pillow's parser of a damaged block raises almost anything, and pixels do not depend on it
        return 1
    return said if isinstance(said, int) else 1


def _chunks_of(picture: Image.Image) -> list[Chunk]:
    """Say in PNG's words what a JPEG or BMP says about colour space and pixel size."""
    chunks = []
    profile = picture.info.get("icc_profile")
    if profile:
        chunks.append(Chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile, 9)))
    dots_per_inch = picture.info.get("dpi")
    if dots_per_inch and all(0 < float(one) < 1e6 for one in dots_per_inch):
        x, y = (round(float(one) / _METRES_PER_INCH) for one in dots_per_inch)
        chunks.append(Chunk(b"pHYs", struct.pack(">IIB", x, y, 1)))
    return chunks


def _orientation_chunk(orientation: int) -> Chunk:
    entry = struct.pack("<HHIHH", _ORIENTATION, 3, 1, orientation, 0)
    return Chunk(b"eXIf", b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0))
