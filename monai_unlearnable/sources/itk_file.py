"""The formats of ITK, MetaImage and NRRD, as the numbers they store.

The headers are read here and not by ITK, because ITK's writers drop and rewrite fields, and a release must leave every
byte of a header as it was. The tests compare with ITK whatever it can read and write.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.block_file import BlockLayout, BlockParts, check_layout, read_parts
from monai_unlearnable.sources.data_block import level_range
from monai_unlearnable.sources.file_errors import errors_name
from monai_unlearnable.sources.float_levels import check_finite
from monai_unlearnable.sources.image_file import ImageFormat, ImageHeader, StoredValues
from monai_unlearnable.sources.image_view import ImageView, place
from monai_unlearnable.sources.itk_geometry import metaimage_affine, nrrd_affine
from monai_unlearnable.sources.metaimage_header import read_metaimage_layout
from monai_unlearnable.sources.nrrd_header import read_nrrd_layout

__all__ = ["BlockFormat", "MetaImageFile", "NrrdFile", "decode_block"]


class BlockFormat(ImageFormat):
    """A file of a text header and one block of numbers.

    Space is ``x, y, z`` (or ``x, y``) in the order of the file, as MONAI's ``ITKReader`` gives it. Components of a
    vector image and a fourth dimension become the channel, the slowest of the file first.
    """

    kind: str
    """What the files are called in messages."""

    @abstractmethod
    def layout(self, path: Path) -> BlockLayout:
        """Read what the header says.

        Raises:
            Refused: the file is not of this format, or of a kind that is not handled.
            OSError: the file cannot be read.
        """

    def header(self, path: Path) -> ImageHeader:
        """Read shape, type and units; see :meth:`ImageFormat.header`."""
        with errors_name(path, kind=self.kind):
            layout = self.layout(path)
            check_layout(layout)
        low, high = level_range(layout.block.dtype)
        return ImageHeader(
            shape=layout.block.shape,
            dtype=layout.block.dtype.newbyteorder("="),
            format=layout.format,
            low_level=low,
            high_level=high,
            level_size=layout.level_size,
            unit=layout.unit,
        )

    def view(self, path: Path) -> ImageView:
        """Read how the image is shown; see :meth:`ImageFormat.view`."""
        with errors_name(path, kind=self.kind):
            layout = self.layout(path)
        try:
            affine = self.geometry(path)
        except SourceError:  # numbers can be shown without knowing where they lie
            affine = None
        axes = len(layout.block.shape) - 1
        return ImageView(
            slopes=(layout.slope,),
            intercepts=(layout.intercept,),
            unit=layout.unit,
            x_first=True,
            placement=None if affine is None else place(affine[:3, :axes].T, directed=axes == 3),
        )

    def parts(self, path: Path) -> BlockParts:
        """Read a whole file and take it apart.

        Raises:
            SourceError: the file is damaged or cut short, or of a kind that is not handled.
        """
        with errors_name(path, kind=self.kind):
            return read_parts(self.layout(path))

    def read(self, path: Path) -> StoredValues:
        """Read the stored numbers, ``(channel, *space)``; see :meth:`ImageFormat.read`."""
        return decode_block(self.parts(path), path)


def decode_block(parts: BlockParts, path: Path) -> StoredValues:
    """Return the stored numbers of a file that is taken apart already, ``(channel, *space)``.

    Raises:
        SourceError: there are NaN or infinity among them; ``path`` is for the message.
    """
    image = parts.layout.block.decode(parts.body)
    check_finite(image, where=str(path))
    return image


class MetaImageFile(BlockFormat):
    """MetaImage: ``.mha``, or ``.mhd`` with its ``.raw`` or ``.zraw`` beside it."""

    name = "mha"
    kind = "MetaImage"

    def layout(self, path: Path) -> BlockLayout:
        """Read what the header says; see :meth:`BlockFormat.layout`."""
        return read_metaimage_layout(path)

    def geometry(self, path: Path) -> NDArray[np.float64] | None:
        """Return what position, directions and spacing of the header say; see :meth:`ImageFormat.geometry`."""
        with errors_name(path, kind=self.kind):
            return metaimage_affine(self.layout(path).head)


class NrrdFile(BlockFormat):
    """NRRD with its numbers in the same file, raw or gzip."""

    name = "nrrd"
    kind = "NRRD"

    def layout(self, path: Path) -> BlockLayout:
        """Read what the header says; see :meth:`BlockFormat.layout`."""
        return read_nrrd_layout(path)

    def geometry(self, path: Path) -> NDArray[np.float64] | None:
        """Return what origin and directions of the header say; see :meth:`ImageFormat.geometry`."""
        with errors_name(path, kind=self.kind):
            return nrrd_affine(self.layout(path).head)
