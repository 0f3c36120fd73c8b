"""Decode compressed pixel data with pydicom's plugins, after its size is known to be believable."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from monai_unlearnable.sources.dicom.cells import Cells
from monai_unlearnable.sources.dicom.content import DicomContent
from monai_unlearnable.sources.dicom.elements import Element
from monai_unlearnable.sources.dicom.layout import PixelLayout
from monai_unlearnable.sources.dicom.syntaxes import LOSSY, syntax_text

__all__ = ["MAXIMUM_RATIO", "check_compressed_size", "compressed_cells", "trusted_plugins"]

MAXIMUM_RATIO = 4096
"""How much smaller a compressed image may be than its pixels; an empty image in JPEG-LS comes near."""

_ALWAYS_ALLOWED_BYTES = 64 << 20
_PLUGINS = ("pydicom", "pyjpegls", "pylibjpeg", "pillow")


def compressed_cells(content: DicomContent, element: Element, layout: PixelLayout, *, data: bytes) -> Cells:
    """Return the decoded cells, ``(sample, frame, row, column)``; RGB whatever the codec stored it as.

    Args:
        content: the file.
        element: its pixel data.
        layout: its image pixel module.
        data: the whole file, for pydicom.

    Raises:
        ValueError: the header promises more than can be there, or no installed plugin decodes it.
    """
    check_compressed_size(element, layout)
    decoder = _decoder(content.transfer_syntax)
    dataset = pydicom.dcmread(io.BytesIO(data), force=True)
    # Colours that lost something are read as most readers show them; of lossless ones the codec gives RGB itself.
    raw = content.transfer_syntax not in LOSSY
    decoded, properties = _decoded(decoder, dataset, raw=raw)
    _check_decoded(decoded, properties, layout)
    unsigned = np.ascontiguousarray(decoded).view(layout.cell_dtype)
    stored = unsigned.reshape(layout.frames, layout.rows, layout.columns, layout.samples)
    return np.ascontiguousarray(np.moveaxis(stored, -1, 0))


def check_compressed_size(element: Element, layout: PixelLayout) -> None:
    """Refuse compressed pixel data that cannot hold what the header promises.

    Raises:
        ValueError: with both numbers of bytes, or of frames.
    """
    if not element.is_undefined_length:
        raise ValueError("PixelData is not encapsulated, but TransferSyntaxUID is a compressed one: it is damaged.")
    held, promised = len(element.value), layout.total_bytes
    if promised > _ALWAYS_ALLOWED_BYTES and promised > MAXIMUM_RATIO * held:
        raise ValueError(
            f"its header promises {promised} bytes of pixels, PixelData holds {held} compressed ones, "
            f"less than one in {MAXIMUM_RATIO}: the file is damaged. Replace it or take it out."
        )
    fragments = _fragment_count(element)
    if fragments < layout.frames:
        raise ValueError(f"NumberOfFrames is {layout.frames}, PixelData holds {fragments} fragments: it is cut short.")


def _fragment_count(element: Element) -> int:
    """Count fragments behind the offset table; the parser has checked their lengths."""
    count, position = -1, 0
    while position < len(element.value):
        position += 8 + struct.unpack_from(element.encoding.order + "I", element.value, position + 4)[0]
        count += 1
    return max(count, 0)


def _decoded(decoder: Any, dataset: Dataset, *, raw: bool) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
    failures = []
    for name in trusted_plugins(decoder):
        try:
            # The bits above the stored ones may be an overlay's, so pydicom must not clear them.
            found: tuple[np.ndarray[Any, Any], dict[str, Any]] = decoder.as_array(
                dataset, raw=raw, decoding_plugin=name, correct_unused_bits=False
            )
            return found
        except Exception as error:  # codecs raise nearly everything on damaged pixels
            failures.append(f"{name}: {str(error).splitlines()[-1:]}")
    raise ValueError(
        f"its pixels cannot be decoded ({'; '.join(failures)}). The file is damaged, or its codec is not handled. "
        "Replace the file or take it out."
    )


def trusted_plugins(coder: Any) -> list[str]:
    """Return the installed plugins of a pydicom decoder or encoder that damaged pixels cannot crash, in a fixed order.

    GDCM's is left out: on damaged JPEG-LS it ends the whole process. The order is fixed so that pixels that lost
    something are the same at every reading.
    """
    return [name for name in _PLUGINS if name in coder.available_plugins]


def _decoder(transfer_syntax: str) -> Any:
    try:
        from pydicom.pixels import get_decoder
    except ImportError as error:
        raise ValueError(
            f"TransferSyntaxUID is {syntax_text(transfer_syntax)}; compressed pixels need pydicom 3 or newer "
            f"(installed: {pydicom.__version__})."
        ) from error
    decoder = get_decoder(pydicom.uid.UID(transfer_syntax))
    if not trusted_plugins(decoder):
        raise ValueError(
            f"TransferSyntaxUID is {syntax_text(transfer_syntax)}, and no installed plugin decodes it. "
            "Install them: pip install 'monai-unlearnable[formats]'."
        )
    return decoder


def _check_decoded(decoded: np.ndarray[Any, Any], properties: dict[str, Any], layout: PixelLayout) -> None:
    frames = (layout.frames,) if layout.frames > 1 else ()
    expected = (*frames, layout.rows, layout.columns, *((layout.samples,) if layout.samples > 1 else ()))
    if decoded.shape != expected or decoded.dtype.newbyteorder("=") != layout.dtype:
        raise ValueError(
            f"its header says {layout.dtype} {expected}, they decode to {decoded.dtype} {decoded.shape}: damaged."
        )
    photometric = properties.get("photometric_interpretation")
    if layout.samples == 3 and photometric != "RGB":
        raise ValueError(
            f"PhotometricInterpretation is {layout.photometric}, and its pixels decode to {photometric}; "
            "only RGB is handled. Convert it without loss to RGB, or take it out."
        )
