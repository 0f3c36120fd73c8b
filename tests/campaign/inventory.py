"""Real files that come with Python packages, or lie beside the project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nibabel
import nilearn
import pydicom
import skimage

_PICTURES = (".png", ".jpg", ".tif")


def file_sets(data: Path) -> Iterator[tuple[str, list[Path]]]:
    """Yield a name and the files of every set; a folder is a DICOM series. Sets that are not here are left out."""
    found = {
        "pydicom's test files": _files(_package(pydicom) / "data/test_files"),
        "nilearn's NIfTI files": _volumes(_package(nilearn)),
        "nibabel's NIfTI files": _volumes(_package(nibabel)),
        "scikit-image's pictures": [
            path for path in _files(_package(skimage) / "data") if path.suffix.lower() in _PICTURES
        ],
        "CT slices": _files(data / "dicom/ct_chest"),
        "MR slices": _files(data / "dicom/mr_brain"),
        "CT and MR series": [path for path in (data / "dicom/ct_chest", data / "dicom/mr_brain") if path.is_dir()],
        "MSD hippocampus, images": _volumes(data / "msd_hippocampus/images"),
        "MSD hippocampus, labels": _volumes(data / "msd_hippocampus/labels"),
        "MedMNIST archives": sorted((data / "medmnist").glob("*.npz")),
    }
    yield from ((name, paths) for name, paths in found.items() if paths)


def _package(module: object) -> Path:
    return Path(str(module.__dict__["__file__"])).parent


def _files(folder: Path) -> list[Path]:
    return sorted(one for one in folder.rglob("*") if one.is_file() and "__pycache__" not in one.parts)


def _volumes(folder: Path) -> list[Path]:
    return [one for one in _files(folder) if one.name.endswith((".nii", ".nii.gz")) and not one.name.startswith(".")]
