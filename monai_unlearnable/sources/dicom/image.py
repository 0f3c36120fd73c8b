"""One DICOM file as an image: header facts, stored integers and padding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.sources.dicom.cells import Cells, cells_to_levels, is_sign_extended, levels_to_cells
from monai_unlearnable.sources.dicom.content import DicomContent, parse_content
from monai_unlearnable.sources.dicom.errors import errors_name
from monai_unlearnable.sources.dicom.layout import PixelLayout, pixel_layout
from monai_unlearnable.sources.dicom.padding import has_padding, padding_voxels
from monai_unlearnable.sources.dicom.pixels import check_pixel_size, pixel_cells
from monai_unlearnable.sources.dicom.rescale import read_rescale
from monai_unlearnable.sources.dicom.view import read_frames_view
from monai_unlearnable.sources.image_file import ImageFormat, ImageHeader, StoredValues
from monai_unlearnable.sources.image_view import ImageView
from monai_unlearnable.types import StoredArray

__all__ = ["DicomHeader", "DicomImage", "LoadedDicom", "decode_dicom", "load_dicom", "read_dicom_header"]


_SOP_INSTANCE_UID, _SERIES_INSTANCE_UID = 0x00080018, 0x0020000E


@dataclass(frozen=True, kw_only=True)
class DicomHeader(ImageHeader):
    """What a DICOM file or series says about itself.

    Attributes:
        level_sizes: size of a level for each frame (of a series: each slice), in ``unit``. ``level_size`` is the
            largest of them, so that a budget made from it is exceeded nowhere.
        transfer_syntax: UID of how the pixels lie in the file.
        notices: what is odd about it and no error, in whole sentences.
        uids: SOPInstanceUID and SeriesInstanceUID of the file (of a series: of all its files), where there are any.
    """

    level_sizes: tuple[float, ...]
    transfer_syntax: str
    notices: tuple[str, ...] = ()
    uids: frozenset[str] = frozenset()


@dataclass(frozen=True)
class LoadedDicom:
    """A file with its pixels decoded.

    Attributes:
        content: elements and pydicom's view of them.
        layout: the image pixel module.
        cells: whole cells, ``(sample, frame, row, column)``, uint8 or uint16.
    """

    content: DicomContent
    layout: PixelLayout
    cells: Cells

    @property
    def levels(self) -> StoredArray:
        """Stored integers, ``(sample, [frame,] row, column)``."""
        return cells_to_levels(self.cells, self.layout)

    @property
    def padding(self) -> NDArray[np.bool_] | None:
        """Which voxels are padding, in the shape of :attr:`levels`; None where the file names no padding value."""
        return padding_voxels(self.content, self.cells, self.layout)

    @property
    def sign_extended(self) -> bool:
        """Whether the bits above the stored ones repeat the sign; see :func:`is_sign_extended`."""
        return is_sign_extended(self.cells, self.layout, self.padding)

    def with_levels(self, levels: StoredArray) -> Cells:
        """Return the cells with other levels, integers of the shape of its own."""
        return levels_to_cells(levels, self.cells, self.layout, sign_extended=self.sign_extended)

    def padding_of(self, levels: StoredValues) -> NDArray[np.bool_] | None:
        """Return what :attr:`padding` would be if the file held other levels."""
        return padding_voxels(self.content, self.with_levels(cast(StoredArray, levels)), self.layout)


def load_dicom(path: Path | LoadedDicom, *, allow_lossy: bool = False) -> LoadedDicom:
    """Read a file and decode its pixels.

    Args:
        path: the file; one that was read already is given back as it is.
        allow_lossy: take pixels that were compressed with loss.

    Raises:
        SourceError: the file is damaged, cut short, or of a kind that is not handled.
    """
    if isinstance(path, LoadedDicom):
        return path
    with errors_name(path):
        data = path.read_bytes()
        return decode_dicom(parse_content(data, path), data=data, allow_lossy=allow_lossy)


def decode_dicom(content: DicomContent, *, data: bytes, allow_lossy: bool = False) -> LoadedDicom:
    """Decode the pixels of a file that is split already.

    Args:
        content: the file.
        data: its bytes.
        allow_lossy: take pixels that were compressed with loss.

    Raises:
        SourceError: the pixels are damaged, cut short, or of a kind that is not handled.
    """
    with errors_name(content.path):
        layout = pixel_layout(content, allow_lossy=allow_lossy)
        return LoadedDicom(content, layout, pixel_cells(content, layout, data=data))


def read_dicom_header(content: DicomContent, *, allow_lossy: bool) -> DicomHeader:
    """Read shape, type and units from a file that is split already.

    Raises:
        ValueError: the file is of a kind that is not handled, or holds fewer pixels than it promises.
    """
    layout = pixel_layout(content, allow_lossy=allow_lossy)
    check_pixel_size(content, layout)
    rescale = read_rescale(content.dataset, frames=layout.frames)
    return DicomHeader(
        shape=layout.shape,
        dtype=layout.dtype,
        format="dicom",
        low_level=layout.low_level,
        high_level=layout.high_level,
        level_size=rescale.level_size,
        unit=rescale.unit,
        level_sizes=rescale.level_sizes,
        transfer_syntax=content.transfer_syntax,
        uids=frozenset(filter(None, map(content.text, (_SOP_INSTANCE_UID, _SERIES_INSTANCE_UID)))),
    )


@dataclass(frozen=True, kw_only=True)
class DicomImage(ImageFormat):
    """One file is one image; the frames of a multi-frame file are its first space axis.

    Attributes:
        allow_lossy: take pixels that were compressed with loss; they are released without further loss.
    """

    allow_lossy: bool = False
    name = "dicom"

    def header(self, path: Path) -> DicomHeader:
        """Read shape, type and units; see :meth:`ImageFormat.header`."""
        with errors_name(path):
            return read_dicom_header(parse_content(path.read_bytes(), path), allow_lossy=self.allow_lossy)

    def read(self, path: Path) -> StoredArray:
        """Read the stored integers, ``(sample, [frame,] row, column)``; see :meth:`ImageFormat.read`."""
        return load_dicom(path, allow_lossy=self.allow_lossy).levels

    def view(self, path: Path) -> ImageView:
        """Read how the image is shown; see :meth:`ImageFormat.view`."""
        with errors_name(path):
            content = parse_content(path.read_bytes(), path)
            frames = pixel_layout(content, allow_lossy=self.allow_lossy).frames
            return read_frames_view(content.dataset, frames=frames)

    def untouchable(self, path: Path, image: StoredValues | None = None) -> NDArray[np.bool_] | None:
        """Return which voxels are padding; see :meth:`ImageFormat.untouchable`."""
        with errors_name(path):
            data = path.read_bytes()
            content = parse_content(data, path)
            if not has_padding(content):  # nothing needs to be decoded to know that
                check_pixel_size(content, pixel_layout(content, allow_lossy=self.allow_lossy))
                return None
            loaded = decode_dicom(content, data=data, allow_lossy=self.allow_lossy)
            return loaded.padding if image is None else loaded.padding_of(image)
