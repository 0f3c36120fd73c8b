"""Read one picture file as the integers it stores: 8 or 16 bit, grey or RGB."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.png_chunks import PNG_SIGNATURE, iterate_chunks, parse_header
from monai_unlearnable.sources.rgb16 import read_rgb16
from monai_unlearnable.types import StoredArray

__all__ = ["MAXIMUM_PIXELS", "PICTURE_EXTENSIONS", "PictureHeader", "is_picture", "read_header", "read_picture"]

PICTURE_EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".bmp"})

MAXIMUM_PIXELS = 89_478_485
"""Pillow's own limit; a header that claims more is taken for a decompression bomb."""

_FORMATS = ("PNG", "JPEG", "BMP")
_MODES: dict[str, tuple[int, type[np.integer[Any]]]] = {
    "L": (1, np.uint8),
    "RGB": (3, np.uint8),
    "I;16": (1, np.uint16),
}
_ADVICE = "Save it as 8 or 16 bit grey or RGB without alpha."


@dataclass(frozen=True)
class PictureHeader:
    """What a picture file says about itself.

    Attributes:
        shape: ``(channel, height, width)``.
        dtype: uint8 or uint16.
        format: ``png``, ``jpeg`` or ``bmp``: what the file is, whatever its name says.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[np.integer]
    format: str


def is_picture(name: str) -> bool:
    """Tell from its name whether a file is read as a picture.

    Example:
        >>> is_picture("a.JPEG"), is_picture(".a.png"), is_picture("manifest.json")
        (True, False, False)
    """
    return not name.startswith(".") and Path(name).suffix.lower() in PICTURE_EXTENSIONS


def read_header(path: Path) -> PictureHeader:
    """Read size, type and format of a picture without decoding its pixels.

    Raises:
        SourceError: the file cannot be read, or is of a kind that is not handled.
    """
    with _errors_name(path), path.open("rb") as stream:
        start = stream.read(26)
        stream.seek(0)
        with Image.open(stream, formats=_FORMATS) as picture:
            return _header(picture, start)


def read_picture(path: Path) -> StoredArray:
    """Read the stored integers of a picture, ``(channel, height, width)``, uint8 or uint16.

    The grid is the stored one: an EXIF orientation is not applied, as in MONAI's own readers.

    Raises:
        SourceError: the file is damaged or cut short, too large, or of a kind that is not handled.
    """
    with _errors_name(path):
        data = path.read_bytes()
        if data.startswith(PNG_SIGNATURE) and any(chunk.kind == b"tRNS" for chunk in iterate_chunks(data)):
            raise ValueError(f"has a transparent colour, which a protected copy would not keep. {_ADVICE}")
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            header = _header(picture, data[:26])
            array = read_rgb16(path) if _is_rgb16(header) else np.asarray(picture)
    channel_first = array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)
    if channel_first.shape != header.shape or channel_first.dtype != header.dtype:
        raise SourceError(
            f"{path}: the header says {header.dtype} {header.shape}, "
            f"the pixels are {channel_first.dtype} {channel_first.shape}."
        )
    return np.ascontiguousarray(channel_first)


def _header(picture: Image.Image, start: bytes) -> PictureHeader:
    width, height = picture.size
    if width * height > MAXIMUM_PIXELS:
        raise ValueError(f"has {width} x {height} pixels, more than the limit of {MAXIMUM_PIXELS}.")
    if getattr(picture, "n_frames", 1) != 1:
        raise ValueError(f"holds {getattr(picture, 'n_frames', 1)} frames; only single pictures are handled.")
    channels, dtype = _mode(picture, start)
    return PictureHeader((channels, height, width), np.dtype(dtype), str(picture.format).lower())


def _mode(picture: Image.Image, start: bytes) -> tuple[int, type[np.integer[Any]]]:
    if picture.format == "PNG":
        png = parse_header(start)
        if png.bit_depth == 16 and png.colour_type == 2:
            return 3, np.uint16
        if png.bit_depth < 8 or png.colour_type not in (0, 2):
            raise ValueError(
                f"is of mode {picture.mode} ({png.bit_depth} bit, PNG colour type {png.colour_type}), "
                f"which is not handled. {_ADVICE}"
            )
    if picture.mode not in _MODES:
        raise ValueError(f"is of mode {picture.mode}, which is not handled. {_ADVICE}")
    return _MODES[picture.mode]


def _is_rgb16(header: PictureHeader) -> bool:
    return header.shape[0] == 3 and header.dtype == np.uint16


@contextmanager
def _errors_name(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while a picture is read into a SourceError that names the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow's warnings only the bomb matters, and its limit is checked here
            yield
    except SourceError:
        raise
    except UnidentifiedImageError as error:
        raise SourceError(f"{path}: is not a picture of a kind that is handled (PNG, JPEG, BMP).") from error
    except FileNotFoundError as error:
        raise SourceError(f"{path}: there is no such file.") from error
    except Image.DecompressionBombError as error:
        raise SourceError(f"{path}: has more pixels than the limit of {MAXIMUM_PIXELS}.") from error
    except ValueError as error:
        raise SourceError(f"{path}: {error}") from error
    except (OSError, SyntaxError, EOFError, MemoryError, KeyError, IndexError, TypeError, OverflowError) as error:
        raise SourceError(f"{path}: cannot be read ({error}). Replace the file or take it out.") from error
