"""What the libraries of other people see in a volume: levels, and where its voxels lie in the patient.

ITK and SimpleITK end a process that loads both, so ITK and MONAI, which loads it, have a process of their own: this
file, called with the name of an ``.npz`` file for what they see and ``[[reader, path], ...]`` as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
from monai.data import ITKReader, NibabelReader, PydicomReader
from monai.transforms import LoadImage
from numpy.typing import NDArray

_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Seen:
    """Levels ``(z, y, x)``, and the affine from the indices ``(x, y, z)`` to mm towards left, posterior, superior."""

    levels: NDArray[np.int64]
    affine: NDArray[np.float64]


Reader = Callable[[Path], Seen]


def seen(levels: Any, affine: Any) -> Seen:
    """Let slices run along the normal of rows and columns: some readers go by InstanceNumber, either way round."""
    stored, place = np.asarray(levels).astype(np.int64), np.array(affine, dtype=np.float64)
    if np.cross(place[:3, 0], place[:3, 1]) @ place[:3, 2] < 0:
        stored = stored[::-1]
        place[:3, 3] += (len(stored) - 1) * place[:3, 2]
        place[:3, 2] *= -1
    return Seen(stored, place)


def affine_of(spacing: Any, origin: Any, direction: Any) -> NDArray[np.float64]:
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(direction, dtype=np.float64).reshape(3, 3) * np.asarray(spacing)
    affine[:3, 3] = origin
    return affine


def by_simpleitk(path: Path) -> Seen:
    import SimpleITK

    if path.is_dir():
        reader = SimpleITK.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(path)))
        image = reader.Execute()
    else:
        image = SimpleITK.ReadImage(str(path))
    place = affine_of(image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    return seen(SimpleITK.GetArrayFromImage(image), place)


def by_itk(path: Path) -> Seen:
    import itk

    image = itk.imread(str(path))
    direction = itk.array_from_matrix(image.GetDirection())
    place = affine_of(list(image.GetSpacing()), list(image.GetOrigin()), direction)
    return seen(itk.array_from_image(image), place)


def by_nibabel(path: Path) -> Seen:
    image: Any = nibabel.loadsave.load(path)
    return seen(image.dataobj.get_unscaled().transpose(2, 1, 0), _TO_LPS @ image.affine)


def by_pydicom(folder: Path) -> Seen:
    """The slices in the order of their positions, put together by hand."""
    slices = [pydicom.dcmread(path) for path in folder.iterdir()]
    row, column = np.array(slices[0].ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    normal = np.cross(row, column)
    slices.sort(key=lambda one: float(normal @ np.array(one.ImagePositionPatient, dtype=np.float64)))
    first, last = (np.array(slices[at].ImagePositionPatient, dtype=np.float64) for at in (0, -1))
    down, across = map(float, slices[0].PixelSpacing)
    affine = np.eye(4)
    affine[:3, :4] = np.stack([row * across, column * down, (last - first) / (len(slices) - 1), first], axis=1)
    return seen(np.stack([one.pixel_array for one in slices]), affine)


def by_monai(reader: Any) -> Reader:
    def read(path: Path) -> Seen:
        image: Any = LoadImage(reader=reader(), image_only=True, dtype=np.float64)(path)
        return seen(image.as_tensor().numpy().transpose(2, 1, 0), _TO_LPS @ image.affine.numpy())

    return read


READERS: dict[str, Reader] = {
    "nibabel": by_nibabel,
    "SimpleITK": by_simpleitk,
    "pydicom": by_pydicom,
}
ITK_READERS: dict[str, Reader] = {
    "ITK": by_itk,
    "MONAI with ITK": by_monai(ITKReader),
    "MONAI with nibabel": by_monai(NibabelReader),
    "MONAI with pydicom": by_monai(PydicomReader),
}


def read_all(wanted: Sequence[tuple[str, Path]], *, folder: Path) -> dict[tuple[str, Path], Seen]:
    """Read each path with the reader of this name, ITK's and MONAI's in a process of their own."""
    found = {(name, path): READERS[name](path) for name, path in wanted if name in READERS}
    others = [(name, path) for name, path in wanted if name in ITK_READERS]
    target = folder / "seen.npz"
    subprocess.run(
        [sys.executable, "-m", "tests.interop.seen", str(target)],
        input=json.dumps([(name, str(path)) for name, path in others]),
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    with np.load(target, allow_pickle=False) as saved:
        for number, one in enumerate(others):
            found[one] = Seen(saved[f"levels{number}"], saved[f"affine{number}"])
    return found


def main(target: str) -> None:
    arrays: dict[str, Any] = {}
    for number, (name, path) in enumerate(json.load(sys.stdin)):
        one = ITK_READERS[name](Path(path))
        arrays |= {f"levels{number}": one.levels, f"affine{number}": one.affine}
    np.savez(target, **arrays)


if __name__ == "__main__":
    main(sys.argv[1])
