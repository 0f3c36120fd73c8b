"""Programs of other people read the released files as they read the originals."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from monai_unlearnable.errors import SourceError
from monai_unlearnable.release.formats.dicom import ReleaseIdentity, write_protected
from monai_unlearnable.sources.dicom import DicomImage, DicomSeries
from tests.release.dicom.writing import UIDS, protect

PACKAGED = Path(pydicom.__file__).parent / "data" / "test_files"
DEFLATED = "1.2.840.10008.1.2.1.99"


def program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian package {package})")
    return found


def complaints(path: Path) -> set[str]:
    run = subprocess.run(
        [program("dciodvfy", "dicom3tools"), "-new", str(path)],
        capture_output=True,
        check=False,
        text=True,
        errors="replace",
    )
    return {line for line in (run.stdout + run.stderr).splitlines() if line.startswith("Error")}


def test_dciodvfy_finds_no_new_error(tmp_path: Path) -> None:
    program("dciodvfy", "dicom3tools")
    identity = ReleaseIdentity(uids=UIDS, reference_source=True)
    checked = 0
    for path in sorted(one for one in PACKAGED.rglob("*") if one.is_file()):
        try:
            header = DicomImage(allow_lossy=True).header(path)
            protect(path, tmp_path / "copy.dcm", identity=identity, allow_lossy=True)
        except SourceError:
            continue
        if header.transfer_syntax != DEFLATED:  # which dciodvfy does not read
            assert complaints(tmp_path / "copy.dcm") <= complaints(path), path.name
            checked += 1
    assert checked > 60


def test_dciodvfy_on_real_slices(tmp_path: Path, shared_data: Path) -> None:
    for name in ("ct_chest/1-05.dcm", "mr_brain/000007.dcm"):
        path = shared_data / "dicom" / name
        protect(path, tmp_path / "copy.dcm")
        assert complaints(tmp_path / "copy.dcm") <= complaints(path), name


def convert(folder: Path, where: Path) -> NDArray[np.int64]:
    where.mkdir()
    command = [program("dcm2niix", "dcm2niix"), "-b", "n", "-f", "volume", "-o", str(where), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    (found,) = where.glob("*.nii")
    stored: Any = nibabel.nifti1.Nifti1Image.from_filename(found).dataobj
    return np.asarray(stored.get_unscaled()).astype(np.int64)


def turned(volume: NDArray[np.int64], like: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """(slice, row, column) as (column, row, slice), with any axis turned round: what dcm2niix may do."""
    moved = volume.transpose(2, 1, 0)
    turns = [moved[::x, ::y, ::z] for x in (1, -1) for y in (1, -1) for z in (1, -1)]
    return [one for one in turns if one.shape == like.shape]


def check_volumes(folder: Path, tmp_path: Path) -> None:
    reader = DicomSeries()
    header, volume = reader.header(folder), reader.read(folder)
    delta = np.random.default_rng(3).integers(-8, 9, volume.shape)
    untouchable = reader.untouchable(folder)
    image = np.clip(volume.astype(np.int64) + delta, header.low_level, header.high_level)
    image = image if untouchable is None else np.where(untouchable, volume, image)
    identity = ReleaseIdentity(uids=UIDS)
    (tmp_path / "copy").mkdir()
    for index, path in enumerate(reader.files(folder)):
        one = image[:, index].astype(volume.dtype)
        write_protected(tmp_path / "copy" / path.name, template=path, image=one, identity=identity)
    before, after = convert(folder, tmp_path / "before"), convert(tmp_path / "copy", tmp_path / "after")
    fits = [
        np.array_equal(after - before, change)
        for old, change in zip(
            turned(volume[0].astype(np.int64), before), turned(image[0] - volume[0], before), strict=True
        )
        if np.array_equal(old, before)
    ]
    assert fits and all(fits)


def test_dcm2niix_sees_exactly_the_delta(tmp_path: Path) -> None:
    check_volumes(PACKAGED / "dicomdirtests" / "98892001" / "CT5N", tmp_path)


@pytest.mark.parametrize("name", ["mr_brain", "ct_chest"])
def test_dcm2niix_sees_exactly_the_delta_in_real_series(tmp_path: Path, shared_data: Path, name: str) -> None:
    (tmp_path / "some").mkdir()
    for path in DicomSeries().files(shared_data / "dicom" / name)[:12]:
        shutil.copy(path, tmp_path / "some" / path.name)
    check_volumes(tmp_path / "some", tmp_path)
