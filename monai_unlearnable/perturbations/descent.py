"""The one inner loop: steepest descent of a loss over deltas inside a budget."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from monai.engines.utils import IterationEvents
from torch import Tensor

from monai_unlearnable.budgets import Budget
from monai_unlearnable.budgets.base import LevelNumber, per_sample
from monai_unlearnable.errors import DivergedError
from monai_unlearnable.perturbations.base import PerturbationBatch, StepHook
from monai_unlearnable.types import Deltas, Images, PerSample

__all__ = ["descend"]


def descend(
    loss: Callable[[Images], PerSample],
    batch: PerturbationBatch,
    budget: Budget,
    *,
    steps: int,
    step_size_levels: LevelNumber,
    enough: float | None = None,
    keep_best: bool = True,
    on_step: StepHook | None = None,
) -> tuple[Deltas, PerSample]:
    """Lower ``loss(image + delta)`` by projected steepest descent and keep the best delta seen, or the last.

    ``delta <- project(delta - step * steepest(gradient))``: sign steps for L-inf, normalised gradient steps
    for L2 (Madry et al., ICLR 2018, section 2.1, with the sign turned for a minimum).

    Args:
        loss: maps protected images ``(batch, channel, *space)`` in levels to a loss for each image.
        batch: images, and the deltas to start from.
        budget: keeps every delta inside its ball and its image's range.
        steps: number of steps, at least 1.
        step_size_levels: length of a step in the budget's norm, in levels; of all images or of each.
        enough: a delta whose loss (summed over the images that share it) is at most this is not moved any further: a
            step of a fixed length would change it as much for hardly any gain as for a large one. None moves all.
        keep_best: return the best delta; False returns the last, where the loss is drawn anew at every step and a low
            one may be luck.
        on_step: called with INNER_ITERATION_STARTED before and INNER_ITERATION_COMPLETED after every step.

    Returns:
        The deltas with the lowest loss on the way, the start included (or the last ones), and that loss for each delta
        (summed over the images that share one).

    Raises:
        DivergedError: the loss or its gradient is NaN or infinite; names the first such sample.
    """
    delta = batch.project(batch.delta, budget)
    best = delta
    best_loss = torch.full((len(delta),), torch.inf, device=delta.device)
    for step in range(steps + 1):
        last = step == steps
        delta = delta.detach().requires_grad_(not last)
        with torch.set_grad_enabled(not last):
            losses = loss(batch.apply(delta, budget)).float()
        best, best_loss = _keep_better(batch, delta.detach(), losses.detach(), best, best_loss, always=not keep_best)
        moving = None if enough is None else batch.sum_by_delta(losses.detach()) > enough
        if last or (moving is not None and not bool(moving.any())):
            break
        _tell(on_step, IterationEvents.INNER_ITERATION_STARTED)
        gradient = _gradient(losses.sum(), delta)
        _require_finite(gradient, batch)
        move = per_sample(step_size_levels, gradient) * budget.steepest(gradient)
        if moving is not None:
            move = move * moving.to(move).reshape(-1, *[1] * (move.ndim - 1))
        delta = batch.project(delta.detach() - move, budget)
        _tell(on_step, IterationEvents.INNER_ITERATION_COMPLETED)
    return best, best_loss


def _gradient(loss: Tensor, delta: Deltas) -> Deltas:
    """Return the gradient, in half precision by the largest factor that leaves it finite; no step depends on that."""
    gradient = delta
    for scale in _scales(delta):
        (gradient,) = torch.autograd.grad(scale * loss, delta, retain_graph=scale > 1)
        if bool(torch.isfinite(gradient.sum())):
            break
    return gradient


def _scales(delta: Deltas) -> tuple[int, ...]:
    """Return factors to try: those of a mean over voxels vanish without one, and other losses may overflow by it."""
    kind = delta.device.type
    half = torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) is torch.float16
    voxels = delta[0, 0].numel()
    return (voxels, math.isqrt(voxels), 1) if half else (1,)


def _tell(on_step: StepHook | None, event: IterationEvents) -> None:
    if on_step is not None:
        on_step(event)


def _keep_better(
    batch: PerturbationBatch, delta: Deltas, losses: PerSample, best: Deltas, best_loss: PerSample, *, always: bool
) -> tuple[Deltas, Tensor]:
    if not bool(torch.isfinite(losses).all()):
        index = int((~torch.isfinite(losses)).nonzero()[0])
        raise _diverged(batch, index, f"loss is {float(losses[index])}")
    total = batch.sum_by_delta(losses)
    if always:
        return delta, total
    better = (total < best_loss).reshape(-1, *[1] * (delta.ndim - 1))
    return torch.where(better, delta, best), torch.minimum(total, best_loss)


def _require_finite(gradient: Tensor, batch: PerturbationBatch) -> None:
    # A sign step would take a NaN for no gradient, and leave the sample unprotected without a word.
    if bool(torch.isfinite(gradient.sum())):
        return
    good = torch.isfinite(batch.gather(gradient).flatten(1)).all(1)
    if not bool(good.all()):
        raise _diverged(batch, int((~good).nonzero()[0]), "gradient is NaN or infinite")


def _diverged(batch: PerturbationBatch, index: int, what: str) -> DivergedError:
    name = repr(batch.sample_ids[index]) if batch.sample_ids else f"number {index} of the batch"
    return DivergedError(
        f"sample {name}: the surrogate's {what}. The surrogate diverged: lower its learning rate or clip its "
        "gradients. Nothing was stored for this batch."
    )
