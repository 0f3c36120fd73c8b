"""Read and write files with ITK, whose wrapping ends the process where a warning is an error, as in these tests."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import itk
from numpy.typing import NDArray


def read_itk(path: Path) -> NDArray[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array: NDArray[Any] = itk.array_from_image(itk.imread(str(path)))
    return array


def write_itk(path: Path, array: NDArray[Any], *, compressed: bool = False) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        itk.imwrite(itk.image_from_array(array), str(path), compression=compressed)
