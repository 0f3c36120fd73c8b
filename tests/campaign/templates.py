"""A small whole file of every format that can be protected, beside a good one, as sources to damage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import tifffile
from numpy.typing import NDArray
from PIL import Image
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from tests.campaign.sources import FLOAT_LEVEL, SIZE_PX, levels, save_float, save_nifti, save_series
from tests.itk_files import write_itk
from tests.sources.dicom.building import write

Save = Callable[[Path, int], object]
"""Writes a file from a seed."""


@dataclass(frozen=True)
class Template:
    """A source with one file that will be damaged.

    Attributes:
        name: what kind of file it is.
        kind: whose header it has: ``png``, ``nifti``, ``dicom``, ...
        source: what is protected.
        suspect: the file to damage.
        level_size: what one level adds to a value of a floating-point file.
    """

    name: str
    kind: str
    source: Path
    suspect: Path
    level_size: float | None = None


def _grey(seed: int) -> NDArray[np.uint8]:
    return (levels(SIZE_PX, SIZE_PX, seed=seed, label=seed % 2) // 16).astype(np.uint8)


def _colour(seed: int) -> NDArray[np.uint8]:
    return np.stack([_grey(seed), _grey(seed + 1), _grey(seed + 2)], axis=-1)


def _volume(seed: int) -> NDArray[np.uint16]:
    return levels(3, SIZE_PX, SIZE_PX, seed=seed, label=seed % 2)


def _pillow(make: Callable[[int], NDArray[Any]], **options: Any) -> Save:
    return lambda path, seed: Image.fromarray(make(seed)).save(path, **options)


def _tiff(make: Callable[[int], NDArray[Any]], **options: Any) -> Save:
    return lambda path, seed: tifffile.imwrite(path, make(seed), **options)


def _itk(*, compressed: bool) -> Save:
    return lambda path, seed: write_itk(path, _volume(seed), compressed=compressed)


def _float(path: Path, seed: int) -> None:
    write_itk(path, _volume(seed).astype(np.float32) / np.float32(7))


def _nifti2(path: Path, seed: int) -> None:
    nibabel.loadsave.save(nibabel.nifti2.Nifti2Image(_volume(seed).T.astype(np.int16), np.eye(4)), path)


def _dicom(syntax: str | None = None, *, compressed: str | None = None) -> Save:
    def save(path: Path, seed: int) -> None:
        size_px = 32 if compressed == JPEG2000Lossless else SIZE_PX  # the codec takes nothing smaller
        cells = levels(size_px, size_px, seed=seed, label=seed % 2)[None, ..., None]
        more: dict[str, Any] = {"BitsStored": 12, "SOPInstanceUID": f"1.2.826.0.1.1.{seed}", "PatientName": "Doe^Ann"}
        write(path, cells, **more if syntax is None else more | {"syntax": syntax})
        if compressed is not None:
            dataset = pydicom.dcmread(path)
            dataset.compress(compressed, generate_instance_uid=False)
            dataset.save_as(path)

    return save


_FILES: dict[str, tuple[str, str, Save]] = {
    "png, 8 bits": ("png", ".png", _pillow(_grey)),
    "png, colour": ("png", ".png", _pillow(_colour)),
    "png, 16 bits": ("png", ".png", _pillow(lambda seed: _volume(seed)[0])),
    "jpeg": ("jpeg", ".jpg", _pillow(_grey, quality=90)),
    "bmp": ("bmp", ".bmp", _pillow(_grey)),
    "tiff": ("tiff", ".tif", _tiff(_grey)),
    "tiff, deflate": ("tiff", ".tif", _tiff(lambda seed: _volume(seed)[0], compression="zlib", rowsperstrip=5)),
    "tiff, tiles": ("tiff", ".tif", _tiff(_colour, tile=(16, 16), photometric="rgb")),
    "nifti": ("nifti", ".nii", lambda path, seed: save_nifti(path, _volume(seed))),
    "nifti, gzip": ("nifti", ".nii.gz", lambda path, seed: save_nifti(path, _volume(seed))),
    "nifti-2": ("nifti2", ".nii", _nifti2),
    "metaimage": ("text", ".mha", _itk(compressed=False)),
    "metaimage, zlib": ("text", ".mha", _itk(compressed=True)),
    "metaimage in two files": ("text", ".mhd", _itk(compressed=False)),
    "nrrd": ("text", ".nrrd", _itk(compressed=False)),
    "nrrd, gzip": ("text", ".nrrd", _itk(compressed=True)),
    "nifti, float": ("nifti", ".nii", lambda path, seed: save_float(path, _volume(seed))),
    "metaimage, float": ("text", ".mha", _float),
    "nrrd, float": ("text", ".nrrd", _float),
    "dicom": ("dicom", ".dcm", _dicom()),
    "dicom, implicit": ("dicom", ".dcm", _dicom(ImplicitVRLittleEndian)),
    "dicom, big endian": ("dicom", ".dcm", _dicom(ExplicitVRBigEndian)),
    "dicom, deflated": ("dicom", ".dcm", _dicom(DeflatedExplicitVRLittleEndian)),
    "dicom, RLE": ("dicom", ".dcm", _dicom(compressed=RLELossless)),
    "dicom, JPEG-LS": ("dicom", ".dcm", _dicom(compressed=JPEGLSLossless)),
    "dicom, JPEG 2000": ("dicom", ".dcm", _dicom(compressed=JPEG2000Lossless)),
}


def write_templates(folder: Path) -> list[Template]:
    """Write every template into a folder of its own."""
    made = []
    for name, (kind, ending, save) in _FILES.items():
        source = folder / name / "source"
        for seed, place in enumerate(("a/good", "b/suspect")):
            path = source / f"{place}{ending}"
            path.parent.mkdir(parents=True)
            save(path, seed)
        size = FLOAT_LEVEL if name.endswith("float") else None
        made.append(Template(name, kind, source, source / f"b/suspect{ending}", size))
        if ending == ".mhd":
            made.append(Template("pixels beside a metaimage", "none", source, source / "b/suspect.raw"))
    return [*made, _series(folder / "dicom series"), _archive(folder / "npz")]


def _series(folder: Path) -> Template:
    for seed, name in enumerate("ab"):
        save_series(folder / "source" / name / "volume", _volume(seed))
    slices = folder / "source/b/volume"
    suspect = (slices / "01.dcm").rename(slices / "suspect.dcm")
    return Template("dicom series", "dicom", folder / "source", suspect)


def _archive(folder: Path) -> Template:
    folder.mkdir(parents=True)
    images = np.stack([_grey(seed) for seed in range(4)])
    path = folder / "suspect.npz"
    np.savez(path, train_images=images, train_labels=np.arange(4)[:, None] % 2)
    return Template("npz", "npz", path, path)
