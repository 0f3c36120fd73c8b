"""PNG, JPEG and BMP as one of the formats that an image file may have."""

from __future__ import annotations

from pathlib import Path

from monai_unlearnable.sources.data_block import level_range
from monai_unlearnable.sources.image_file import ImageFormat, ImageHeader
from monai_unlearnable.sources.pictures import read_header, read_picture
from monai_unlearnable.types import StoredArray

__all__ = ["PictureFile"]


class PictureFile(ImageFormat):
    """A picture, ``(channel, height, width)``, uint8 or uint16; the header's format is what the file really is."""

    name = "picture"

    def header(self, path: Path) -> ImageHeader:
        """Read size, type and format; see :meth:`ImageFormat.header`."""
        found = read_header(path)
        low, high = level_range(found.dtype)
        return ImageHeader(shape=found.shape, dtype=found.dtype, format=found.format, low_level=low, high_level=high)

    def read(self, path: Path) -> StoredArray:
        """Read the stored integers; see :meth:`ImageFormat.read`."""
        return read_picture(path)
