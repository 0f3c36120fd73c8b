"""TIFF with one picture of 8 or 16 bit, grey or RGB, as the integers it stores."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.data_block import level_range
from monai_unlearnable.sources.file_errors import errors_name
from monai_unlearnable.sources.image_file import ImageFormat, ImageHeader
from monai_unlearnable.sources.tiff_layout import TiffLayout, tiff_layout
from monai_unlearnable.sources.tiff_segments import check_segments
from monai_unlearnable.types import StoredArray

__all__ = ["TiffPicture", "load_tifffile", "read_tiff_layout"]


class TiffPicture(ImageFormat):
    """A single picture, ``(channel, height, width)``, as it is stored: no orientation or white-is-zero is applied.

    Files of several pages or planes are refused, because they may be volumes, pyramids or a time series.
    """

    name = "tiff"

    def header(self, path: Path) -> ImageHeader:
        """Read shape and type; see :meth:`ImageFormat.header`."""
        layout = read_tiff_layout(path)
        low, high = level_range(layout.dtype)
        return ImageHeader(shape=layout.shape, dtype=layout.dtype, format=self.name, low_level=low, high_level=high)

    def read(self, path: Path) -> StoredArray:
        """Read the stored integers, ``(channel, height, width)``; see :meth:`ImageFormat.read`."""
        with _open_page(path) as (tif, page, data):
            layout = tiff_layout(tif, page)
            check_segments(page, data)
            stored: NDArray[Any] = page.asarray(maxworkers=1).reshape(page.shaped)[:, 0]
        channel_first = stored[..., 0] if layout.separate else np.moveaxis(stored[0], -1, 0)
        return np.ascontiguousarray(channel_first.reshape(layout.shape), dtype=layout.dtype)


def read_tiff_layout(path: Path) -> TiffLayout:
    """Read how a file is laid out, without decoding pixels.

    Raises:
        SourceError: the file cannot be read, holds several pictures or one of a kind that is not handled.
    """
    with _open_page(path) as (tif, page, _):
        return tiff_layout(tif, page)


def load_tifffile(path: Path) -> Any:
    """Import tifffile, which only TIFF files need.

    Raises:
        SourceError: it is not installed.
    """
    try:
        import tifffile
    except ImportError as error:
        raise SourceError(
            f"{path}: TIFF files need the package tifffile; install it with `pip install monai-unlearnable[formats]`."
        ) from error
    return tifffile


@contextmanager
def _open_page(path: Path) -> Iterator[tuple[Any, Any, bytes]]:
    """Open a file that lies in memory, where no count in a header can make a read longer than the file."""
    tifffile = load_tifffile(path)
    with errors_name(path, kind="TIFF"):
        data = path.read_bytes()
        with tifffile.TiffFile(io.BytesIO(data)) as tif:
            yield tif, tif.pages[0], data
