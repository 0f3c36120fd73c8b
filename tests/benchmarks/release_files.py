"""Files of several kinds to release, and the plain read-and-rewrite that each kind's own library does with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

__all__ = ["KINDS", "Kind", "make_volume", "write_series"]

from tests.itk_files import read_itk, write_itk


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Attributes:
        name: for the result file.
        write: writes labelled files of a volume into an empty folder.
        rewrite: reads the pixels of one file and writes them into another, as its library does it.
    """

    name: str
    write: Callable[[NDArray[np.int16], Path], None]
    rewrite: Callable[[Path, Path], None]


def make_volume(*shape: int) -> NDArray[np.int16]:
    """Smooth structures with grain, as a scan has them, ``(slice, row, column)`` in HU + 1024."""
    generator = np.random.default_rng(0)
    volume = np.empty(shape, dtype=np.int16)
    rows, columns = np.mgrid[0 : shape[1], 0 : shape[2]].astype(np.float32)
    for number in range(shape[0]):  # one slice after the other, so that making it takes no memory
        smooth = 1000 + 600 * np.sin(rows / 37 + number / 9) * np.cos(columns / 51)
        volume[number] = smooth + generator.normal(0, 12, shape[1:]).astype(np.float32)
    return volume


def write_series(volume: NDArray[np.int16], folder: Path, *, number: int) -> None:
    """Write one CT series of a file for each slice."""
    folder.mkdir(parents=True)
    for position, pixels in enumerate(volume):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = CTImageStorage, ExplicitVRLittleEndian
        meta.MediaStorageSOPInstanceUID = UID(f"1.2.826.0.1.3680043.8.498.{number}.{position + 1}")
        dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
        dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        dataset.SeriesInstanceUID = f"1.2.826.0.1.3680043.8.498.{number}"
        dataset.Modality, dataset.PatientName, dataset.ImageType = "CT", "Made^Up", ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.ImageOrientationPatient, dataset.PixelSpacing = [1, 0, 0, 0, 1, 0], [0.7, 0.7]
        dataset.ImagePositionPatient, dataset.InstanceNumber = [0, 0, 1.5 * position], position + 1
        dataset.Rows, dataset.Columns = pixels.shape
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
        dataset.RescaleIntercept, dataset.RescaleSlope = -1024, 1
        dataset.PixelData = pixels.tobytes()
        dataset.save_as(folder / f"{position:04d}.dcm", enforce_file_format=True)


def _write_two_series(volume: NDArray[np.int16], folder: Path) -> None:
    half = len(volume) // 2
    for number, (name, part) in enumerate((("a", volume[:half]), ("b", volume[half:])), start=1):
        write_series(part, folder / name / "series", number=number)


def _write_volumes(ending: str) -> Callable[[NDArray[np.int16], Path], None]:
    def write(volume: NDArray[np.int16], folder: Path) -> None:
        half = len(volume) // 2
        for name, part in (("a", volume[:half]), ("b", volume[half:])):
            (folder / name).mkdir(parents=True)
            path = folder / name / f"volume{ending}"
            if ending == ".mha":
                write_itk(path, part)
            else:
                nib.save(nib.Nifti1Image(part.T, np.eye(4)), path)

    return write


def _write_pictures(volume: NDArray[np.int16], folder: Path) -> None:
    for number, pixels in enumerate(volume):
        path = folder / "ab"[number % 2] / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels // 8).clip(0, 255).astype(np.uint8)).save(path)


def _rewrite_dicom(old: Path, new: Path) -> None:
    dataset = pydicom.dcmread(old)
    dataset.PixelData = dataset.pixel_array.tobytes()
    dataset.save_as(new)


def _rewrite_nifti(old: Path, new: Path) -> None:
    image: Any = nib.load(old)
    nib.save(nib.Nifti1Image(np.asanyarray(image.dataobj), image.affine, image.header), new)


def _rewrite_picture(old: Path, new: Path) -> None:
    with Image.open(old) as picture:
        Image.fromarray(np.asarray(picture)).save(new)


def _rewrite_metaimage(old: Path, new: Path) -> None:
    write_itk(new, read_itk(old))


KINDS = (
    Kind("DICOM series", _write_two_series, _rewrite_dicom),
    Kind("NIfTI", _write_volumes(".nii"), _rewrite_nifti),
    Kind("gzipped NIfTI", _write_volumes(".nii.gz"), _rewrite_nifti),
    Kind("PNG", _write_pictures, _rewrite_picture),
    Kind("MetaImage", _write_volumes(".mha"), _rewrite_metaimage),
)
