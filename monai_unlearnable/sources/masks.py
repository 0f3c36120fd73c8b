"""Masks that lie beside images: labels by voxel, which a release keeps as they are."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.dicom import DicomImage, DicomSeries
from monai_unlearnable.sources.file_errors import errors_name
from monai_unlearnable.sources.geometry import ImageGeometry, why_apart
from monai_unlearnable.sources.image_file import ImageFormat
from monai_unlearnable.sources.image_formats import format_of
from monai_unlearnable.sources.picture_file import PictureFile
from monai_unlearnable.sources.pictures import MAXIMUM_PIXELS

__all__ = ["check_grid", "check_mask", "why_no_mask"]

_KINDS = "PNG, JPEG, BMP, TIFF, NIfTI, MetaImage (.mha) and NRRD"


def why_no_mask(name: str, root: Path, *, image: str) -> str:
    """Say why a file cannot be the mask of an image, before it is read; '' if it can.

    Args:
        name: the mask's path below ``root``; '' where the list names none.
        root: folder of the source.
        image: the image's path below ``root``.
    """
    if not name:
        return f"is missing: {image!r} has none, others have. Name one, or take masks out of the whole list."
    path = root / name
    if not path.is_file():
        return "is not there. Correct the name or take the line out."
    form = format_of(path)
    if form is None or isinstance(form, DicomImage | DicomSeries) or name.lower().endswith(".mhd"):
        return f"is no mask that can be released as it is ({_KINDS} in one file). Save it as one of these."
    return ""


def check_mask(mask: Path, *, image_space: tuple[int, ...], image: Path, image_format: ImageFormat) -> None:
    """Read a mask and check that it lies on the grid of its image.

    Args:
        mask: the mask's file.
        image_space: sizes of the image's axes of space.
        image: the image's file, or the folder of its series.
        image_format: reader of the image.

    Raises:
        SourceError: the mask cannot be read, or has other sizes, another spacing, orientation or origin.
    """
    form = format_of(mask)
    if form is None:
        raise SourceError(f"{mask}: is no mask of a kind that is handled ({_KINDS}).")
    if isinstance(form, PictureFile):
        space, geometry = _read_picture(mask), None
    else:
        space, geometry = form.read(mask).shape[1:], form.geometry(mask)
    theirs = ImageGeometry.on_grid(image_space, image_format.geometry(image))
    check_grid(mask, ImageGeometry.on_grid(space, geometry), image, theirs, image_format=image_format)


def check_grid(
    mask: Path, mask_grid: ImageGeometry, image: Path, image_grid: ImageGeometry, *, image_format: ImageFormat
) -> None:
    """Check that the grid of a mask is that of its image.

    Args:
        mask: the mask's file.
        mask_grid: where its voxels lie.
        image: the image's file, or the folder of its series.
        image_grid: where its voxels lie.
        image_format: reader of the image.

    Raises:
        SourceError: it is another one.
    """
    # DICOM has its axes in another order than the formats of masks.
    reason = why_apart(image_grid, mask_grid, same_axes=not isinstance(image_format, DicomImage | DicomSeries))
    if reason:
        raise SourceError(f"{mask}: does not fit its image {image.name}: {reason}.")


def _read_picture(path: Path) -> tuple[int, ...]:
    """Decode a picture of any mode (palettes and single bits are common in masks) and return (height, width)."""
    with (
        errors_name(path, kind="picture"),
        Image.open(io.BytesIO(path.read_bytes()), formats=("PNG", "JPEG", "BMP")) as picture,
    ):
        width, height = picture.size
        if width * height > MAXIMUM_PIXELS:
            raise ValueError(f"{width} x {height} pixels are more than the limit of {MAXIMUM_PIXELS}")
        picture.load()
    return height, width
