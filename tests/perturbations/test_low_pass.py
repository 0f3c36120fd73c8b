"""Low-pass filters of deltas, against SciPy's cosine transform."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.fft import dctn, idctn  # type: ignore[import-untyped]

from monai_unlearnable.budgets import LinfBudget
from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations import ErrorMinimizing, OnGrid, PerturbationBatch, kept_waves, low_pass, on_grid
from tests.perturbations.test_on_grid import batch, losses, surrogate


def by_scipy(values: NDArray[np.float64], waves: tuple[int, ...]) -> NDArray[np.float64]:
    axes = tuple(range(2, values.ndim))
    found = dctn(values, axes=axes, norm="ortho")
    for axis, kept in zip(axes, waves, strict=True):
        found[(slice(None),) * axis + (slice(kept, None),)] = 0
    return np.asarray(idctn(found, axes=axes, norm="ortho"))


@pytest.mark.parametrize(
    ("space", "waves"), [((12, 9), (5, 9)), ((7, 16), (1, 3)), ((6, 8, 5), (3, 2, 1)), ((4, 4), (9, 9))]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_is_what_scipy_finds_and_changes_nothing_twice(
    space: tuple[int, ...], waves: tuple[int, ...], dtype: torch.dtype
) -> None:
    deltas = torch.randn(2, 3, *space, generator=torch.Generator().manual_seed(4), dtype=torch.float64).to(dtype)
    found = low_pass(deltas, waves)
    assert found.dtype == dtype and found.shape == deltas.shape
    np.testing.assert_allclose(found, by_scipy(deltas.double().numpy(), waves), atol=2e-6)
    torch.testing.assert_close(low_pass(found, waves), found, atol=2e-6, rtol=0)


def test_an_image_and_a_smaller_one_of_it_lose_the_same() -> None:
    positions = [(2 * torch.arange(size) + 1) / (2 * size) for size in (32, 16)]
    for wave, left in ((5, True), (7, False)):
        for at in positions:
            row = torch.cos(torch.pi * wave * at).expand(1, 1, len(at), -1)
            torch.testing.assert_close(low_pass(row, (6, 6)), row if left else torch.zeros_like(row), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("space", "share", "waves"), [((28, 28, 1), 0.5, (14, 14, 1)), ((10, 3), 0.1, (1, 1))])
def test_how_many_waves_an_axis_keeps(space: tuple[int, ...], share: float, waves: tuple[int, ...]) -> None:
    assert kept_waves(space, share) == waves


@pytest.mark.parametrize("space", [(40, 33), (24, 17, 20), (4, 30)])
@pytest.mark.parametrize("size_px", [None, 8])
def test_descent_finds_deltas_of_the_longest_waves_alone(space: tuple[int, ...], size_px: int | None) -> None:
    budget = LinfBudget(radius_levels=8)
    work = batch(space)
    start = torch.full_like(work.image, 3.0)
    start[..., ::2] = -3  # as fine as pixels are: it has to go, also where the descent finds nothing better
    work = PerturbationBatch(work.image.clamp(80, 170), work.label, start)  # no pixel is cut to the range
    # A radius that no step reaches: nothing is cut to it either.
    inner = ErrorMinimizing(budget=LinfBudget(radius_levels=60), steps=5, step_share=0.02)
    model: Any = surrogate(len(space)) if size_px else _Whole(surrogate(len(space)))
    found = on_grid(inner, size_px, low_pass_share=0.5).improve(work, surrogate=model)
    waves = kept_waves(space, 0.5)
    np.testing.assert_allclose(found, by_scipy(found.double().numpy(), waves), atol=1e-3)
    assert bool((losses(model, work, found, inner) < losses(model, work, torch.zeros_like(found), inner)).all())
    tight = on_grid(ErrorMinimizing(budget=budget, steps=5), size_px, low_pass_share=0.5)
    delta = tight.improve(work, surrogate=model)
    assert bool(budget.contains(delta, work.image).all()) and delta.abs().max() > 4


class _Whole:
    """A surrogate of which nobody says at what size it looks at images."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(image)
        return logits


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    inner = ErrorMinimizing(budget=LinfBudget(radius_levels=8), steps=1)
    with pytest.raises(BudgetError, match="deltas keep a share of their waves above 0 and below 1"):
        OnGrid(perturbation=inner, low_pass_share=share)


def test_says_its_share() -> None:
    inner = ErrorMinimizing(budget=LinfBudget(radius_levels=8), steps=1)
    assert on_grid(inner, None, low_pass_share=0.25).describe()["low_pass_share"] == 0.25
    assert on_grid(inner, None) is inner


def test_what_a_start_has_of_short_waves_goes_though_it_is_good_enough() -> None:
    work = batch((40, 33))
    start = torch.zeros_like(work.image)
    start[..., 1::2] = 8
    work = PerturbationBatch(work.image.clamp(80, 170), work.label, start)
    inner = ErrorMinimizing(budget=LinfBudget(radius_levels=60), steps=3, enough_loss=1e9)
    found = on_grid(inner, None, low_pass_share=0.5).improve(work, surrogate=surrogate(2))
    np.testing.assert_allclose(found, by_scipy(start.double().numpy(), kept_waves((40, 33), 0.5)), atol=1e-3)
