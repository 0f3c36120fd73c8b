"""Error-minimizing deltas in plain PyTorch, without any of the package's engine, perturbation, budget or store.

The same mathematics as the engine: the same batches in the same order, surrogate steps, delta steps, best delta on the
way, rounding, and the surrogate's error on the protected images that a stop rule needs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

LOW, HIGH = 0.0, 255.0


def protect(
    image: Tensor,
    label: Tensor,
    model: nn.Module,
    *,
    rounds: int,
    delta_steps: int,
    batch_size: int,
    radius_levels: float,
    step_levels: float,
    learning_rate: float,
) -> Tensor:
    """Return deltas like ``image``, whole levels."""
    delta = torch.zeros_like(image)
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate, momentum=0.9)
    batches = [slice(start, start + batch_size) for start in range(0, len(image), batch_size)]
    for _ in range(rounds):
        model.train().requires_grad_(True)
        for rows in batches:
            optimizer.zero_grad()
            protected = (image[rows] + delta[rows]).clamp(LOW, HIGH)
            cross_entropy(model(protected), label[rows]).backward()
            optimizer.step()
        model.eval().requires_grad_(False)
        wrong = 0
        for rows in batches:
            x, y = image[rows], label[rows]
            delta[rows] = _descend(x, y, delta[rows], model, delta_steps, radius_levels, step_levels).round()
            with torch.no_grad():
                wrong += int((model(x + delta[rows]).argmax(1) != y).sum())
    return delta


def _descend(
    x: Tensor, y: Tensor, delta: Tensor, model: nn.Module, steps: int, radius_levels: float, step_levels: float
) -> Tensor:
    best, best_loss = delta, torch.full((len(x),), torch.inf)
    for step in range(steps + 1):
        delta = delta.detach().requires_grad_(step < steps)
        with torch.set_grad_enabled(step < steps):
            losses = cross_entropy(model(x + delta), y, reduction="none")
        values = losses.detach()
        better = values < best_loss
        best = torch.where(better[:, None, None, None], delta.detach(), best)
        best_loss = torch.where(better, values, best_loss)
        if step < steps:
            (gradient,) = torch.autograd.grad(losses.sum(), delta)
            delta = (delta.detach() - step_levels * gradient.sign()).clamp(-radius_levels, radius_levels)
            delta = torch.clamp(delta, LOW - x, HIGH - x)
    return best
