"""Put other pixels into a data set, in its own transfer syntax where that can be written without loss."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from monai_unlearnable.release.formats.dicom import tags
from monai_unlearnable.release.formats.dicom.edit import Elements, placed, text_value
from monai_unlearnable.release.formats.dicom.encode import with_value
from monai_unlearnable.sources.dicom.cells import Cells, cells_to_levels, native_bytes
from monai_unlearnable.sources.dicom.compressed import trusted_plugins
from monai_unlearnable.sources.dicom.elements import Element
from monai_unlearnable.sources.dicom.image import LoadedDicom
from monai_unlearnable.sources.dicom.layout import PixelLayout
from monai_unlearnable.sources.dicom.syntaxes import EXPLICIT_LITTLE, NATIVE, REWRITABLE

__all__ = ["PixelElements", "compressed_pixels", "native_pixels"]

_RLE = "1.2.840.10008.1.2.5"
_SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
_UNDEFINED = b"\xff\xff\xff\xff"


@dataclass(frozen=True)
class PixelElements:
    """A data set with other pixels.

    Attributes:
        elements: the data set.
        transfer_syntax: how its pixels are written.
    """

    elements: Elements
    transfer_syntax: str


def native_pixels(elements: Iterable[Element], loaded: LoadedDicom, cells: Cells) -> PixelElements:
    """Put cells into a data set uncompressed.

    Args:
        elements: the data set.
        loaded: the file that it is made from.
        cells: ``(sample, frame, row, column)``.

    Returns:
        The data set in the file's own syntax if that is uncompressed, else in Explicit VR Little Endian.

    Raises:
        ValueError: the pixels are too long for their element.
    """
    content, layout = loaded.content, loaded.layout
    old = content.find(tags.PIXEL_DATA)
    assert old is not None
    if content.transfer_syntax in NATIVE:
        new = replace(old, value=memoryview(native_bytes(cells, content, old, layout)))
        return PixelElements(placed(elements, new), content.transfer_syntax)
    data = np.moveaxis(cells, 0, -1).astype(layout.cell_dtype.newbyteorder("<")).tobytes()
    vr = b"OW" if layout.bits_allocated == 16 else b"OB"
    bare = replace(old, vr=vr.decode(), header=b"\xe0\x7f\x10\0" + vr + b"\0\0" + bytes(4))
    new = with_value(bare, data + b"\0" * (len(data) % 2))
    kept = [one for one in elements if one.tag not in tags.OFFSET_TABLES]
    return PixelElements(_uncompressed(placed(kept, new)), EXPLICIT_LITTLE)


def compressed_pixels(elements: Iterable[Element], loaded: LoadedDicom, cells: Cells) -> PixelElements | None:
    """Put cells into a data set compressed as its file is; None where nothing installed can do that.

    The caller has to read the result back: a codec may take cells for something else than they are.
    """
    content, layout = loaded.content, loaded.layout
    if content.transfer_syntax not in REWRITABLE:
        return None
    try:
        frames = _encoded_frames(content.transfer_syntax, layout, cells)
    except Exception:  # codecs raise nearly everything on pixels that they cannot encode
        return None
    old = content.find(tags.PIXEL_DATA)
    assert old is not None
    header = b"\xe0\x7f\x10\0OB\0\0" + _UNDEFINED
    new = replace(old, vr="OB", header=header, value=memoryview(encapsulate(frames)), trailer=_SEQUENCE_END)
    kept = [one for one in elements if one.tag not in tags.OFFSET_TABLES]
    return PixelElements(placed(kept, new), content.transfer_syntax)


def _uncompressed(elements: Elements) -> Elements:
    """Say RGB, pixel by pixel, where the codec stored it otherwise."""
    changed = list(elements)
    for index, one in enumerate(changed):
        if one.tag == tags.PHOTOMETRIC_INTERPRETATION and bytes(one.value).startswith(b"YBR"):
            changed[index] = text_value(one, "RGB")
        if one.tag == tags.PLANAR_CONFIGURATION and len(one.value) == 2:
            changed[index] = with_value(one, b"\0\0")
    return tuple(changed)


def _encoded_frames(transfer_syntax: str, layout: PixelLayout, cells: Cells) -> list[bytes]:
    from pydicom.pixels import get_encoder

    encoder = get_encoder(UID(transfer_syntax))
    plugin = trusted_plugins(encoder)[0]
    options: dict[str, Any] = {
        "rows": layout.rows,
        "columns": layout.columns,
        "number_of_frames": 1,
        "samples_per_pixel": layout.samples,
        "bits_allocated": layout.bits_allocated,
        "bits_stored": layout.bits_stored,
        "pixel_representation": int(layout.signed),
        "photometric_interpretation": layout.photometric,
        "planar_configuration": 0,
    }
    # RLE keeps whole cells; the other codecs take levels only.
    pixels = cells if transfer_syntax == _RLE else cells_to_levels(cells, layout).reshape(cells.shape)
    frames = []
    for frame in range(layout.frames):
        one = pixels[0, frame] if layout.samples == 1 else np.moveaxis(pixels[:, frame], 0, -1)
        source = one.tobytes() if transfer_syntax == _RLE else np.ascontiguousarray(one)
        frames.append(bytes(encoder.encode(source, encoding_plugin=plugin, **options)))
    return frames
