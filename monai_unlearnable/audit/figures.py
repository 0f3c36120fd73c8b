"""Learning curves and pictures of the report as PNG data URIs."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from monai_unlearnable.audit.report import RecipeOutcome
from monai_unlearnable.audit.training import TrainingResult

__all__ = ["draw_curves", "png_uri"]

CLEAN_COLOUR, RELEASED_COLOUR, MAJORITY_COLOUR = "#0b5394", "#b45309", "#444444"


def draw_curves(outcome: RecipeOutcome, *, score_name: str, trivial_name: str) -> str:
    """Draw score after each epoch, clean against released, with the line of a trivial reader; a PNG data URI."""
    figure = Figure(figsize=(7.2, 3.8), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    _draw_runs(axes, outcome.clean, CLEAN_COLOUR, "-", "o", "trained on clean originals")
    _draw_runs(axes, outcome.released, RELEASED_COLOUR, "--", "s", "trained on released images")
    axes.axhline(outcome.majority, color=MAJORITY_COLOUR, linestyle=":", linewidth=2, label=trivial_name)
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


def png_uri(image: NDArray[np.uint8]) -> str:
    """Encode uint8 ``(channel, height, width)`` as a PNG data URI; anything but three channels is shown as grey."""
    plane = np.moveaxis(image, 0, -1) if image.shape[0] == 3 else image[0]
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(plane)).save(buffer, format="PNG")
    return _uri(buffer.getvalue())


def _uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
