"""What one file of a series says about itself as a slice."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from monai_unlearnable.sources.dicom.content import DicomContent
from monai_unlearnable.sources.dicom.errors import errors_name
from monai_unlearnable.sources.dicom.image import DicomHeader, read_dicom_header
from monai_unlearnable.sources.dicom.padding import has_padding
from monai_unlearnable.sources.dicom.view import SliceView, read_slice_view

__all__ = ["SliceFacts", "read_slice_facts"]

_UNIT_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class SliceFacts:
    """One file of a series.

    Attributes:
        path: the file.
        header: shape, type and units.
        view: how it is shown.
        has_padding: whether it names a padding value.
        same: attributes in which the files of one series must agree, by keyword.
        orientation: ImageOrientationPatient, ``(2, 3)``: direction of a row and of a column; None where absent.
        position: ImagePositionPatient, ``(3,)`` in mm; None where absent.
        instance_number: InstanceNumber; None where absent.
    """

    path: Path
    header: DicomHeader
    view: SliceView
    has_padding: bool
    same: tuple[tuple[str, str], ...]
    orientation: NDArray[np.float64] | None
    position: NDArray[np.float64] | None
    instance_number: int | None


def read_slice_facts(content: DicomContent, *, allow_lossy: bool) -> SliceFacts:
    """Read what places a file in its series.

    Raises:
        SourceError: it holds several frames, its geometry is no geometry, or it is of a kind that is not handled.
    """
    with errors_name(content.path):
        header, dataset = read_dicom_header(content, allow_lossy=allow_lossy), content.dataset
        if len(header.shape) != 3:
            raise ValueError(
                f"NumberOfFrames is {header.shape[1]}: it is an image of its own, not a slice of a series."
            )
        orientation = _orientation(_numbers(dataset, "ImageOrientationPatient", 6))
        same = {
            keyword: str(dataset.get(keyword, "")) for keyword in ("SeriesInstanceUID", "PhotometricInterpretation")
        }
        same |= {"Rows": str(header.shape[1]), "Columns": str(header.shape[2]), "SamplesPerPixel": str(header.shape[0])}
        same |= {"pixel type": str(header.dtype), "level range": f"{header.low_level} to {header.high_level}"}
        number = dataset.get("InstanceNumber")
        return SliceFacts(
            path=content.path,
            header=header,
            view=read_slice_view(dataset),
            has_padding=has_padding(content),
            same=tuple(same.items()),
            orientation=orientation,
            position=_numbers(dataset, "ImagePositionPatient", 3),
            instance_number=None if number in (None, "") else _whole(number),
        )


def _numbers(dataset: Dataset, keyword: str, count: int) -> NDArray[np.float64] | None:
    value = dataset.get(keyword)
    if value is None or value == "" or (isinstance(value, (list, tuple)) and not value):
        return None
    try:
        numbers = np.array([float(one) for one in value], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{keyword} is {str(value)[:80]!r}; it must be {count} numbers.") from error
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise ValueError(f"{keyword} is {str(value)[:80]}; it must be {count} finite numbers.")
    return numbers


def _orientation(numbers: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    if numbers is None:
        return None
    directions = numbers.reshape(2, 3)
    products = directions @ directions.T
    if not np.allclose(products, np.eye(2), rtol=0, atol=_UNIT_TOLERANCE):
        raise ValueError(
            f"ImageOrientationPatient is {[float(one) for one in numbers]}; it must be two perpendicular directions "
            "of length 1."
        )
    return directions


def _whole(value: Any) -> int:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"InstanceNumber is {str(value)[:60]!r}; it must be one whole number.") from error
    if not math.isfinite(number) or number != int(number):
        raise ValueError(f"InstanceNumber is {value}; it must be one whole number.")
    return int(number)
