"""The pictures that show an image: itself, or three orthogonal slices of a volume, the right way up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.sources.image_view import ImageView

__all__ = ["Plane", "foreground_centre", "planes_of"]

_LEFT, _POSTERIOR, _SUPERIOR = range(3)
_PATIENT_PLANES = (
    # name, axis that is cut, axis of the rows, whether they descend, axis of the columns
    ("axial", _SUPERIOR, _POSTERIOR, False, _LEFT),
    ("coronal", _POSTERIOR, _SUPERIOR, True, _LEFT),
    ("sagittal", _LEFT, _SUPERIOR, True, _POSTERIOR),
)


@dataclass(frozen=True)
class Plane:
    """One plane through an image, and how it is laid on a page.

    Attributes:
        name: such as ``axial, slice 31 of 70``; empty for an image that is one plane.
        take: cuts the plane out of an array ``(channel, *space)``: ``(channel, row, column)``, row 0 on top.
        pixel_height_mm: distance of two rows; as wide as high where the file does not say.
        pixel_width_mm: distance of two columns.
    """

    name: str
    take: Callable[[NDArray[Any]], NDArray[Any]]
    pixel_height_mm: float = 1.0
    pixel_width_mm: float = 1.0


def planes_of(view: ImageView, centre: tuple[int, ...]) -> tuple[Plane, ...]:
    """Choose the planes through a point.

    A volume whose place in the patient is known is cut along the axes of its file that are nearest to the patient's:
    axial (from below), coronal (from the front) and sagittal (from the left), the patient's left on the right. Where
    it is not known, the slices are those of the file's own axes.

    Args:
        view: how the image is shown.
        centre: index along each axis of space.
    """
    spacing = view.placement.spacing_mm if view.placement is not None else (1.0,) * len(centre)
    if len(centre) == 2:
        return (_whole(view, spacing),)
    if view.placement is None or view.placement.directions is None:
        return tuple(_own_axis(axis, centre, spacing, x_first=view.x_first) for axis in range(3))
    axes, flipped = _nearest_axes(np.array(view.placement.directions))
    return tuple(_patient_plane(one, axes, flipped, centre, spacing) for one in _PATIENT_PLANES)


def foreground_centre(foreground: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the index, along each axis of space, that halves the foreground; the middle where there is none.

    Args:
        foreground: ``(channel, *space)``.

    Example:
        >>> foreground_centre(np.array([[[False, False, True], [False, False, True], [False, False, True]]]))
        (1, 2)
    """
    found = []
    for axis in range(1, foreground.ndim):
        counts = foreground.sum(axis=tuple(one for one in range(foreground.ndim) if one != axis), dtype=np.int64)
        total = int(counts.sum())
        found.append(int(np.searchsorted(np.cumsum(counts), total // 2, side="right")) if total else len(counts) // 2)
    return tuple(found)


def _whole(view: ImageView, spacing: tuple[float, ...]) -> Plane:
    if view.x_first:
        return Plane("", lambda image: image.swapaxes(1, 2), spacing[1], spacing[0])
    return Plane("", lambda image: image, spacing[0], spacing[1])


def _own_axis(axis: int, centre: tuple[int, ...], spacing: tuple[float, ...], *, x_first: bool) -> Plane:
    at, (first, second) = centre[axis], [one for one in range(3) if one != axis]
    rows, columns = (second, first) if x_first else (first, second)

    def take(image: NDArray[Any]) -> NDArray[Any]:
        plane = image[(slice(None),) * (axis + 1) + (at,)]
        return plane.swapaxes(1, 2) if x_first else plane

    return Plane(f"across axis {axis + 1} of the file, slice {at + 1}", take, spacing[rows], spacing[columns])


def _nearest_axes(directions: NDArray[np.float64]) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """Return which axis of space runs along left, posterior and superior, and which of them runs against it."""
    axes = max(permutations(range(3)), key=lambda order: sum(abs(directions[order[one], one]) for one in range(3)))
    return axes, tuple(bool(directions[axes[one], one] < 0) for one in range(3))


def _patient_plane(
    kind: tuple[str, int, int, bool, int],
    axes: tuple[int, ...],
    flipped: tuple[bool, ...],
    centre: tuple[int, ...],
    spacing: tuple[float, ...],
) -> Plane:
    name, cut, rows, descending, columns = kind
    at = centre[axes[cut]]

    def take(image: NDArray[Any]) -> NDArray[Any]:
        plane = image[(slice(None),) * (axes[cut] + 1) + (at,)]
        if axes[rows] > axes[columns]:
            plane = plane.swapaxes(1, 2)
        row_step = -1 if flipped[rows] != descending else 1
        return plane[:, ::row_step, :: -1 if flipped[columns] else 1]

    title = f"{name}, slice {at + 1}"
    return Plane(title, take, spacing[axes[rows]], spacing[axes[columns]])
