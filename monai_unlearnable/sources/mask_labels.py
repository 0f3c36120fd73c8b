"""The numbers of a mask on the grid of its image, whatever order the mask's own file has its axes in."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from monai_unlearnable.sources.file_errors import errors_name
from monai_unlearnable.sources.geometry import Affine
from monai_unlearnable.sources.image_file import ImageFormat, StoredValues
from monai_unlearnable.sources.image_formats import format_of
from monai_unlearnable.sources.picture_file import PictureFile

__all__ = ["read_mask_labels", "turned_to_image"]

_Number = TypeVar("_Number", bound=np.integer)

_NUMBER_MODES = ("1", "L", "P", "I;16")
"""Modes of pictures whose pixels are one number; those of colours are no labels."""


def read_mask_labels(mask: Path, *, image: Path, image_format: ImageFormat) -> NDArray[np.integer] | None:
    """Read a mask that was checked (see :func:`check_mask`) as labels of the image's voxels.

    Args:
        mask: the mask's file.
        image: the image's file, or the folder of its series.
        image_format: reader of the image.

    Returns:
        ``(*space)`` of the image; None where the mask holds colours, several channels or numbers that are no labels
        (fractions, or below 0).

    Raises:
        SourceError: a file cannot be read.
    """
    form = format_of(mask)
    if form is None:
        return None
    if isinstance(form, PictureFile):
        return _read_picture(mask)
    values = form.read(mask)
    labels = _as_labels(values[0]) if len(values) == 1 else None
    if labels is None:
        return None
    return turned_to_image(labels, image_affine=image_format.geometry(image), mask_affine=form.geometry(mask))


def turned_to_image(
    labels: NDArray[_Number], *, image_affine: Affine | None, mask_affine: Affine | None
) -> NDArray[_Number]:
    """Swap and turn the axes of a mask so that they are those of its image, where both files say how they lie.

    Args:
        labels: ``(*space)`` of the mask.
        image_affine: where the voxels of the image lie; None where its file does not say.
        mask_affine: where those of the mask lie.

    Returns:
        ``(*space)`` of the image, if it lies on the grid of the mask.
    """
    affines = [one for one in (image_affine, mask_affine) if one is not None]
    if len(affines) < 2 or not np.isfinite(affines).all() or np.linalg.det(affines[1]) == 0:
        return labels
    return _turned(labels, np.linalg.inv(affines[1]) @ affines[0])


def _as_labels(values: StoredValues) -> NDArray[np.integer] | None:
    if values.min() < 0 or (values.dtype.kind == "f" and not np.array_equal(values, np.rint(values))):
        return None
    return cast("NDArray[np.integer]", values.astype(np.int64) if values.dtype.kind == "f" else values)


def _turned(labels: NDArray[_Number], between: NDArray[np.float64]) -> NDArray[_Number]:
    """Swap and turn axes; ``between`` takes the image's indices to the mask's."""
    steps = np.rint(between[: labels.ndim, : labels.ndim]).astype(int)
    axes = [int(np.abs(steps[:, axis]).argmax()) for axis in range(labels.ndim)]
    if sorted(axes) != list(range(labels.ndim)):  # not one grid: the check of masks says so
        return labels
    backwards = [steps[axis, at] < 0 for at, axis in enumerate(axes)]
    return labels.transpose(axes)[tuple(slice(None, None, -1 if one else 1) for one in backwards)]


def _read_picture(path: Path) -> NDArray[np.integer] | None:
    with (
        errors_name(path, kind="picture"),
        Image.open(io.BytesIO(path.read_bytes()), formats=("PNG", "JPEG", "BMP")) as picture,
    ):
        if picture.mode not in _NUMBER_MODES:
            return None
        numbers: NDArray[np.integer] = np.asarray(picture)
    return numbers.astype(np.uint8) if numbers.dtype == np.bool_ else numbers
