"""Error-minimizing deltas against a linear surrogate beside the alternating method: time, and what a victim learns.

Of BreastMNIST at 8/255, with standard victims of three seeds trained on released files. It needs the real set
(``MONAI_UNLEARNABLE_DATA``); a quick run takes a tiny one.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from monai_unlearnable.audit import VictimRecipe, audit_release
from monai_unlearnable.workflows import ErrorMinimizingRecipe, LinearErrorMinimizingRecipe, Recipe, protect
from tests.benchmarks.measure import REPOSITORY, Outcome, Ratio, Row, Size, quotients
from tests.small_data import write_npz

SLOW, FAST = ErrorMinimizingRecipe.name, LinearErrorMinimizingRecipe.name
GOAL = 1 / 20
MARGIN = 0.15
"""By so much the accuracy of the linear method's victims may be the higher one."""


def run(size: Size) -> Outcome:
    """Time both methods from files to proved files, and audit both releases."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tiny = write_npz(folder / "tiny.npz")
        data = Path(os.environ.get("MONAI_UNLEARNABLE_DATA", REPOSITORY.parent / "shared" / "data"))
        source = tiny if size.quick else data / "medmnist" / "breastmnist.npz"
        short = ErrorMinimizingRecipe(max_rounds=1, min_rounds=1, surrogate_epochs=1)
        fast = LinearErrorMinimizingRecipe()
        for recipe in (short, fast):
            _protect(tiny, folder / "warm_up" / recipe.name, recipe, size)
        methods = (short if size.quick else ErrorMinimizingRecipe(), fast)
        seconds = {one.name: (_protect(source, folder / one.name, one, size),) for one in methods}
        accuracies = {one.name: _accuracies(folder, source, one.name, quick=size.quick) for one in methods}
    allowed = tuple(one + MARGIN for one in accuracies[SLOW])
    rows = [Row(name=f"{name}: protect", unit="s", values=values) for name, values in seconds.items()]
    rows += [Row(name=f"{name}: victim's accuracy", unit="1", values=values) for name, values in accuracies.items()]
    times = quotients(seconds[FAST], seconds[SLOW])
    learnt = quotients(accuracies[FAST], allowed)
    return Outcome(
        tuple(rows),
        (
            Ratio(name=f"{FAST} / {SLOW}: time", values=times, goal=GOAL),
            Ratio(name=f"{FAST} / ({SLOW} + {MARGIN}): accuracy", values=learnt, goal=1.0),
        ),
    )


def _protect(source: Path, folder: Path, recipe: Recipe, size: Size) -> float:
    clock = {"wall": time.perf_counter, "cpu": time.process_time}[size.clock]
    start = clock()
    protect(source, output=folder / "release", ledger=folder / "ledger", recipe=recipe, radius="8/255", seed=0)
    return clock() - start


def _accuracies(folder: Path, source: Path, name: str, *, quick: bool) -> tuple[float, ...]:
    victims = (VictimRecipe(epochs=1),) if quick else (VictimRecipe(),)
    # One folder for all: a training on the clean images is not made twice.
    report = audit_release(
        folder / name / "release", clean=source, output=folder / "report", recipes=victims, seeds=1 if quick else 3
    )
    (outcome,) = report.outcomes
    # Of a handful of images all may be wrong, and a quantity is above 0.
    return tuple(max(one.score, 1e-3) for one in outcome.released)
