"""Figures of the report as PNG data URIs: image, magnified delta, released image; learning curves."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from monai_unlearnable.audit.pairing import AuditData
from monai_unlearnable.audit.report import RecipeOutcome
from monai_unlearnable.audit.training import TrainingResult
from monai_unlearnable.sources.base import Source, Task
from monai_unlearnable.types import StoredArray

__all__ = ["Example", "draw_curves", "magnify", "pick_examples"]

_MOST_EXAMPLES = 6
_LARGEST_SIDE_PX = 256
_MID_GREY = 128
CLEAN_COLOUR, RELEASED_COLOUR, MAJORITY_COLOUR = "#0b5394", "#b45309", "#444444"


@dataclass(frozen=True)
class Example:
    """One image of the report.

    Attributes:
        sample_id: of the released image.
        class_name: its class, or the label column it stands for.
        clean: PNG data URI of the original.
        delta: PNG data URI of the delta, zero = mid grey, one unit = ``magnification`` times the delta.
        released: PNG data URI of the released image, in the window of the original.
        magnification: factor between the delta and what ``delta`` shows, on the scale of the picture.
        largest_levels: largest |delta| in levels.
        is_part: whether only the centre is shown, at full resolution.
    """

    sample_id: str
    class_name: str
    clean: str
    delta: str
    released: str
    magnification: float
    largest_levels: int
    is_part: bool


def pick_examples(data: AuditData, *, most: int = _MOST_EXAMPLES) -> tuple[Example, ...]:
    """Show the first pair of each class (or of each label column)."""
    examples = []
    for index, name in enumerate(data.clean.class_names[:most]):
        pair = next((one for one in data.pairs if _has_class(data.clean, one[1], index)), None)
        if pair is not None and data.release.shape(pair[0]) == data.clean.shape(pair[1]):
            examples.append(_example(data, pair, class_name=name))
    return tuple(examples)


def magnify(delta: NDArray[np.int64], *, full_scale: float) -> tuple[NDArray[np.uint8], float]:
    """Show a delta around mid grey, so that its largest value nearly reaches black or white.

    Args:
        delta: in levels, any shape.
        full_scale: the level that is shown as white in the pictures beside it.

    Returns:
        uint8 of the same shape (128 = no change), and how many times larger than in the picture it is shown.

    Example:
        >>> shown, magnification = magnify(np.array([[-8, 0, 8]]), full_scale=255)
        >>> shown.tolist(), magnification
        ([[8, 128, 248]], 15.0)
    """
    largest = max(1, int(np.abs(delta).max()))
    grey_per_level = 255 / full_scale
    magnification = max(1.0, float(np.floor(127 / (largest * grey_per_level))))
    shown = _MID_GREY + np.rint(delta * grey_per_level * magnification)
    return np.clip(shown, 0, 255).astype(np.uint8), magnification


def draw_curves(outcome: RecipeOutcome, *, score_name: str) -> str:
    """Draw score after each epoch, clean against released, with the majority line; a PNG data URI."""
    figure = Figure(figsize=(7.2, 3.8), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    _draw_runs(axes, outcome.clean, CLEAN_COLOUR, "-", "o", "trained on clean originals")
    _draw_runs(axes, outcome.released, RELEASED_COLOUR, "--", "s", "trained on released images")
    axes.axhline(outcome.majority, color=MAJORITY_COLOUR, linestyle=":", linewidth=2, label="majority class")
    if outcome.limit != outcome.majority:
        axes.axhline(outcome.limit, color=MAJORITY_COLOUR, linestyle="-.", linewidth=1, label="limit of the verdict")
    axes.set(xlabel="epoch", ylabel=f"{score_name} on clean test images", ylim=(0, 1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return _uri(buffer.getvalue())


def _draw_runs(axes: Axes, runs: Sequence[TrainingResult], colour: str, line: str, marker: str, label: str) -> None:
    curves = np.array([one.score_curve for one in runs])
    epochs = np.arange(1, curves.shape[1] + 1)
    for curve in curves:
        axes.plot(epochs, curve, color=colour, linewidth=0.8, alpha=0.35)
    axes.plot(epochs, curves.mean(axis=0), line, color=colour, linewidth=2, marker=marker, markersize=4, label=label)


def _has_class(source: Source, index: int, wanted: int) -> bool:
    label = source.labels[index]
    return bool(label == wanted) if source.task is Task.SINGLE_LABEL else bool(label[wanted])


def _example(data: AuditData, pair: tuple[int, int], *, class_name: str) -> Example:
    released, clean = data.release.read(pair[0]), data.clean.read(pair[1])
    largest = int(np.abs(released.astype(np.int64) - clean.astype(np.int64)).max())
    released_part, clean_part = _part(released), _part(clean)
    lowest = min(int(clean.min()), 0)  # black: below 0 in signed images only
    full_scale = float(2 ** (max(int(clean.max()), 255) - lowest).bit_length() - 1)
    shown, magnification = magnify(released_part.astype(np.int64) - clean_part.astype(np.int64), full_scale=full_scale)
    return Example(
        sample_id=data.release.sample_ids[pair[0]],
        class_name=class_name,
        clean=_picture(clean_part.astype(np.int64) - lowest, full_scale),
        delta=_png(shown),
        released=_picture(released_part.astype(np.int64) - lowest, full_scale),
        magnification=magnification,
        largest_levels=largest,
        is_part=clean_part.shape[1:] != clean.shape[1:],
    )


def _part(image: StoredArray) -> StoredArray:
    """Return the middle slice of a volume, and the centre of what is large: resizing would blur the delta away."""
    if image.ndim == 4:
        image = image[:, image.shape[1] // 2]
    starts = [max(0, (size - _LARGEST_SIDE_PX) // 2) for size in image.shape[1:]]
    rows, columns = (slice(start, start + _LARGEST_SIDE_PX) for start in starts)
    return image[:, rows, columns]


def _picture(image: StoredArray, full_scale: float) -> str:
    return _png(np.clip(np.rint(image * (255 / full_scale)), 0, 255).astype(np.uint8))


def _png(image: NDArray[np.uint8]) -> str:
    """Encode ``(channel, height, width)``; anything but three channels is shown as grey."""
    plane = np.moveaxis(image, 0, -1) if image.shape[0] == 3 else image[0]
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(plane)).save(buffer, format="PNG")
    return _uri(buffer.getvalue())


def _uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
