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
from monai_unlearnable.types import StoredValues

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
        largest_levels: largest |delta| in levels; of floating-point files in the values that they store.
        largest_text: the same in the file's own unit, such as ``10 HU``; empty where that says no more.
        white_text: which change is shown as white, such as ``10.5 HU``.
    """

    sample_id: str
    class_name: str
    triples: tuple[Triple, ...]
    window: str
    magnification: float
    largest_levels: float
    largest_text: str
    white_text: str


def pick_examples(data: AuditData, *, most: int = _MOST_EXAMPLES) -> tuple[Example, ...]:
    """Show the first pair of each class (or of each label column); of volumes at most three."""
    examples: list[Example] = []
    volumes = 0
    # Every image shows the background.
    first = 1 if data.clean.task is Task.SEGMENTATION else 0
    for index, name in list(enumerate(data.clean.class_names))[first : first + most]:
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
    for number, plane in enumerate(planes_of(view, foreground_centre(foreground))):
        triples += pictures.triples(plane, foreground, detailed=number == 0)
    largest_levels, largest = pictures.largest
    return Example(
        sample_id=data.release.sample_ids[pair[0]],
        class_name=class_name,
        triples=tuple(triples),
        window=pictures.window.text + (", shown inverted (MONOCHROME1)" if view.inverted else ""),
        magnification=pictures.magnification,
        largest_levels=largest_levels,
        largest_text=f"{largest:.4g} {view.unit}" if view.unit else "",
        white_text=_white_text(pictures, view),
    )


def _white_text(pictures: _Pictures, view: ImageView) -> str:
    value = (255 - _MID_GREY) * pictures.window.width / (255 * pictures.magnification)
    return f"{value:.3g} {view.unit or ('levels' if view.slopes == (1.0,) else 'of the file')}"


class _Pictures:
    """Draws planes of one pair of images, all in one window and with one magnification."""

    def __init__(self, clean: StoredValues, released: StoredValues, view: ImageView, window: Window) -> None:
        self.clean, self.released, self.window = clean, released, window
        self.slope, self.intercept = view.scale(clean.shape)
        self.largest = self._largest()
        grey = self.largest[1] * 255 / window.width
        self.magnification = max(1.0, float(np.floor(127 / grey))) if grey else 1.0

    def triples(self, plane: Plane, foreground: NDArray[np.bool_], *, detailed: bool) -> list[Triple]:
        """Draw a plane, shrunk where it is too large for a page; then its middle at full resolution, if asked for."""
        clean, released = self._values(self.clean, plane), self._values(self.released, plane)
        steps = math.ceil(clean.shape[1] / _LARGEST_SIDE_PX), math.ceil(clean.shape[2] / _LARGEST_SIDE_PX)
        small, name = (_mean_blocks(clean, steps), _mean_blocks(released, steps)), plane.name
        if steps != (1, 1):
            size = f"{steps[0]} x {steps[1]}"
            name = f"{plane.name or 'whole picture'} (a point stands for {size} pixels; of the delta for their largest)"
        found = [self._triple(name, *small, _largest_of_blocks(released - clean, steps), _aspect(clean, plane))]
        if steps != (1, 1) and detailed:
            part = _middle(foreground_centre(plane.take(foreground)), clean.shape)
            delta, aspect = (released - clean)[part], _aspect(clean[part], plane)
            found.append(self._triple("its middle at full resolution", clean[part], released[part], delta, aspect))
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

    def _values(self, levels: StoredValues, plane: Plane) -> _Values:
        channels = slice(None) if len(levels) == _COLOUR_CHANNELS else slice(0, 1)
        cut = [plane.take(one)[channels] for one in (levels, self.slope, self.intercept)]
        values: _Values = cut[0] * cut[1] + cut[2]
        return values

    def _largest(self) -> tuple[float, float]:
        """Return the largest |delta| in levels and in the unit, slice by slice because volumes are large."""
        levels, unit = 0.0, 0.0
        for at in range(self.clean.shape[1]):
            delta = absolute_difference(self.released[:, at], self.clean[:, at])
            levels = max(levels, float(delta.max()))
            unit = max(unit, float((delta * np.abs(self.slope[:, at])).max()))
        return levels, unit


def _middle(centre: tuple[int, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    starts = [
        min(max(0, at - _LARGEST_SIDE_PX // 2), max(0, size - _LARGEST_SIDE_PX))
        for at, size in zip(centre, shape[1:], strict=True)
    ]
    return (slice(None), *(slice(start, start + _LARGEST_SIDE_PX) for start in starts))


def _aspect(values: _Values, plane: Plane) -> float:
    rows, columns = values.shape[1:]
    aspect: float = columns * plane.pixel_width_mm / (rows * plane.pixel_height_mm)
    return aspect


def _blocks(values: _Values, steps: tuple[int, int]) -> _Values:
    """Return ``(channel, row, column, block)``, the edge repeated where a block is not whole."""
    short = [-size % step for size, step in zip(values.shape[1:], steps, strict=True)]
    padded = np.pad(values, ((0, 0), (0, short[0]), (0, short[1])), mode="edge")
    rows, columns = (size // step for size, step in zip(padded.shape[1:], steps, strict=True))
    blocks = padded.reshape(-1, rows, steps[0], columns, steps[1]).swapaxes(2, 3)
    return blocks.reshape(-1, rows, columns, steps[0] * steps[1])


def _mean_blocks(values: _Values, steps: tuple[int, int]) -> _Values:
    means: _Values = _blocks(values, steps).mean(axis=-1)
    return means


def _largest_of_blocks(values: _Values, steps: tuple[int, int]) -> _Values:
    """A mean would hide a delta that goes up and down from pixel to pixel."""
    blocks = _blocks(values, steps)
    return np.take_along_axis(blocks, np.abs(blocks).argmax(axis=-1)[..., None], axis=-1)[..., 0]
