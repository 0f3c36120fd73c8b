"""Curves and pictures of the report as data URIs."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from statistics import mean, stdev

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from monai_unlearnable.audit.grid import Sweep
from monai_unlearnable.audit.outcomes import RecipeOutcome
from monai_unlearnable.audit.training import TrainingResult

__all__ = ["draw_curves", "draw_sweep", "png_uri"]

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


def draw_sweep(sweep: Sweep, *, score_name: str, trivial_name: str) -> str:
    """Draw score over the strength of a countermeasure, clean against released; an SVG data URI without any script."""
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    axes = figure.add_subplot()
    both = (
        ([one.clean for one in sweep.outcomes], CLEAN_COLOUR, "o-", "trained on clean originals"),
        ([one.released for one in sweep.outcomes], RELEASED_COLOUR, "s--", "trained on released images"),
    )
    for results, colour, line, label in both:
        scores = [[one.score for one in runs] for runs in results]
        spread = [stdev(one) if len(one) > 1 else 0.0 for one in scores]
        means = [mean(one) for one in scores]
        axes.errorbar(sweep.values, means, spread, fmt=line, color=colour, linewidth=2, capsize=3, label=label)
    majority = sweep.outcomes[0].majority
    axes.axhline(majority, color=MAJORITY_COLOUR, linestyle=":", linewidth=2, label=trivial_name)
    axes.set(xlabel=sweep.axis.title, ylabel=f"{score_name} on clean test images", ylim=(0, 1))
    axes.grid(alpha=0.25)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    buffer = io.BytesIO()
    # Without a salt the names of parts are drawn at random.
    with matplotlib.rc_context({"svg.hashsalt": "audit"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return _uri(buffer.getvalue(), kind="svg+xml")


def png_uri(image: NDArray[np.uint8]) -> str:
    """Encode uint8 ``(channel, height, width)`` as a PNG data URI; anything but three channels is shown as grey."""
    plane = np.moveaxis(image, 0, -1) if image.shape[0] == 3 else image[0]
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(plane)).save(buffer, format="PNG")
    return _uri(buffer.getvalue())


def _uri(file: bytes, *, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(file).decode('ascii')}"
