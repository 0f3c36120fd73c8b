"""16-bit RGB PNG, which Pillow would silently cut to 8 bit, through ITK's PNG reader and writer."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["read_rgb16", "write_rgb16"]


def read_rgb16(path: Path) -> NDArray[np.uint16]:
    """Read a 16-bit RGB PNG as ``(height, width, 3)`` uint16.

    Raises:
        OSError: ITK cannot read the file, or finds other channels in it.
    """
    with _itk("read") as (itk, image_type):
        reader = itk.ImageFileReader[image_type].New()
        reader.SetImageIO(itk.PNGImageIO.New())
        reader.SetFileName(str(path))
        reader.Update()
        array: NDArray[np.uint16] = itk.array_from_image(reader.GetOutput())
    if array.ndim != 3 or array.shape[-1] != 3 or array.dtype != np.uint16:
        raise OSError(f"ITK reads {array.dtype} of shape {array.shape}, not uint16 RGB")
    return array


def write_rgb16(path: Path, image: NDArray[np.uint16]) -> None:
    """Write ``(height, width, 3)`` uint16 as a 16-bit RGB PNG; the name must end in ``.png``.

    Raises:
        OSError: ITK cannot write the file.
    """
    with _itk("write") as (itk, image_type):
        writer = itk.ImageFileWriter[image_type].New()
        writer.SetImageIO(itk.PNGImageIO.New())
        writer.SetFileName(str(path))
        writer.SetInput(itk.image_from_array(np.ascontiguousarray(image), ttype=image_type))
        writer.Update()


@contextmanager
def _itk(verb: str) -> Iterator[tuple[Any, Any]]:
    """Load ITK with its image type for 16-bit RGB, and turn its errors into OSError."""
    # ITK loads its parts when they are first used, and its wrapping dies where a warning is an error.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import itk  # takes seconds, so only 16-bit RGB pays for it

        try:
            yield itk, itk.VectorImage[itk.US, 2]
        except RuntimeError as error:
            raise OSError(f"ITK cannot {verb} it ({str(error).strip().splitlines()[-1]})") from error
