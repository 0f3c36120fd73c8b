"""Write a protected copy of one DICOM file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from monai_unlearnable.errors import ReleaseError
from monai_unlearnable.release.formats.dicom import tags
from monai_unlearnable.release.formats.dicom.edit import Elements, identified, placed, value_text
from monai_unlearnable.release.formats.dicom.encode import with_value
from monai_unlearnable.release.formats.dicom.file import MadeFile, with_meta_text, with_pixels
from monai_unlearnable.release.formats.dicom.identity import ReleaseIdentity
from monai_unlearnable.release.formats.dicom.private import large_private_elements
from monai_unlearnable.sources.dicom.content import DicomContent
from monai_unlearnable.sources.dicom.errors import errors_name
from monai_unlearnable.sources.dicom.image import LoadedDicom, load_dicom
from monai_unlearnable.sources.dicom.syntaxes import LOSSY, syntax_text
from monai_unlearnable.types import StoredArray

__all__ = ["WrittenDicom", "check_image", "write_protected"]


@dataclass(frozen=True, kw_only=True)
class WrittenDicom:
    """What became of a file.

    Attributes:
        transfer_syntax: UID of how the pixels were written.
        notices: what the owner should know, in whole sentences; they name elements, never their values.
        made: what was written.
    """

    transfer_syntax: str
    notices: tuple[str, ...] = ()
    made: MadeFile = field(repr=False, compare=False)


def write_protected(
    path: Path,
    *,
    template: Path | LoadedDicom,
    image: StoredArray,
    identity: ReleaseIdentity,
    allow_lossy: bool = False,
) -> WrittenDicom:
    """Write a copy of ``template`` with other pixels and a new identity.

    The standard wants a changed image to say so: new SOPInstanceUID and SeriesInstanceUID, ImageType DERIVED,
    DerivationDescription, an item in ContributingEquipmentSequence, true SmallestImagePixelValue and
    LargestImagePixelValue. Icons (a small copy of the unprotected image) and signatures are removed. Every other
    element stays byte by byte.

    Args:
        path: where to write; the caller sees to it that a half-written file is never seen.
        template: the source's file, or what was read of it.
        image: stored integers, ``(sample, [frame,] row, column)``, of the template's shape and type.
        identity: how the files of this release are named.
        allow_lossy: take pixels that were compressed with loss; they are written uncompressed.

    Raises:
        ReleaseError: the image does not fit the template, leaves the bits that are stored, or changes padding.
        SourceError: the template cannot be read.
    """
    loaded = load_dicom(template, allow_lossy=allow_lossy)
    with errors_name(loaded.content.path):
        content = loaded.content
        check_image(image, loaded)
        _check_padding(image, loaded)
        cells = loaded.with_levels(image)
        elements = _with_extremes(identified(content, identity), image, loaded)
        instance = next(value_text(one) for one in elements if one.tag == tags.SOP_INSTANCE_UID)
        meta = with_meta_text(content.meta, tags.META_INSTANCE_UID, instance)
        made = with_pixels(elements, replace(loaded, content=replace(content, meta=meta)), cells)
        private = () if identity.drop_private else large_private_elements(content)
    path.write_bytes(made.data)
    syntax = made.transfer_syntax
    return WrittenDicom(transfer_syntax=syntax, notices=_notices(content, syntax, private), made=made)


def check_image(image: StoredArray, loaded: LoadedDicom) -> None:
    """Refuse an image that is not as its file's pixels are.

    Raises:
        ReleaseError: another shape or type, or a level that the stored bits cannot hold.
    """
    layout, path = loaded.layout, loaded.content.path
    if image.shape != layout.shape or image.dtype != layout.dtype:
        raise ReleaseError(
            f"{path}: holds {layout.dtype} {layout.shape}, the image to write is {image.dtype} {image.shape}."
        )
    low, high = int(image.min()), int(image.max())
    if low < layout.low_level or high > layout.high_level:
        raise ReleaseError(
            f"{path}: BitsStored {layout.bits_stored} holds levels {layout.low_level} to {layout.high_level}, the "
            f"image to write has {low} to {high}. Keep the delta inside the valid range."
        )


def _check_padding(image: StoredArray, loaded: LoadedDicom) -> None:
    padding = loaded.padding
    if padding is not None and not np.array_equal(image[padding], loaded.levels[padding]):
        changed = int(np.count_nonzero(image[padding] != loaded.levels[padding]))
        raise ReleaseError(
            f"{loaded.content.path}: {changed} padding voxels (PixelPaddingValue) would change. "
            "Keep the delta zero where the format says that a voxel is untouchable."
        )


def _with_extremes(elements: Elements, image: StoredArray, loaded: LoadedDicom) -> Elements:
    """Make smallest and largest pixel value true, of the voxels that are no padding where there are some."""
    padding = loaded.padding
    shown = image if padding is None or padding.all() else image[~padding]
    for tag, level in ((tags.SMALLEST_PIXEL, int(shown.min())), (tags.LARGEST_PIXEL, int(shown.max()))):
        element = loaded.content.find(tag)
        if element is not None and len(element.value) == 2:
            value = level.to_bytes(2, element.encoding.byte_order, signed=loaded.layout.signed)
            elements = placed(elements, with_value(element, value))
    return elements


def _notices(content: DicomContent, syntax: str, private: tuple[str, ...]) -> tuple[str, ...]:
    notices = []
    if syntax != content.transfer_syntax:
        why = "it loses something" if content.transfer_syntax in LOSSY else "it cannot be written again without loss"
        old, new = syntax_text(content.transfer_syntax), syntax_text(syntax)
        notices.append(f"Was {old} and is written as {new}, because {why}.")
    if private:
        notices.append(
            f"Keeps private elements as large as an image: {', '.join(private)}. They may hold a copy of the "
            "unprotected image; leave private elements out (drop_private=True) if so."
        )
    return tuple(notices)
