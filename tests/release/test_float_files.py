"""Floating-point files: what is released is near enough, and the residual brings every bit back."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from monai_unlearnable.errors import SourceError
from monai_unlearnable.release.formats.nifti import NiftiFormat
from monai_unlearnable.sources.float_levels import add_levels, level_residual, level_size_of, undo_levels
from monai_unlearnable.sources.nifti_file import NiftiFile
from tests.sources.test_itk_file import FORMATS, save_itk
from tests.sources.test_nifti_file import PACKAGED


def test_a_statistical_map_is_protected_and_restored_bit_for_bit(tmp_path: Path) -> None:
    data = pytest.importorskip("nilearn.datasets")
    source = Path(data.__file__).parent / "data" / "image_10426.nii.gz"
    original: Any = NiftiFile().read(source)
    assert original.dtype == np.float32
    with pytest.raises(SourceError, match=r"image_10426\.nii\.gz: holds float32 values that are not whole numbers"):
        level_size_of(original, asked=None, where=str(source))
    level = level_size_of(original, asked=0.01, where=str(source))
    delta = np.random.default_rng(0).integers(-8, 9, original.shape)
    released = add_levels(original, delta, level=level)
    moved = np.abs(released.astype(np.float64) - original.astype(np.float64))
    assert (moved <= np.abs(delta) * level).all()
    assert (moved > 0).mean() > 0.9
    residual = level_residual(original, released, delta, level=level)
    protected = tmp_path / "p.nii.gz"
    NiftiFormat().write(protected, template=source, images=iter([released]))
    read_back: Any = NiftiFile().read(protected)
    restored = undo_levels(read_back, delta, residual, level=level)
    assert restored.tobytes() == original.tobytes()


def test_a_big_endian_float_volume_of_whole_numbers_or_not(tmp_path: Path) -> None:
    source = PACKAGED / "reoriented_anat_moved.nii"
    original: Any = NiftiFile().read(source)
    delta = np.random.default_rng(1).integers(-8, 9, original.shape)
    released = add_levels(original, delta, level=0.5)
    NiftiFormat().write(tmp_path / "p.nii", template=source, images=iter([released]))
    read_back: Any = NiftiFile().read(tmp_path / "p.nii")
    assert read_back.tobytes() == released.tobytes()
    residual = level_residual(original, released, delta, level=0.5)
    assert undo_levels(read_back, delta, residual, level=0.5).tobytes() == original.tobytes()


@pytest.mark.parametrize("extension", sorted(FORMATS))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_odd_floats_survive_every_format(tmp_path: Path, extension: str, dtype: type[np.floating[Any]]) -> None:
    info = np.finfo(dtype)
    odd: NDArray[Any] = np.array([[-0.0, 0.0, info.smallest_subnormal], [info.max, -info.max, 0.1]], dtype)
    reader, release = FORMATS[extension]
    source = save_itk(tmp_path / f"a.{extension}", odd)
    original: Any = reader.read(source)
    delta = np.array([[[7, -7], [3, -3], [1, -1]]])
    released = add_levels(original, delta, level=0.3)
    for before, after, count in zip(original.flat, released.flatten().tolist(), delta.flat, strict=True):
        assert abs(Fraction(after) - Fraction(float(before))) <= abs(int(count)) * Fraction(0.3)
    release.write(tmp_path / "p", template=source, images=iter([released]))
    read_back: Any = reader.read(tmp_path / "p")
    residual = level_residual(original, released, delta, level=0.3)
    assert undo_levels(read_back, delta, residual, level=0.3).tobytes() == original.tobytes()
