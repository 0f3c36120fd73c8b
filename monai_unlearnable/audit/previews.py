"""What the images look like: original, magnified delta and released image side by side, as PNG data URIs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.audit.distances import absolute_difference
from monai_unlearnable.audit.figures import png_uri
from monai_unlearnable.audit.pairing import AuditData
from monai_unlearnable.audit.planes import Plane, foreground_centre, planes_of
from monai_unlearnable.audit.windows import Window, choose_window, foreground_of
from monai_unlearnable.sources.base import Source, Task
from monai_unlearnable.sources.image_view import ImageView
from monai_unlearnable.types import StoredArray

__all__ = ["Example", "Triple", "pick_examples"]

_MOST_EXAMPLES, _MOST_VOLUMES = 6, 3
_LARGEST_SIDE_PX = 256
_MID_GREY = 128
_COLOUR_CHANNELS = 3
_Values: TypeAlias = NDArray[np.float64]
"""Values of one plane in the view's unit, (channel, row, column)."""


@dataclass(frozen=True)
class Triple:
    """One plane of an image: three pictures of the same size, a pixel for a voxel.

    Attributes:
        name: what is seen, such as ``axial, slice 31``; empty for a whole picture.
        clean: PNG data URI of the original.
        delta: PNG data URI of the delta, zero = mid grey.
        released: PNG data URI of the released image.
        aspect: width divided by height as it must appear, so that a millimetre is as wide as high.
    """

    name: str
    clean: str
    delta: str
    released: str
    aspect: float


@dataclass(frozen=True)
class Example:
    """One image of the report.

    Attributes:
        sample_id: of the released image.
        class_name: its class, or the label column it stands for.
        triples: its planes.
        window: which values are black and white.
        magnification: how many times stronger than in the pictures beside it the delta is shown.
        largest_levels: largest |delta| in levels.
        largest_text: the same in the file's own unit, such as ``10 HU``; empty where that says no more.
    """

    sample_id: str
    class_name: str
    triples: tuple[Triple, ...]
    window: str
    magnification: float
    largest_levels: int
    largest_text: str


def pick_examples(data: AuditData, *, most: int = _MOST_EXAMPLES) -> tuple[Example, ...]:
    """Show the first pair of each class (or of each label column); of volumes at most three."""
    examples: list[Example] = []
    volumes = 0
    for index, name in enumerate(data.clean.class_names[:most]):
        pair = next((one for one in data.pairs if _has_class(data.clean, one[1], index)), None)
        if pair is None or data.release.shape(pair[0]) != data.clean.shape(pair[1]):
            continue
        volumes += len(data.clean.shape(pair[1])) == 4
        if volumes <= _MOST_VOLUMES:
            examples.append(_example(data, pair, class_name=name))
    return tuple(examples)


def _has_class(source: Source, index: int, wanted: int) -> bool:
    label = source.labels[index]
    return bool(label == wanted) if source.task is Task.SINGLE_LABEL else bool(label[wanted])


def _example(data: AuditData, pair: tuple[int, int], *, class_name: str) -> Example:
    released, clean, view = data.release.read(pair[0]), data.clean.read(pair[1]), data.clean.view(pair[1])
    foreground = foreground_of(clean, view)
    pictures = _Pictures(clean, released, view, choose_window(clean, view, foreground))
    triples = []
    for plane in planes_of(view, foreground_centre(foreground)):
        triples += pictures.triples(plane, foreground)
    largest_levels, largest = pictures.largest
    return Example(
        sample_id=data.release.sample_ids[pair[0]],
        class_name=class_name,
        triples=tuple(triples),
        window=pictures.window.text + (", shown inverted (MONOCHROME1)" if view.inverted else ""),
        magnification=pictures.magnification,
        largest_levels=largest_levels,
        largest_text=f"{largest:.4g} {view.unit}" if view.unit else "",
    )


class _Pictures:
    """Draws planes of one pair of images, all in one window and with one magnification."""

    def __init__(self, clean: StoredArray, released: StoredArray, view: ImageView, window: Window) -> None:
        self.clean, self.released, self.window = clean, released, window
        self.slope, self.intercept = view.scale(clean.shape)
        self.largest = self._largest()
        grey = self.largest[1] * 255 / window.width
        self.magnification = max(1.0, float(np.floor(127 / grey))) if grey else 1.0

    def triples(self, plane: Plane, foreground: NDArray[np.bool_]) -> list[Triple]:
        """Draw a plane, and the middle of its foreground at full resolution where the whole is too large for a page."""
        clean, released = self._values(self.clean, plane), self._values(self.released, plane)
        step = math.ceil(max(clean.shape[1:]) / _LARGEST_SIDE_PX)
        aspect = clean.shape[2] * plane.pixel_width_mm / (clean.shape[1] * plane.pixel_height_mm)
        small = _mean_blocks(clean, step), _mean_blocks(released, step)
        name = plane.name
        if step > 1:
            name = f"{plane.name or 'whole picture'}; one pixel for {step} x {step}, of the delta their largest"
        found = [self._triple(name, *small, _largest_of_blocks(released - clean, step), aspect)]
        if step > 1:
            part = _middle(foreground_centre(plane.take(foreground)), clean.shape)
            detail, delta = clean[part], (released - clean)[part]
            aspect = detail.shape[2] * plane.pixel_width_mm / (detail.shape[1] * plane.pixel_height_mm)
            name = "its middle at full resolution"
            found.append(self._triple(name, detail, released[part], delta, aspect))
        return found

    def _triple(self, name: str, clean: _Values, released: _Values, delta: _Values, aspect: float) -> Triple:
        sign = -1 if self.window.inverted else 1
        shown = _MID_GREY + np.rint(sign * delta * (255 / self.window.width) * self.magnification)
        return Triple(
            name=name,
            clean=png_uri(self.window.shown(clean)),
            delta=png_uri(np.clip(shown, 0, 255).astype(np.uint8)),
            released=png_uri(self.window.shown(released)),
            aspect=aspect,
        )

    def _values(self, levels: StoredArray, plane: Plane) -> _Values:
        channels = slice(None) if len(levels) == _COLOUR_CHANNELS else slice(0, 1)
        cut = [plane.take(one)[channels] for one in (levels, self.slope, self.intercept)]
        values: _Values = cut[0] * cut[1] + cut[2]
        return values

    def _largest(self) -> tuple[int, float]:
        """Return the largest |delta| in levels and in the unit, slice by slice because volumes are large."""
        levels, unit = 0, 0.0
        for at in range(self.clean.shape[1]):
            delta = absolute_difference(self.released[:, at], self.clean[:, at])
            levels = max(levels, int(delta.max()))
            unit = max(unit, float((delta * np.abs(self.slope[:, at])).max()))
        return levels, unit


def _middle(centre: tuple[int, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    starts = [
        min(max(0, at - _LARGEST_SIDE_PX // 2), max(0, size - _LARGEST_SIDE_PX))
        for at, size in zip(centre, shape[1:], strict=True)
    ]
    return (slice(None), *(slice(start, start + _LARGEST_SIDE_PX) for start in starts))


def _blocks(values: _Values, step: int) -> _Values:
    """Return ``(channel, row, column, step * step)``, the edge repeated where a block is not whole."""
    short = [-size % step for size in values.shape[1:]]
    padded = np.pad(values, ((0, 0), (0, short[0]), (0, short[1])), mode="edge")
    rows, columns = (size // step for size in padded.shape[1:])
    return padded.reshape(-1, rows, step, columns, step).swapaxes(2, 3).reshape(-1, rows, columns, step * step)


def _mean_blocks(values: _Values, step: int) -> _Values:
    means: _Values = _blocks(values, step).mean(axis=-1)
    return means


def _largest_of_blocks(values: _Values, step: int) -> _Values:
    """A mean would hide a delta that goes up and down from pixel to pixel."""
    blocks = _blocks(values, step)
    return np.take_along_axis(blocks, np.abs(blocks).argmax(axis=-1)[..., None], axis=-1)[..., 0]
