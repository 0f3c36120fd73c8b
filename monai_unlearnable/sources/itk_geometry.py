"""Where the voxels of MetaImage and NRRD files lie, as ITK understands their headers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.sources.file_errors import Refused
from monai_unlearnable.sources.metaimage_header import metaimage_fields
from monai_unlearnable.sources.nrrd_header import nrrd_fields

__all__ = ["metaimage_affine", "nrrd_affine"]

_POSITIONS = ("Offset", "Position", "Origin")
_DIRECTIONS = ("TransformMatrix", "Orientation", "Rotation")
_SPACINGS = ("ElementSpacing", "ElementSize")
_TO_LPS = {
    "left-posterior-superior": (1, 1, 1),
    "lps": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "las": (1, -1, 1),
}


def metaimage_affine(head: bytes) -> NDArray[np.float64] | None:
    """Return the affine of a MetaImage header, ``(4, 4)`` float64, LPS; None where it does not say.

    Raises:
        Refused: a field is no list of so many numbers.
    """
    fields = {key: field.value for key, field in metaimage_fields(head)[0].items()}
    axes = int(fields["NDims"])
    spacing = _first(fields, _SPACINGS, count=axes)
    position = _first(fields, _POSITIONS, count=axes)
    directions = _first(fields, _DIRECTIONS, count=axes * axes)
    if spacing is None:
        return None
    rows = np.eye(axes) if directions is None else directions.reshape(axes, axes)
    return _affine((rows * spacing[:, None])[:3, :3], np.zeros(axes) if position is None else position)


def nrrd_affine(head: bytes) -> NDArray[np.float64] | None:
    """Return the affine of a NRRD header, ``(4, 4)`` float64, LPS; None where it does not say.

    Raises:
        Refused: a field is no list of so many numbers.
    """
    fields = nrrd_fields(head)[0]
    text = fields.get("space directions", "")
    vectors = [_numbers(one, name="space directions") for one in re.findall(r"\(([^)]*)\)", text)]
    turn = _TO_LPS.get(fields.get("space", "").strip().lower(), (1, 1, 1))
    if not vectors:
        words = fields.get("spacings", "").lower().split()
        spacing = _numbers(" ".join(one for one in words if one != "nan"), name="spacings")
        return _affine(np.diag(spacing)[:3, :3], np.zeros(len(spacing))) if len(spacing) else None
    origin_text = fields.get("space origin", "").strip("() ")
    origin = _numbers(origin_text, name="space origin") if origin_text else np.zeros(len(vectors[0]))
    if len({len(one) for one in (*vectors, origin)}) > 1:
        raise Refused("its header says space directions and space origin of different lengths.")
    signs = np.array(turn[: len(origin)] if len(origin) <= 3 else (*turn, 1))
    return _affine((np.stack(vectors) * signs)[:3, :3], origin * signs)


def _first(fields: Mapping[str, str], names: Sequence[str], *, count: int) -> NDArray[np.float64] | None:
    name = next((one for one in names if one in fields), None)
    if name is None:
        return None
    numbers = _numbers(fields[name], name=name)
    if len(numbers) != count:
        raise Refused(f"its header says {name} {fields[name][:80]!r}; there must be {count} numbers.")
    return numbers


def _numbers(text: str, *, name: str) -> NDArray[np.float64]:
    try:
        return np.array([float(one) for one in text.replace(",", " ").split()], dtype=np.float64)
    except ValueError:
        raise Refused(f"its header says {name} {text[:80]!r}, which are not numbers.") from None


def _affine(rows: NDArray[np.float64], origin: NDArray[np.float64]) -> NDArray[np.float64]:
    """Put the step along each axis (a row each) and the place of the first voxel together."""
    affine = np.eye(4)
    axes, world = rows.shape
    affine[:world, :axes] = rows.T
    affine[: min(3, len(origin)), 3] = origin[:3]
    return affine
