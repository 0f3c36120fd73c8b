"""The descent loop against one that is slow, unbatched and written in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from monai_unlearnable.budgets import Budget, L2Budget, LinfBudget
from monai_unlearnable.errors import DivergedError
from monai_unlearnable.perturbations import PerturbationBatch, descend
from tests.contracts.toys import whole_images

Array = NDArray[np.float64]
WEIGHT = np.random.default_rng(1).normal(0, 0.004, (3, 48))
LABEL = [0, 1, 2, 1, 0, 2]


def slow_loss(image: Array, label: int) -> tuple[float, Array]:
    """Return cross-entropy of a linear model, with a curved term, and its gradient for one image."""
    logits = WEIGHT @ image
    chance = np.exp(logits - logits.max())
    chance /= chance.sum()
    hot = np.eye(3)[label]
    return float(-np.log(chance[label])), WEIGHT.T @ (chance - hot)


def slow_project(delta: Array, image: Array | None, budget: Budget) -> Array:
    if isinstance(budget, LinfBudget):
        delta = np.clip(delta, -budget.radius_levels, budget.radius_levels)
    else:
        delta = delta * min(1.0, budget.radius_levels / float(np.linalg.norm(delta)))
    return delta if image is None else np.clip(image + delta, 0, 255) - image


def slow_descend(
    images: list[Array],
    labels: list[int],
    start: Array,
    budget: Budget,
    steps: int,
    size: float,
    *,
    shared: bool,
    enough: float = -np.inf,
) -> Array:
    """Descend one delta that all the images share, and return the best; only its own image's range binds it."""
    own = None if shared else images[0]
    delta = slow_project(start, own, budget)
    best, best_loss = delta, np.inf
    for step in range(steps + 1):
        total, gradient = 0.0, np.zeros_like(delta)
        for image, label in zip(images, labels, strict=True):
            loss, slope = slow_loss(np.clip(image + delta, 0, 255), label)
            total += loss
            # A clipped pixel of a shared delta does not move with it; at the very end it still does.
            gradient += slope * ((image + delta >= 0) & (image + delta <= 255))
        if total < best_loss:
            best, best_loss = delta, total
        if step < steps and total > enough:
            unit = np.sign(gradient) if isinstance(budget, LinfBudget) else gradient / np.linalg.norm(gradient)
            delta = slow_project(delta - size * unit, own, budget)
    return best


def fast_loss(label: Tensor) -> object:
    weight = torch.from_numpy(WEIGHT).float()
    return lambda image: torch.nn.functional.cross_entropy(image.flatten(1) @ weight.T, label, reduction="none")


@pytest.mark.parametrize("budget", [LinfBudget(radius_levels=8), L2Budget(radius_levels=40)], ids=["linf", "l2"])
@pytest.mark.parametrize(("steps", "size"), [(1, 1.0), (7, 1.6), (9, 25.0)], ids=["one", "several", "too long"])
@pytest.mark.parametrize("owner", [None, [1, 0, 0, 1, 2, 0]], ids=["own", "shared"])
@pytest.mark.parametrize("enough", [None, 0.9], ids=["all move", "enough"])
def test_is_the_slow_loop(
    budget: Budget, steps: int, size: float, owner: list[int] | None, enough: float | None
) -> None:
    image = whole_images((6, 1, 6, 8))
    rows = list(range(6)) if owner is None else owner
    start = 3 * torch.randn(max(rows) + 1, 1, 6, 8)
    batch = PerturbationBatch(image, torch.tensor(LABEL), start, None if owner is None else torch.tensor(owner))
    found, loss = descend(fast_loss(batch.label), batch, budget, steps=steps, step_size_levels=size, enough=enough)  # type: ignore[arg-type]
    flat, starts = image.flatten(1).double().numpy(), start.flatten(1).double().numpy()
    for row in range(max(rows) + 1):
        mine = [i for i, one in enumerate(rows) if one == row]
        images, labels = [flat[i] for i in mine], [LABEL[i] for i in mine]
        least = -np.inf if enough is None else enough
        slow = slow_descend(images, labels, starts[row], budget, steps, size, shared=owner is not None, enough=least)
        np.testing.assert_allclose(found[row].flatten().numpy(), slow, atol=2e-3)
        total = sum(slow_loss(np.clip(one + slow, 0, 255), label)[0] for one, label in zip(images, labels, strict=True))
        np.testing.assert_allclose(float(loss[row]), total, rtol=1e-3, atol=1e-5)


def test_what_is_enough_is_not_moved_and_not_computed_again() -> None:
    image = torch.full((2, 1, 1, 1), 100.0)
    batch = PerturbationBatch(image, torch.tensor([0, 0]), torch.tensor([1.0, 5.0]).reshape(2, 1, 1, 1))
    seen: list[list[float]] = []

    def loss(image: Tensor) -> Tensor:
        seen.append((image.detach() - 100).flatten().tolist())
        return (image.flatten() - 100) ** 2

    delta, best = descend(loss, batch, LinfBudget(radius_levels=8), steps=9, step_size_levels=2, enough=1.0)
    assert seen == [[1, 5], [1, 3], [1, 1]], "the loop ends when nothing moves any more"
    assert (delta.flatten().tolist(), best.tolist()) == ([1.0, 1.0], [1.0, 1.0])


def test_best_delta_of_the_way_is_kept() -> None:
    """Steps of 8 levels jump over a minimum at 3; the start at 2 is better than all that follows."""
    batch = PerturbationBatch(torch.full((1, 1, 1, 1), 100.0), torch.tensor([0]), torch.full((1, 1, 1, 1), 2.0))
    seen: list[float] = []

    def loss(image: Tensor) -> Tensor:
        seen.append(float(image.detach()) - 100)
        return (image.flatten() - 103) ** 2

    delta, best = descend(loss, batch, LinfBudget(radius_levels=8), steps=3, step_size_levels=8)
    assert seen == [2, 8, 0, 8]
    assert (float(delta), float(best)) == (2.0, 1.0)


def test_last_step_counts() -> None:
    batch = PerturbationBatch(torch.full((1, 1, 1, 1), 100.0), torch.tensor([0]), torch.zeros(1, 1, 1, 1))
    delta, _ = descend(lambda image: image.flatten(), batch, LinfBudget(radius_levels=8), steps=3, step_size_levels=2)
    assert float(delta) == -6


@pytest.mark.parametrize("ids", [(), ("x", "y", "z")])
def test_names_the_sample_that_diverged(ids: tuple[str, ...]) -> None:
    batch = PerturbationBatch(torch.zeros(3, 1, 2, 2), torch.zeros(3).long(), torch.zeros(3, 1, 2, 2), None, ids)
    bad = torch.tensor([0.0, torch.nan, torch.inf])
    with pytest.raises(DivergedError, match="sample 'y'" if ids else "sample number 1 of the batch"):
        descend(lambda x: x.flatten(1).sum(1) + bad, batch, LinfBudget(radius_levels=8), steps=1, step_size_levels=1)


@pytest.mark.parametrize("size", [64, 512])
def test_gradients_do_not_overflow_in_half_precision(size: int) -> None:
    """Of a loss that is no mean over voxels, what keeps means from vanishing is too much."""
    weights = torch.randn(1, 1, size, size, generator=torch.Generator().manual_seed(0))

    def loss(image: Tensor) -> Tensor:
        return (image.half() * weights.half()).flatten(1).float().sum(1)

    batch = PerturbationBatch(torch.full_like(weights, 100), torch.zeros(1), torch.zeros_like(weights))
    with torch.autocast("cpu", dtype=torch.float16):
        delta, _ = descend(loss, batch, LinfBudget(radius_levels=8), steps=1, step_size_levels=8.0, keep_best=False)
    assert float((delta.sign() == -weights.sign()).float().mean()) > 0.999


def test_gradients_do_not_vanish_in_half_precision() -> None:
    """A mean over many voxels gives each a gradient below the smallest number of 16 bits."""
    weights = torch.randn(1, 1, 64, 64, 64, generator=torch.Generator().manual_seed(0))

    def loss(image: Tensor) -> Tensor:
        return 1e-2 * (image.half() * weights.half()).flatten(1).float().mean(1)

    batch = PerturbationBatch(torch.full_like(weights, 100), torch.zeros(1), torch.zeros_like(weights))
    with torch.autocast("cpu", dtype=torch.float16):
        delta, _ = descend(loss, batch, LinfBudget(radius_levels=8), steps=1, step_size_levels=8.0, keep_best=False)
    assert float((delta.sign() == -weights.sign()).float().mean()) > 0.999
