"""What every reader of one kind of image file offers: the numbers as they are stored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.sources.image_view import ImageView
from monai_unlearnable.types import StoredValues

__all__ = ["ImageFormat", "ImageHeader", "StoredValues"]


@dataclass(frozen=True, kw_only=True)
class ImageHeader:
    """What an image file says about itself.

    Attributes:
        shape: ``(channel, *space)`` of what :meth:`ImageFormat.read` returns.
        dtype: the stored type in native byte order: int8 to int32, uint8 to uint32, float32 or float64.
        format: ``png``, ``jpeg``, ``bmp``, ``tiff``, ``nifti``, ``mha``, ``mhd``, ``nrrd`` or ``dicom``: what the
            file is, whatever its name says.
        low_level: smallest level that a stored pixel may have.
        high_level: largest level that a stored pixel may have. Of floats: the range in which every whole number is one.
        level_size: size of a level in the file's own unit (a NIfTI's ``scl_slope``, a DICOM's ``RescaleSlope``), above
            zero; 1.0 where the file names none. Of floats: what a stored 1.0 is in the file's own unit.
        unit: ``HU`` where the file says so, else ``''``.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    format: str
    low_level: int
    high_level: int
    level_size: float = 1.0
    unit: str = ""


class ImageFormat(ABC):
    """Reads one kind of file as the numbers it stores, never scaled.

    Files are taken for hostile: whatever is wrong with one becomes a ``SourceError`` that names it.
    """

    name: str
    """Name of the format: that of :attr:`ImageHeader.format`, or ``picture`` for PNG, JPEG and BMP."""

    @abstractmethod
    def header(self, path: Path) -> ImageHeader:
        """Read shape, type and units without decoding pixels.

        Raises:
            SourceError: the file cannot be read, or is of a kind that is not handled.
        """

    @abstractmethod
    def read(self, path: Path) -> StoredValues:
        """Read the stored numbers, ``(channel, *space)`` in native byte order.

        Raises:
            SourceError: the file is damaged or cut short, of a kind that is not handled, or holds NaN or infinity.
        """

    def geometry(self, path: Path) -> NDArray[np.float64] | None:
        """Return where the voxels lie: ``(4, 4)`` float64, from indices of :meth:`read`'s space to millimetres (LPS).

        Args:
            path: the file.

        Returns:
            None where the format, or this file, does not say.

        Raises:
            SourceError: the file cannot be read.
        """
        return None

    def view(self, path: Path) -> ImageView:
        """Read how the image is shown to people; by default as its stored numbers, of square pixels.

        Raises:
            SourceError: the file cannot be read, or is of a kind that is not handled.
        """
        header = self.header(path)
        return ImageView(slopes=(header.level_size,), unit=header.unit)

    def untouchable(self, path: Path, image: StoredValues | None = None) -> NDArray[np.bool_] | None:
        """Return which values must stay as they are (padding), in the shape of :meth:`read`; None if none must.

        Args:
            path: the file.
            image: ask it of these stored numbers, ``(channel, *space)``, in the place of the file's own.

        Raises:
            SourceError: the file cannot be read, or is of a kind that is not handled.
        """
        return None
