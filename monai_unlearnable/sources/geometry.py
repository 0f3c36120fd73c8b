"""Where the voxels of an image lie in the patient, and whether two images lie on the same grid."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Affine", "ImageGeometry", "why_apart"]

Affine = NDArray[np.float64]
"""(4, 4): from indices on the axes of space to millimetres; x to the left, y to the back, z to the head (LPS)."""

_SAME_PLACE = 0.01
"""Share of a voxel that two grids may be apart anywhere: headers round."""


@dataclass(frozen=True, eq=False)
class ImageGeometry:
    """A grid of voxels, and where it lies if the file says so.

    Attributes:
        space: sizes of the axes of space.
        affine: where they lie; None where the file does not say.
    """

    space: tuple[int, ...]
    affine: Affine | None

    @classmethod
    def on_grid(cls, space: tuple[int, ...], affine: Affine | None) -> ImageGeometry:
        """Leave out an affine that no position follows from: not finite, or flat."""
        if affine is not None and not (np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 0):
            affine = None
        return cls(tuple(space), affine)


def why_apart(image: ImageGeometry, mask: ImageGeometry, *, same_axes: bool = True) -> str:
    """Say how two grids differ; '' if every voxel of one lies on a voxel of the other.

    Args:
        image: the one grid.
        mask: the other.
        same_axes: the axes of both must be the same in order and direction; otherwise it is enough that their voxels
            are in the same places (DICOM files and other formats order axes differently).

    Example:
        >>> near = ImageGeometry((4, 5), None)
        >>> why_apart(near, near), why_apart(near, ImageGeometry((5, 4), None))
        ('', 'its size is (5, 4), the image has (4, 5)')
    """
    if image.affine is None or mask.affine is None:
        return _sizes_apart(image, mask)
    if same_axes:
        return _sizes_apart(image, mask) or _places_apart(image, mask, image.affine, mask.affine)
    if _are_turned(image, mask, np.linalg.inv(mask.affine) @ image.affine):
        return ""
    if sorted(image.space) != sorted(mask.space):
        return _sizes_apart(image, mask)
    return "its voxels lie in other places (or between those) of the image: " + _places_apart(
        image, mask, image.affine, mask.affine
    )


def _sizes_apart(image: ImageGeometry, mask: ImageGeometry) -> str:
    return "" if image.space == mask.space else f"its size is {mask.space}, the image has {image.space}"


def _places_apart(image: ImageGeometry, mask: ImageGeometry, ours: Affine, theirs: Affine) -> str:
    spacings = [np.linalg.norm(one[:3, :3], axis=0) for one in (ours, theirs)]
    allowed_mm = _SAME_PLACE * float(spacings[0].min())
    corners = _corners(image.space)
    if float(np.abs((ours - theirs) @ corners).max()) <= allowed_mm:
        return ""
    if not np.allclose(spacings[0], spacings[1], rtol=_SAME_PLACE / max(image.space), atol=0):
        return f"its spacing is {_shown(spacings[1])} mm, the image has {_shown(spacings[0])}"
    directions = [one[:3, :3] / spacing for one, spacing in zip((ours, theirs), spacings, strict=True)]
    if not np.allclose(directions[0], directions[1], rtol=0, atol=_SAME_PLACE / max(image.space)):
        return f"its axes point to {_shown(directions[1].T)}, those of the image to {_shown(directions[0].T)}"
    return f"its first voxel lies at {_shown(theirs[:3, 3])} mm, that of the image at {_shown(ours[:3, 3])}"


def _are_turned(image: ImageGeometry, mask: ImageGeometry, between: Affine) -> bool:
    """Tell whether ``between`` takes the image's indices to the mask's by nothing but swapping and turning axes.

    It does if it takes the corners of one grid to those of the other, whatever the order.
    """
    ends, corners = between @ _corners(image.space), _corners(mask.space)
    steps = np.rint(np.abs(between[:3, :3]))
    is_permutation = bool((steps.sum(axis=0) == 1).all() and (steps.sum(axis=1) == 1).all())
    apart = np.abs(ends[:, :, None] - corners[:, None, :]).max(axis=0)
    return is_permutation and bool(
        (apart.min(axis=0) <= _SAME_PLACE).all() and (apart.min(axis=1) <= _SAME_PLACE).all()
    )


def _corners(space: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the indices of the corners of a grid, (4, corners), with a last row of ones."""
    ends = [(0, size - 1) for size in (*space, 1, 1)[:3]]
    return np.array([(*one, 1) for one in itertools.product(*ends)], dtype=np.float64).T


def _shown(values: NDArray[np.float64]) -> list[object]:
    shown: list[object] = np.round(values, 4).tolist()
    return shown
