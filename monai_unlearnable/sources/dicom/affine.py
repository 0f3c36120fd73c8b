"""Where the voxels of a DICOM series lie in the patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.sources.dicom.content import read_content
from monai_unlearnable.sources.dicom.errors import errors_name
from monai_unlearnable.sources.dicom.geometry import SliceOrder

__all__ = ["series_affine"]


def series_affine(order: SliceOrder) -> NDArray[np.float64] | None:
    """Return the affine of (slice, row, column), ``(4, 4)`` float64 in mm, LPS; None where the files do not say.

    Slices that are not evenly spaced lie on no one grid, and have none.

    Raises:
        SourceError: the first slice cannot be read.
    """
    first, last = order.slices[0], order.slices[-1]
    if order.positions_mm is None or first.orientation is None or first.position is None or last.position is None:
        return None
    spacing = _pixel_spacing(first.path)
    if spacing is None:
        return None
    gaps = np.diff(order.positions_mm)
    if len(gaps) and not np.allclose(gaps, gaps.mean(), rtol=0.01, atol=1e-3):
        return None
    row_direction, column_direction = first.orientation
    affine = np.eye(4)
    normal = np.cross(row_direction, column_direction)
    affine[:3, 0] = (last.position - first.position) / len(gaps) if len(gaps) else normal
    affine[:3, 1] = column_direction * spacing[0]  # from one row to the next
    affine[:3, 2] = row_direction * spacing[1]
    affine[:3, 3] = first.position
    return affine


def _pixel_spacing(file: Path) -> tuple[float, float] | None:
    """Return the distance of rows, and that of columns, in mm."""
    with errors_name(file):
        value = read_content(file).dataset.get("PixelSpacing")
        if value is None or isinstance(value, str | float | int) or len(value) != 2:
            return None
        return float(value[0]), float(value[1])
