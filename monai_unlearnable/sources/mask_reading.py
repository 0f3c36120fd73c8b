"""Read a mask as the classes of the voxels of its image."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.file_errors import Refused, errors_name
from monai_unlearnable.sources.geometry import ImageGeometry
from monai_unlearnable.sources.image_file import ImageFormat
from monai_unlearnable.sources.image_formats import format_of
from monai_unlearnable.sources.mask_classes import MaskClasses, MaskNumbers, classes_of
from monai_unlearnable.sources.mask_labels import turned_to_image
from monai_unlearnable.sources.masks import check_grid
from monai_unlearnable.sources.picture_file import PictureFile
from monai_unlearnable.sources.pictures import MAXIMUM_PIXELS
from monai_unlearnable.sources.png_chunks import parse_header
from monai_unlearnable.sources.tiff_file import TiffPicture

__all__ = ["read_mask_classes"]

_GREY, _RGB = 0, 2
"""Colour types of a PNG file."""


def read_mask_classes(
    mask: Path, *, image: Path, image_format: ImageFormat, image_space: tuple[int, ...], class_count: int | None
) -> MaskClasses:
    """Read a mask as classes, see :func:`~monai_unlearnable.sources.mask_classes.classes_of`, on its image's voxels.

    Args:
        mask: the mask's file.
        image: the image's file, or the folder of its series.
        image_format: reader of the image.
        image_space: sizes of the image's axes of space.
        class_count: how many classes the set has; None where that is not known yet.

    Raises:
        SourceError: a file cannot be read, the mask holds something else than classes of the set, or lies on
            another grid than its image.
    """
    form = format_of(mask)
    if form is None:
        raise SourceError(f"{mask}: is no mask of a kind that is handled.")
    try:
        numbers = _picture(mask) if isinstance(form, PictureFile) else _volume(mask, form)
        found = classes_of(numbers, class_count=class_count)
    except Refused as error:
        raise SourceError(f"{mask}: {error}") from error
    ours, theirs = image_format.geometry(image), form.geometry(mask)
    image_grid = ImageGeometry.on_grid(image_space, ours)
    mask_grid = ImageGeometry.on_grid(found.indices.shape, theirs)
    check_grid(mask, mask_grid, image, image_grid, image_format=image_format)
    indices = turned_to_image(found.indices, image_affine=image_grid.affine, mask_affine=mask_grid.affine)
    return MaskClasses(indices, found.is_dark_and_bright)


def _volume(path: Path, form: ImageFormat) -> MaskNumbers:
    """Read numbers as their header means them: a mask that was saved as floats may have a slope."""
    values, view = form.read(path), form.view(path)
    if (view.slopes, view.intercepts) != ((1.0,), (0.0,)):
        slope, intercept = view.scale(values.shape)
        with np.errstate(over="ignore"):  # infinity is no class either
            values = values.astype(np.float64) * slope + intercept
    return MaskNumbers(values=values, is_picture=isinstance(form, TiffPicture))


def _picture(path: Path) -> MaskNumbers:
    with errors_name(path, kind="picture"):
        data = path.read_bytes()
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "BMP")) as picture:
            width, height = picture.size
            if width * height > MAXIMUM_PIXELS:
                raise Refused(f"has {width} x {height} pixels, more than the limit of {MAXIMUM_PIXELS}.")
            if picture.mode not in ("1", "L", "P", "I;16", "RGB"):
                raise Refused(f"is a picture of mode {picture.mode}, which names no classes. Save it as 8-bit grey.")
            pixels: NDArray[Any] = np.asarray(picture)
            if picture.format == "PNG":
                pixels = _as_stored(pixels, data)
            values = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
            values = values.astype(np.uint8) if values.dtype == np.bool_ else values
            return MaskNumbers(values=values, is_picture=True, is_lossy=picture.format == "JPEG")


def _as_stored(pixels: NDArray[Any], data: bytes) -> NDArray[Any]:
    """Undo what Pillow does to pixels of a PNG file that have not 8 bits."""
    header = parse_header(data[:26])
    if header.colour_type == _RGB and header.bit_depth == 16:
        raise Refused("holds colours of 16 bit, which name no classes. Save it as 8-bit grey.")
    if header.colour_type == _GREY and header.bit_depth in (2, 4):
        return pixels // np.uint8(255 // (2**header.bit_depth - 1))
    return pixels
