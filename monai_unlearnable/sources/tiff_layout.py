"""How the pixels of a TIFF file are laid out, and which of its tags say how to show or measure them."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from monai_unlearnable.sources.file_errors import Refused
from monai_unlearnable.sources.pictures import MAXIMUM_PIXELS

__all__ = ["DEFLATE", "PACKBITS", "PLAIN", "TiffLayout", "TiffTags", "tiff_layout"]

PLAIN, _LZW, DEFLATE, PACKBITS = 1, 5, (8, 32946), 32773
_HORIZONTAL = 2
_GREY, _RGB = (0, 1), (2,)
_TYPES = ("uint8", "uint16", "int8", "int16")
_SEVERAL_PLANES = frozenset({"stk", "lsm", "fluoview", "volumetric"})
_ADVICE = "Save it as 8 or 16 bit grey or RGB."


@dataclass(frozen=True, kw_only=True)
class TiffTags:
    """The tags that a release keeps. Texts, times and EXIF may name a patient and are left out.

    Attributes:
        resolution: pixels per unit along x and y, as reduced fractions, or None.
        resolution_unit: 1 none, 2 inch, 3 centimetre.
        orientation: 1 to 8, as in EXIF.
        icc_profile: the colour profile, or ``b''``.
        white_point: two chromaticities as fractions, or ``()``.
        primaries: six chromaticities as fractions, or ``()``.
    """

    resolution: tuple[Fraction, Fraction] | None
    resolution_unit: int
    orientation: int
    icc_profile: bytes
    white_point: tuple[Fraction, ...]
    primaries: tuple[Fraction, ...]


@dataclass(frozen=True, kw_only=True)
class TiffLayout:
    """What a TIFF file with one picture says about itself.

    Attributes:
        shape: ``(channel, height, width)``.
        dtype: the stored type in native byte order.
        byte_order: ``<`` or ``>``.
        big: whether it is a BigTIFF.
        photometric: 0 white is zero, 1 black is zero, 2 RGB.
        separate: whether each colour has a plane of its own.
        tile: height and width of a tile in px, or None where the picture is cut into strips.
        rows_per_strip: height of a strip in px.
        compressed: whether the pixels are compressed, in whatever way.
        predictor: whether differences of neighbours are compressed.
        tags: what else a release keeps.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    byte_order: str
    big: bool
    photometric: int
    separate: bool
    tile: tuple[int, int] | None
    rows_per_strip: int
    compressed: bool
    predictor: bool
    tags: TiffTags


def tiff_layout(tif: Any, page: Any) -> TiffLayout:
    """Return the layout of the only page of an opened file.

    Args:
        tif: a ``tifffile.TiffFile``.
        page: its first page.

    Raises:
        Refused: the file holds more than one picture, or one of a kind that is not handled.
    """
    _check_single(tif, page)
    _check_kind(page)
    separate_samples, depth, height, width, samples = (int(one) for one in page.shaped)
    channels = separate_samples * samples
    photometric = int(page.photometric)
    if depth != 1 or channels != (3 if photometric in _RGB else 1) or page.extrasamples:
        raise Refused(f"has {channels} channels and a depth of {depth}, which is not handled. {_ADVICE}")
    return TiffLayout(
        shape=(channels, height, width),
        dtype=np.dtype(page.dtype).newbyteorder("="),
        byte_order=str(tif.byteorder),
        big=bool(tif.is_bigtiff),
        photometric=photometric,
        separate=separate_samples > 1,
        tile=(int(page.tilelength), int(page.tilewidth)) if page.is_tiled else None,
        rows_per_strip=int(page.rowsperstrip),
        compressed=int(page.compression) != PLAIN,
        predictor=int(page.predictor) == _HORIZONTAL,
        tags=_tags(page),
    )


def _check_single(tif: Any, page: Any) -> None:
    if len(tif.pages) != 1:
        raise Refused(f"holds {len(tif.pages)} pages; only single pictures are handled. Save each page as a file.")
    several = sorted(_SEVERAL_PLANES & set(tif.flags))
    if several:
        raise Refused(f"is of the kind {several[0]!r}, which holds several planes; save each as a file.")
    planes = (tif.imagej_metadata or {}).get("images", 1) if tif.is_imagej else 1
    shaped = tif.shaped_metadata[0].get("shape") if tif.is_shaped and tif.shaped_metadata else None
    if planes != 1 or (shaped is not None and math.prod(shaped) != page.size):
        raise Refused("holds several planes in one page; only single pictures are handled. Save each as a file.")


def _check_kind(page: Any) -> None:
    if int(page.imagewidth) * int(page.imagelength) > MAXIMUM_PIXELS:
        raise Refused(f"has {page.imagewidth} x {page.imagelength} pixels, more than the limit of {MAXIMUM_PIXELS}.")
    if min(int(page.imagewidth), int(page.imagelength)) < 1:
        raise Refused(f"has {page.imagewidth} x {page.imagelength} pixels; there must be at least one.")
    compression = int(page.compression)
    name = getattr(page.compression, "name", compression)
    if compression == _LZW and importlib.util.find_spec("imagecodecs") is None:
        raise Refused("is compressed as LZW, which needs the package imagecodecs; install it or save as deflate.")
    if compression not in (PLAIN, _LZW, *DEFLATE, PACKBITS):
        raise Refused(f"is compressed as {name}, which is not handled. Save it uncompressed or as deflate.")
    if int(page.photometric) not in (*_GREY, *_RGB):
        raise Refused(
            f"is of kind {getattr(page.photometric, 'name', page.photometric)}, which is not handled. {_ADVICE}"
        )
    bits = page.bitspersample
    dtype = "nothing" if page.dtype is None else np.dtype(page.dtype).name
    if dtype not in _TYPES or bits not in (8, 16):
        raise Refused(f"holds {dtype} pixels of {bits} bit, which is not handled. {_ADVICE}")
    if page.is_tiled and (page.tilelength % 16 or page.tilewidth % 16):
        raise Refused(f"has tiles of {page.tilewidth} x {page.tilelength} pixels; TIFF wants multiples of 16.")
    if page.planarconfig not in (1, 2):  # where it is neither, tifffile leaves parts of the picture unset
        raise Refused(f"has the planar configuration {page.planarconfig!r}, which TIFF does not know. {_ADVICE}")
    if int(page.predictor) not in (1, _HORIZONTAL):
        raise Refused(f"has the predictor {int(page.predictor)}, which is not handled. {_ADVICE}")


def _tags(page: Any) -> TiffTags:
    x, y = _fractions(page, 282, 1), _fractions(page, 283, 1)
    known = bool(x and y and x[0] > 0 and y[0] > 0)
    unit = _whole(page, 296, allowed=range(1, 4), otherwise=2) if known else 1
    profile = _value(page, 34675)
    return TiffTags(
        # What tifffile writes where it is told nothing means nothing.
        resolution=None if not known or (unit == 1 and x[0] == y[0] == 1) else (x[0], y[0]),
        resolution_unit=unit,
        orientation=_whole(page, 274, allowed=range(1, 9), otherwise=1),
        icc_profile=profile if isinstance(profile, bytes) else b"",
        white_point=_fractions(page, 318, 2),
        primaries=_fractions(page, 319, 6),
    )


def _value(page: Any, code: int) -> Any:
    tag = page.tags.get(code)
    return None if tag is None else tag.value


def _whole(page: Any, code: int, *, allowed: range, otherwise: int) -> int:
    value = _value(page, code)
    return int(value) if isinstance(value, int) and value in allowed else otherwise


def _fractions(page: Any, code: int, count: int) -> tuple[Fraction, ...]:
    """Return the rationals of a tag, or () where it does not hold so many."""
    value = _value(page, code)
    if not isinstance(value, tuple) or len(value) != 2 * count or not all(isinstance(one, int) for one in value):
        return ()
    if any(one < 0 or one >= 1 << 32 for one in value) or not all(value[1::2]):
        return ()
    return tuple(Fraction(*value[at : at + 2]) for at in range(0, 2 * count, 2))
