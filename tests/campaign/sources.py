"""Small sources of mixed formats, the same bytes from the same seed."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from tests.itk_files import write_itk
from tests.sources.dicom.building import SERIES, write

SIZE_PX = 12
FLOAT_LEVEL = 0.25
"""Size of a level in :func:`save_float`'s files."""


def levels(*shape: int, seed: int, label: int) -> NDArray[np.uint16]:
    """12 bits of random levels whose one half is brighter, so that a network can learn the label."""
    image = np.random.default_rng(seed).integers(200, 2600, shape)
    half = shape[-1] // 2
    image[..., half * label : half * (label + 1)] += 1200
    return image.astype(np.uint16)


def save_png(path: Path, image: NDArray[np.uint16]) -> None:
    Image.fromarray(image).save(path)


def save_tiff(path: Path, image: NDArray[np.uint16]) -> None:
    tifffile.imwrite(path, image, metadata=None, software="test")


def save_nifti(path: Path, image: NDArray[np.uint16]) -> None:
    nibabel.loadsave.save(nibabel.nifti1.Nifti1Image(image.T, np.diag([1.0, 1.5, 2.0, 1.0])), path)


def save_float(path: Path, image: NDArray[np.uint16]) -> None:
    """Values between whole numbers, which take a residual to give every bit back."""
    values = image.astype(np.float32) / np.float32(7)
    nibabel.loadsave.save(nibabel.nifti1.Nifti1Image(values.T, np.diag([1.0, 1.5, 2.0, 1.0])), path)


def save_itk(path: Path, image: NDArray[np.uint16]) -> None:
    write_itk(path, image, compressed=path.suffix == ".nrrd")


def save_dicom(path: Path, image: NDArray[np.uint16], **attributes: Any) -> None:
    attributes = {"SOPInstanceUID": f"{SERIES}.{int(image.sum())}", **attributes}
    write(path, image[None, ..., None], **attributes)


def save_series(folder: Path, image: NDArray[np.uint16]) -> None:
    """One file for each slice; the UIDs of a series follow from its pixels."""
    series = f"{SERIES}.{int(image.sum())}"
    for at, one in enumerate(image):
        place = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "ImagePositionPatient": [0, 0, 2.0 * at]}
        uids = {"SeriesInstanceUID": series, "SOPInstanceUID": f"{series}.{at}"}
        save_dicom(folder / f"{at:02d}.dcm", one, InstanceNumber=at + 1, **place, **uids)


PICTURES = {".png": save_png, ".tif": save_tiff, ".nii.gz": save_nifti, ".mha": save_itk, ".dcm": save_dicom}
VOLUMES = {".nii.gz": save_nifti, ".mha": save_itk, ".nrrd": save_itk, "": save_series, ".nii": save_float}


def write_pictures(folder: Path) -> Path:
    """Write ten pictures of five formats into two class folders."""
    for number, (ending, save) in enumerate([*PICTURES.items()] * 2):
        label = number % 2
        path = folder / ("left", "right")[label] / f"{number:02d}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, levels(SIZE_PX, SIZE_PX + number % 3, seed=number, label=label))
    return folder


def write_volumes(folder: Path) -> Path:
    """Write ten volumes of five formats, DICOM series among them, with a labels CSV."""
    rows = [["file", "label"]]
    for number, (ending, save) in enumerate([*VOLUMES.items()] * 2):
        label = number // len(VOLUMES)
        path = folder / f"{number:02d}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, levels(3, SIZE_PX, SIZE_PX, seed=number, label=label))
        rows.append([path.name, ("left", "right")[label]])
    with (folder / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return folder
