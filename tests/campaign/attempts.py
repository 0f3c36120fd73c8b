"""What is tried with one damaged file, each in a process of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RADIUS_LEVELS = 8


def protect_and_prove(source: str, folder: str, *options: str) -> int:
    """Protect, verify and restore a source with the command line; return the first exit code that is not 0.

    The last of several equal options counts.
    """
    from monai_unlearnable.cli import main

    places = {name: str(Path(folder) / name) for name in ("release", "ledger", "restored")}
    release, ledger = places["release"], ["--ledger", places["ledger"]]
    method = ["--perturbation", "synthetic", "--seed", "1234567890123", "--radius", f"{RADIUS_LEVELS} levels"]
    code = main(["protect", source, "--output", release, *ledger, *method, *options])
    code = code or main(["verify", release, *ledger])
    return code or main(["restore", release, *ledger, "--output", places["restored"]])


def compare(original: str, released: str, restored: str) -> int:
    """Read three files with a library that is not ours; print by how many levels they differ from the first."""
    told: dict[str, Any] = {}
    try:
        before = _exact(_levels(Path(original)))
    except Exception as error:  # a damaged file makes a library raise anything
        print(json.dumps({"unreadable": _named(error)}))
        return 0
    for name, path in (("released", released), ("restored", restored)):
        try:
            after = _exact(_levels(Path(path)))
        except Exception as error:
            told[name] = _named(error)
            continue
        same_shape = before.shape == after.shape
        told[name] = float(np.abs(after - before).max(initial=0)) if same_shape else f"{before.shape} {after.shape}"
    print(json.dumps(told))
    return 0


def _exact(values: NDArray[Any]) -> NDArray[Any]:
    """Values whose differences do not overflow; those of a float64 are exact where they are small."""
    return values.astype(np.float64 if values.dtype.kind == "f" else np.int64)


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]


def _levels(path: Path) -> NDArray[Any]:
    name = path.name.lower()
    array: Any
    if name.endswith((".png", ".jpg", ".jpeg", ".bmp")):
        from PIL import Image

        with Image.open(path) as picture:
            array = np.asarray(picture.convert("RGB") if picture.mode == "P" else picture)
    elif name.endswith((".tif", ".tiff")):
        import tifffile

        array = tifffile.imread(path)
    elif ".nii" in name:
        import nibabel

        image: Any = nibabel.loadsave.load(path)
        array = np.asarray(image.dataobj.get_unscaled())
    elif name.endswith(".npz"):
        with np.load(path, allow_pickle=False) as archive:
            array = archive["train_images"]
    elif name.endswith((".mha", ".mhd", ".nrrd")):
        from tests.itk_files import read_itk

        array = read_itk(path)
    else:
        import pydicom

        array = pydicom.dcmread(path).pixel_array
    return np.asarray(array)
