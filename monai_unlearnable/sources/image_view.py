"""How the stored integers of an image are shown: in the file's own unit, undistorted and the right way up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.types import StoredArray

__all__ = ["ImageView", "Placement", "place"]


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where the voxels of an image lie in the patient.

    Attributes:
        spacing_mm: for each axis of space the distance from one voxel to the next.
        directions: for each axis of space the direction of its ascending index, ``(left, posterior, superior)``; None
            where the file does not say how it lies in the patient.
    """

    spacing_mm: tuple[float, ...]
    directions: tuple[tuple[float, ...], ...] | None = None


@dataclass(frozen=True, kw_only=True)
class ImageView:
    """What a viewer has to know of an image besides its stored integers.

    ``value = level * slope + intercept`` is in :attr:`unit`.

    Attributes:
        slopes: one number, or one for each index of the first axis of space (slices of a series may differ).
        intercepts: as many as :attr:`slopes`.
        unit: ``HU`` where the file says so, else ``''``.
        inverted: the smallest value is white (MONOCHROME1).
        x_first: the axes of space are ``x, y(, z)``; otherwise the last two are row and column.
        placement: where the voxels lie; None where the file says nothing of it.
    """

    slopes: tuple[float, ...] = (1.0,)
    intercepts: tuple[float, ...] = (0.0,)
    unit: str = ""
    inverted: bool = False
    x_first: bool = False
    placement: Placement | None = None

    def values(self, levels: StoredArray) -> NDArray[np.float64]:
        """Return stored integers ``(channel, *space)`` as values in :attr:`unit`, in the same shape.

        Example:
            >>> ImageView(slopes=(2.0,), intercepts=(-1024.0,)).values(np.array([[[0, 512]]]))
            array([[[-1024.,     0.]]])
        """
        slope, intercept = self.scale(levels.shape)
        found: NDArray[np.float64] = levels * slope + intercept
        return found

    def scale(self, shape: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return slope and intercept of every voxel of an image ``(channel, *space)``; views that take no memory.

        Example:
            >>> slope, intercept = ImageView(slopes=(1.0, 2.0), intercepts=(0.0, 5.0)).scale((1, 2, 1, 3))
            >>> slope[0, :, 0, 0].tolist(), intercept.shape
            ([1.0, 2.0], (1, 2, 1, 3))
        """
        along = (1, -1, *(1,) * (len(shape) - 2))
        slope, intercept = (np.array(one, dtype=np.float64).reshape(along) for one in (self.slopes, self.intercepts))
        return np.broadcast_to(slope, shape), np.broadcast_to(intercept, shape)


def place(
    steps_mm: Sequence[Sequence[float] | NDArray[np.float64]] | NDArray[np.float64], *, directed: bool = True
) -> Placement | None:
    """Make a placement of the vectors from one voxel to the next; None if they are none.

    Args:
        steps_mm: for each axis of space a vector ``(left, posterior, superior)`` in mm.
        directed: whether these are the patient's directions; otherwise only their lengths count.

    Example:
        >>> place([[0, 0, 2.5], [0, 0.5, 0], [0.5, 0, 0]]).spacing_mm
        (2.5, 0.5, 0.5)
        >>> place([[0, 0, 0], [0, 1, 0]]) is None
        True
    """
    steps = np.array(steps_mm, dtype=np.float64)
    lengths = np.sqrt(np.square(steps).sum(axis=1))
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        return None
    directions = tuple(tuple(map(float, one)) for one in steps / lengths[:, None])
    return Placement(spacing_mm=tuple(map(float, lengths)), directions=directions if directed else None)
