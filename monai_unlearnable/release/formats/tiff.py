"""TIFF of 8 or 16 bit, grey or RGB."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import numpy as np

from monai_unlearnable.release.formats.base import ReleaseFormat
from monai_unlearnable.release.formats.only_image import only_image
from monai_unlearnable.release.hashing import bytes_sha256
from monai_unlearnable.sources.tiff_file import TiffPicture, load_tifffile, read_tiff_layout
from monai_unlearnable.sources.tiff_layout import TiffLayout, TiffTags
from monai_unlearnable.types import StoredValues

__all__ = ["TiffFormat"]

_SHORT, _RATIONAL = 3, 5


class TiffFormat(ReleaseFormat):
    """One picture in each file, written with the template's byte order, strips or tiles, and planes.

    What says how to show or measure the pixels is kept: resolution, orientation and colour space. Texts, times, EXIF,
    thumbnails and every other tag are not. Uncompressed stays uncompressed; whatever was compressed becomes deflate.
    """

    name = "tiff"

    def read(self, path: Path) -> Iterator[StoredValues]:
        """Yield the one image of the file; see :meth:`ReleaseFormat.read`."""
        yield TiffPicture().read(path)

    def write(self, path: Path, *, template: Path, images: Iterator[StoredValues]) -> None:
        """Write the one image as TIFF; see :meth:`ReleaseFormat.write`."""
        layout = read_tiff_layout(template)
        image = only_image(images, template=template, shape=layout.shape, dtype=layout.dtype)
        with path.open("wb") as stream:
            load_tifffile(template).imwrite(
                stream,
                _as_stored(image, layout),
                byteorder=layout.byte_order,
                bigtiff=layout.big,
                photometric=layout.photometric,
                planarconfig=(2 if layout.separate else 1) if len(image) > 1 else None,
                tile=layout.tile,
                rowsperstrip=None if layout.tile else layout.rows_per_strip,
                compression="adobe_deflate" if layout.compressed else None,
                predictor=True if layout.compressed and layout.predictor else None,
                maxworkers=1,
                metadata=None,
                software=False,
                **_tag_options(layout.tags),
            )

    def untouched_sha256(self, path: Path) -> dict[str, str]:
        """Hash the tags that are kept; see :meth:`ReleaseFormat.untouched_sha256`."""
        layout = read_tiff_layout(path)
        facts = asdict(layout.tags) | {"photometric": layout.photometric}
        return {"tags": bytes_sha256(json.dumps(facts, default=_plain, sort_keys=True).encode())}


def _as_stored(image: StoredValues, layout: TiffLayout) -> StoredValues:
    stored: StoredValues = image if layout.separate else np.moveaxis(image, 0, -1).copy()
    return stored.reshape(layout.shape[1:]) if len(image) == 1 else stored


def _tag_options(tags: TiffTags) -> dict[str, Any]:
    extra: list[tuple[Any, ...]] = []
    if tags.orientation != 1:
        extra.append((274, _SHORT, 1, tags.orientation, True))
    for code, fractions in ((318, tags.white_point), (319, tags.primaries)):
        if fractions:
            pairs = tuple(part for one in fractions for part in one.as_integer_ratio())
            extra.append((code, _RATIONAL, len(fractions), pairs, True))
    options: dict[str, Any] = {"extratags": extra, "iccprofile": tags.icc_profile or None}
    if tags.resolution is not None:
        options["resolution"] = tuple(one.as_integer_ratio() for one in tags.resolution)
        options["resolutionunit"] = tags.resolution_unit
    return options


def _plain(value: object) -> object:
    if isinstance(value, Fraction):
        return str(value)
    return bytes_sha256(cast(bytes, value))
