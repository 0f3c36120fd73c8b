"""Which files are images, and which reader each of them gets."""

from __future__ import annotations

from pathlib import Path

from monai_unlearnable.sources.dicom import DicomImage, DicomSeries, is_dicom
from monai_unlearnable.sources.image_file import ImageFormat
from monai_unlearnable.sources.itk_file import MetaImageFile, NrrdFile
from monai_unlearnable.sources.nifti_file import NiftiFile
from monai_unlearnable.sources.picture_file import PictureFile
from monai_unlearnable.sources.pictures import PICTURE_EXTENSIONS
from monai_unlearnable.sources.tiff_file import TiffPicture

__all__ = ["HANDLED_KINDS", "IMAGE_FORMATS", "format_of", "is_series_folder"]

IMAGE_FORMATS: tuple[tuple[ImageFormat, tuple[str, ...]], ...] = (
    (PictureFile(), tuple(sorted(PICTURE_EXTENSIONS))),
    (TiffPicture(), (".tif", ".tiff")),
    (NiftiFile(), (".nii", ".nii.gz")),
    (MetaImageFile(), (".mha", ".mhd")),
    (NrrdFile(), (".nrrd",)),
    (DicomImage(), (".dcm",)),
)
"""Each reader with the endings of the names of its files. What a file really is, its reader proves."""

HANDLED_KINDS = "PNG, JPEG, BMP, TIFF, NIfTI, MetaImage, NRRD and DICOM"
"""For messages."""

_DIRECTORY_NAME = "DICOMDIR"


def format_of(path: Path, *, allow_lossy: bool = False) -> ImageFormat | None:
    """Return the reader of an image file, or of a folder that is a DICOM series; None for anything else.

    DICOM files often have no ending, or a part of a UID as one: those are looked into.

    Args:
        path: the file or folder.
        allow_lossy: the reader of DICOM files takes pixels that were compressed with loss.

    Example:
        >>> [type(format_of(Path(name))).__name__ for name in ("a.JPEG", "b.nii.gz", "c.MHD", "notes.txt")]
        ['PictureFile', 'NiftiFile', 'MetaImageFile', 'NoneType']
    """
    name = path.name.lower()
    if path.name == _DIRECTORY_NAME:
        return None
    if path.is_dir():
        return DicomSeries(allow_lossy=allow_lossy) if is_series_folder(path) else None
    for form, endings in IMAGE_FORMATS:
        if name.endswith(endings):
            return DicomImage(allow_lossy=allow_lossy) if isinstance(form, DicomImage) else form
    has_no_ending = path.suffix == "" or path.suffix[1:].isdigit()
    return DicomImage(allow_lossy=allow_lossy) if has_no_ending and path.is_file() and is_dicom(path) else None


def is_series_folder(folder: Path) -> bool:
    """Tell whether a DICOM file lies right in a folder; whether all of them are one series shows when it is read."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return False
    return any(one.is_file() and one.name != _DIRECTORY_NAME and is_dicom(one) for one in entries)
