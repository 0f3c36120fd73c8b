"""Real medical files as small sources, one for each format that has them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray
from skimage import data

SLICES_PER_SERIES = 3


def brain_volumes(folder: Path) -> Path:
    """Write ``{low,high}/<n>.nii.gz``: boxes of the packaged MNI152 brain as int16, in plain and gzipped files."""
    datasets = pytest.importorskip("nilearn.datasets")
    brain = datasets.load_mni152_template(resolution=2)
    levels = np.asarray(np.rint(brain.get_fdata() * 3000) - 500, dtype=np.int16)
    for number in range(4):
        corner = 20 + 6 * number
        name = ("low", "high")[number % 2] + f"/{number}.nii" + (".gz" if number < 2 else "")
        image = nib.Nifti1Image(levels[corner : corner + 20, 30:48, 25:41], brain.affine)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        nib.save(image, folder / name)
    return folder


def ct_files(shared_data: Path, folder: Path) -> Path:
    """Copy single CT slices to ``{upper,lower}/``, some without an ending."""
    for number, name in enumerate(("1-01.dcm", "1-02.dcm", "1-40.dcm", "1-41.dcm")):
        target = folder / ("upper", "lower")[number // 2] / (name if number % 2 else name.removesuffix(".dcm"))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(shared_data / "dicom/ct_chest" / name, target)
    return folder


def ct_series(shared_data: Path, folder: Path) -> tuple[Path, Path]:
    """Copy parts of one CT series to ``first/`` and ``deep/second/``, with a labels CSV beside the folder."""
    for name, start in (("first", 1), ("deep/second", 40)):
        (folder / name).mkdir(parents=True)
        for number in range(start, start + SLICES_PER_SERIES):
            shutil.copy(shared_data / f"dicom/ct_chest/1-{number:02d}.dcm", folder / name)
    labels = folder.parent / "labels.csv"
    labels.write_text("file,label\nfirst,upper\ndeep/second,lower\n")
    return folder, labels


def small_pictures() -> list[NDArray[Any]]:
    """Grey parts of scikit-image's pictures as uint8, all of one size."""
    return [image[100:148, 100:148].astype(np.uint8) for image in (data.camera(), data.coins(), data.moon())]


def mixed_pictures(folder: Path) -> Path:
    """Write the pictures as TIFF, MetaImage (in one file and in two), NRRD and PNG into two classes."""
    tifffile = pytest.importorskip("tifffile")
    pictures = small_pictures()
    (folder / "a").mkdir(parents=True)
    (folder / "b").mkdir()
    tifffile.imwrite(folder / "a/camera.tif", pictures[0])
    for name, picture in (("a/coins.mha", 1), ("a/moon.mhd", 2), ("b/moon.nrrd", 2), ("b/camera.png", 0)):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(pictures[picture]), str(folder / name))
    return folder
