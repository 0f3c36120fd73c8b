"""dcm2niix makes volumes of an original and a protected series that differ by exactly the delta."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from monai_unlearnable.stores import MappedStore
from tests.interop.programs import DCM2NIIX, path_of
from tests.interop.roads import protect_series, series_slices

pytestmark = pytest.mark.interop

PACKAGED = Path(pydicom.__file__).parent / "data/test_files/dicomdirtests/98892001/CT5N"


@dataclass(frozen=True)
class Volume:
    """What dcm2niix made of a series: ``(column, row, slice)``, axes perhaps turned round."""

    stored: NDArray[np.int64]
    shown: NDArray[np.floating]
    affine: NDArray[np.floating]
    slope: float


def convert(folder: Path, where: Path) -> Volume:
    where.mkdir()
    command = [path_of(DCM2NIIX), "-b", "n", "-f", "volume", "-o", str(where), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    (found,) = where.glob("*.nii")
    image = nibabel.nifti1.Nifti1Image.from_filename(found)
    stored: Any = image.dataobj
    slope = float(stored.slope)
    return Volume(stored.get_unscaled().astype(np.int64), image.get_fdata(), np.asarray(image.affine), slope)


def turns(volume: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """(slice, row, column) as (column, row, slice), with any axis turned round."""
    moved = volume.transpose(2, 1, 0)
    return [moved[::x, ::y, ::z] for x in (1, -1) for y in (1, -1) for z in (1, -1)]


def check_series(original: Path, copy: Path, *, levels: NDArray[np.int64], delta: NDArray[np.int64], to: Path) -> None:
    before, after = convert(original, to / "before"), convert(copy, to / "after")
    assert delta.any()
    assert np.array_equal(before.affine, after.affine) and before.slope == after.slope
    changes = zip(turns(levels), turns(delta), strict=True)
    fits = [np.array_equal(after.stored - before.stored, change) for old, change in changes if old_is(old, before)]
    assert fits and all(fits)
    assert np.allclose(after.shown - before.shown, (after.stored - before.stored) * before.slope, atol=1e-6)


def old_is(levels: NDArray[np.int64], before: Volume) -> bool:
    return levels.shape == before.stored.shape and np.array_equal(levels, before.stored)


@pytest.mark.parametrize("name", ["ct_chest", "mr_brain", "packaged"])
def test_the_difference_is_the_delta(request: pytest.FixtureRequest, tmp_path: Path, name: str) -> None:
    if name == "packaged":
        parts = {"first": series_slices(PACKAGED, start=0, count=3), "other": series_slices(PACKAGED, start=2, count=3)}
    else:
        folder = request.getfixturevalue("shared_data") / "dicom" / name
        parts = {"first": series_slices(folder, start=0, count=10), "other": series_slices(folder, start=10, count=10)}
    road = protect_series(tmp_path, folders=parts)
    deltas = MappedStore.open(road.deltas)
    for part in parts:
        levels = np.stack([pydicom.dcmread(path).pixel_array for path, _ in road.pairs(part)]).astype(np.int64)
        delta = deltas.read([part])[0, 0].numpy().astype(np.int64)
        (tmp_path / f"{part}-volumes").mkdir()
        places = road.source / part, road.release / part
        check_series(*places, levels=levels, delta=delta, to=tmp_path / f"{part}-volumes")
