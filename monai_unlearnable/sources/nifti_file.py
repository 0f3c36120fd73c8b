"""NIfTI-1 and NIfTI-2 in one file (``.nii``, ``.nii.gz``), as the numbers it stores."""

from __future__ import annotations

import gzip
import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from monai_unlearnable.sources.data_block import (
    DEFLATE_RATIO,
    LARGEST_TAIL_BYTES,
    DataBlock,
    check_fits,
    level_range,
)
from monai_unlearnable.sources.file_errors import Refused, errors_name
from monai_unlearnable.sources.float_levels import check_finite
from monai_unlearnable.sources.image_file import ImageFormat, ImageHeader, StoredValues
from monai_unlearnable.sources.image_view import ImageView, Placement, place

__all__ = ["NiftiFile", "NiftiParts", "decode_nifti", "read_nifti_parts"]

_GZIP_SIGNATURE = b"\x1f\x8b"
_START_BYTES = 544
_MAGICS = {348: (slice(344, 348), b"n+1\0", b"ni1\0"), 540: (slice(4, 8), b"n+2\0", b"ni2\0")}
_HANDLED = frozenset({"uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64"})
_CIFTI_INTENTS = range(3000, 3100)


@dataclass(frozen=True, kw_only=True)
class NiftiParts:
    """A whole NIfTI file, taken apart.

    Attributes:
        head: every byte before the numbers: header and extensions.
        body: the numbers' bytes.
        tail: every byte after them.
        block: how the numbers lie in ``body``.
        packed: whether the file is gzipped.
    """

    head: bytes
    body: bytes
    tail: bytes
    block: DataBlock
    packed: bool


@dataclass(frozen=True)
class _Layout:
    header: Any
    block: DataBlock
    offset_bytes: int


class NiftiFile(ImageFormat):
    """A NIfTI volume or picture; ``scl_slope`` and ``scl_inter`` are never applied.

    Space is ``x, y, z`` in the order of the file, or ``x, y`` where the file has two dimensions. The fourth and all
    further dimensions become the channel: ``(x, y, z, t, u)`` is read as ``(u * t, x, y, z)`` with t running fastest.
    """

    name = "nifti"

    def header(self, path: Path) -> ImageHeader:
        """Read shape, type and slope; see :meth:`ImageFormat.header`."""
        with errors_name(path, kind="NIfTI"), _open_content(path) as (stream, packed):
            layout = _read_layout(stream, path.stat().st_size, packed=packed)
            low, high = level_range(layout.block.dtype)
            slope, _ = layout.header.get_slope_inter()
        return ImageHeader(
            shape=layout.block.shape,
            dtype=layout.block.dtype.newbyteorder("="),
            format=self.name,
            low_level=low,
            high_level=high,
            level_size=abs(float(slope)) if slope else 1.0,
        )

    def geometry(self, path: Path) -> NDArray[np.float64]:
        """Return the best affine of the header, as nibabel chooses it; see :meth:`ImageFormat.geometry`."""
        with errors_name(path, kind="NIfTI"), _open_content(path) as (stream, packed):
            header = _read_layout(stream, path.stat().st_size, packed=packed).header
            return np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.asarray(header.get_best_affine(), dtype=np.float64)

    def view(self, path: Path) -> ImageView:
        """Read how the image is shown; see :meth:`ImageFormat.view`."""
        with errors_name(path, kind="NIfTI"), _open_content(path) as (stream, packed):
            header = _read_layout(stream, path.stat().st_size, packed=packed).header
            slope, intercept = header.get_slope_inter()
            placement = _placement(header)
        return ImageView(
            slopes=(float(slope or 1.0),), intercepts=(float(intercept or 0.0),), x_first=True, placement=placement
        )

    def read(self, path: Path) -> StoredValues:
        """Read the stored numbers, ``(channel, *space)``; see :meth:`ImageFormat.read`."""
        return decode_nifti(read_nifti_parts(path), path)


def decode_nifti(parts: NiftiParts, path: Path) -> StoredValues:
    """Return the stored numbers of a file that is taken apart already, ``(channel, *space)``.

    Raises:
        SourceError: there are NaN or infinity among them; ``path`` is for the message.
    """
    image = parts.block.decode(parts.body)
    check_finite(image, where=str(path))
    return image


def read_nifti_parts(path: Path) -> NiftiParts:
    """Read a whole file and take it apart; a gzipped one's checksum is proved.

    Raises:
        SourceError: the file is damaged or cut short, or of a kind that is not handled.
    """
    with errors_name(path, kind="NIfTI"), _open_content(path) as (stream, packed):
        layout = _read_layout(stream, path.stat().st_size, packed=packed)
        stream.seek(0)
        head = stream.read(layout.offset_bytes)
        body = stream.read(layout.block.size_bytes)
        if len(body) != layout.block.size_bytes:
            raise Refused(
                f"its header says {layout.block.size_bytes} bytes of numbers, the file holds {len(body)}. "
                f"It is cut short; fetch it again."
            )
        tail = stream.read(LARGEST_TAIL_BYTES + 1)
        if len(tail) > LARGEST_TAIL_BYTES:
            raise Refused(f"holds more than {LARGEST_TAIL_BYTES} bytes after the numbers that its header says.")
    return NiftiParts(head=head, body=body, tail=tail, block=layout.block, packed=packed)


@contextmanager
def _open_content(path: Path) -> Iterator[tuple[IO[bytes], bool]]:
    """Open the content, unpacked if it is gzipped, whatever the name says."""
    with path.open("rb") as stream:
        packed = stream.read(2) == _GZIP_SIGNATURE
        stream.seek(0)
        if not packed:
            yield stream, False
            return
        with gzip.GzipFile(fileobj=stream, mode="rb") as unpacked:
            yield io.BufferedReader(unpacked), True


def _read_layout(stream: IO[bytes], file_bytes: int, *, packed: bool) -> _Layout:
    header = _parse(stream.read(_START_BYTES))
    sizes = tuple(int(one) for one in header.get_data_shape())
    if len(sizes) < 2:
        raise Refused(f"has the dimensions {sizes}; two to seven are handled.")
    block = DataBlock(
        dtype=_dtype(header), file_shape=tuple(reversed(sizes)), channel_axes=tuple(range(len(sizes) - 3))
    )
    offset, smallest = float(header["vox_offset"]), header.sizeof_hdr + 4
    content_bytes = file_bytes * DEFLATE_RATIO if packed else file_bytes
    if not (smallest <= offset <= content_bytes and offset == int(offset)):
        raise Refused(
            f"its header says that the numbers start at byte {offset:g}; they can from {smallest} to {content_bytes}."
        )
    check_fits(block, content_bytes - int(offset), packed=False)
    header.get_slope_inter()  # raises where they are not numbers
    return _Layout(header, block, int(offset))


def _placement(header: Any) -> Placement | None:
    directed = int(header["qform_code"]) > 0 or int(header["sform_code"]) > 0
    try:
        affine = np.asarray(header.get_best_affine() if directed else header.get_base_affine(), dtype=np.float64)
    except (ValueError, HeaderDataError):  # a quaternion that is none: the numbers can be shown all the same
        return None
    axes = min(3, len(header.get_data_shape()))
    # NIfTI counts right and anterior as positive.
    return place((affine[:3, :axes] * [[-1], [-1], [1]]).T, directed=directed)


def _parse(start: bytes) -> Any:
    for order in "<", ">":
        size = struct.unpack(f"{order}i", start[:4])[0] if len(start) >= 4 else 0
        if size not in _MAGICS or len(start) < size:
            continue
        where, single, pair = _MAGICS[size]
        if start[where] == pair:
            raise Refused("is one half of a .hdr/.img pair. Save it as a single .nii or .nii.gz file.")
        if start[where] != single:
            raise Refused("has no NIfTI signature (it may be ANALYZE). Save it as .nii or .nii.gz.")
        header_class: Any = Nifti1Header if size == 348 else Nifti2Header
        # nibabel's own checks write to its log and mend; what matters here is refused below.
        header = header_class(start[:size], endianness=order, check=False)
        if not 1 <= int(header["dim"][0]) <= 7:
            raise Refused(f"its header says {int(header['dim'][0])} dimensions; two to seven are handled.")
        return header
    raise Refused("is not a NIfTI file, or is cut short.")


def _dtype(header: Any) -> np.dtype[Any]:
    if int(header["intent_code"]) in _CIFTI_INTENTS:
        raise Refused("is a CIFTI file (a table of surfaces and voxels), not an image.")
    dtype: np.dtype[Any] = header.get_data_dtype()
    if dtype.name not in _HANDLED:
        label = header.get_value_label("datatype")
        raise Refused(f"holds {label} numbers, which are not handled. Save it as one of {', '.join(sorted(_HANDLED))}.")
    return dtype
