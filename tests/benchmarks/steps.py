"""Time of one delta step for one image, against one forward and one input-gradient pass of the frozen surrogate."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.functional import cross_entropy

from monai_unlearnable.perturbations import ErrorMinimizing, PerturbationBatch
from monai_unlearnable.surrogates import Surrogate
from tests.benchmarks.measure import Outcome, Ratio, Row, Size, interleaved_seconds, quotients, scaled
from tests.benchmarks.setting import BATCH_SIZE, BUDGET, STEP_SHARE, Images, images, surrogate

GOAL = 1.15


def run(size: Size) -> Outcome:
    """Time the step, its reference, and the step with its options."""
    data = images(min(size.images, BATCH_SIZE))
    steps = 2 * size.delta_steps
    functions = {
        "delta step": _improve(data, surrogate(), steps),
        "forward and input gradient": _passes(data, surrogate(), steps),
        "delta step, channels last": _improve(data, surrogate(channels_last=True), steps),
        "delta step, autocast to bfloat16": _improve(data, surrogate(), steps, autocast=True),
    }
    seconds = interleaved_seconds(functions, size)
    per_image = 1e6 / (steps * len(data.image))
    rows = tuple(
        Row(name=name, unit="us per image-step", values=scaled(values, per_image)) for name, values in seconds.items()
    )
    step, passes = seconds["delta step"], seconds["forward and input gradient"]
    options = [name for name in functions if name.startswith("delta step,")]
    return Outcome(
        rows,
        (
            Ratio(name="delta step / forward and input gradient", values=quotients(step, passes), goal=GOAL),
            *(Ratio(name=f"{name} / delta step", values=quotients(seconds[name], step)) for name in options),
        ),
    )


def _improve(data: Images, model: Surrogate, steps: int, *, autocast: bool = False) -> Callable[[], None]:
    method = ErrorMinimizing(budget=BUDGET, steps=steps, step_share=STEP_SHARE)
    batch = PerturbationBatch(data.image, data.label, torch.zeros_like(data.image), None, data.sample_ids)

    def improve() -> None:
        with model.frozen(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            method.improve(batch, surrogate=model)

    return improve


def _passes(data: Images, model: Surrogate, steps: int) -> Callable[[], None]:
    def passes() -> None:
        with model.frozen():
            for _ in range(steps):
                image = data.image.detach().requires_grad_(True)
                torch.autograd.grad(cross_entropy(model(image), data.label, reduction="sum"), image)

    return passes
