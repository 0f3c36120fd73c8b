"""Deltas of large images, computed on a smaller grid than their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from monai_unlearnable.budgets import AnyBudget
from monai_unlearnable.perturbations.base import Perturbation, PerturbationBatch, StepHook, SurrogateModel
from monai_unlearnable.perturbations.dense_objectives import resize_masks
from monai_unlearnable.perturbations.error_minimizing import ErrorMinimizing, require_surrogate
from monai_unlearnable.perturbations.generator import half_grid
from monai_unlearnable.perturbations.targeted import TargetedAdversarial
from monai_unlearnable.surrogates import ResampleTo
from monai_unlearnable.types import Deltas, Images

__all__ = ["OnGrid", "on_grid"]


@dataclass(frozen=True, kw_only=True)
class OnGrid(Perturbation):
    """Improves deltas on a grid of half the size that the surrogate sees, and enlarges them to the image's own.

    A gradient reaches the pixels of a large image through the surrogate's resampling, so those that become one pixel
    get nearly the same one: steps on a small grid do the same at its size. The grid is half as fine as what is seen,
    because readers resample in their own way, and what is as fine as the seen pixels is blurred away by that. The
    images are resampled once for all steps. An image that is not larger than the grid is worked on as it is.

    Attributes:
        perturbation: the method; its surrogate's preprocessing must be :class:`~monai_unlearnable.surrogates.InOrder`.
        size_px: what the surrogate's resampling makes of an image.
    """

    name: ClassVar[str] = "on_grid"
    needs_surrogate: ClassVar[bool] = True
    perturbation: ErrorMinimizing | TargetedAdversarial
    size_px: int

    @property
    def budget(self) -> AnyBudget:  # type: ignore[override]
        """The method's budget."""
        return self.perturbation.budget

    @property
    def objective(self) -> Any:
        """The method's objective."""
        return self.perturbation.objective

    def improve(
        self,
        batch: PerturbationBatch,
        *,
        surrogate: SurrogateModel | None = None,
        on_step: StepHook | None = None,
    ) -> Deltas:
        """Improve the deltas on the grid; see :meth:`Perturbation.improve`."""
        model = require_surrogate(surrogate, self.perturbation.name)
        resample = ResampleTo(size_px=self.size_px)
        space = tuple(batch.image.shape[2:])
        seen = resample.seen_space(space, None if batch.patches is None else batch.patches.whole_space)
        grid = half_grid(seen)
        if any(one >= own for one, own in zip(grid, space, strict=True)):
            return self.perturbation.improve(batch, surrogate=model, on_step=on_step)
        view = _resampled(resample, batch)
        coarse = replace(
            batch,
            image=functional.interpolate(view, size=grid, mode="area"),
            label=resize_masks(batch.label, seen) if batch.label.ndim > 2 else batch.label,
            delta=functional.interpolate(batch.delta, size=grid, mode="nearest-exact"),
            patches=None,
        )

        def look(image: Images) -> Tensor:
            return model(view + _enlarge(image - coarse.image, seen), resampled=True)

        # What counts are the levels of the image's own grid: of an L2 radius the smaller one has its share.
        budget = self.perturbation.budget_of(batch).of_grid(grid, coarse.delta[0].numel() / batch.delta[0].numel())
        method = replace(self.perturbation, budget=budget)
        found = method.improve(coarse, surrogate=look, on_step=on_step)
        return batch.project(_enlarge(found, space), self.budget_of(batch))

    def describe(self) -> dict[str, Any]:
        """Return the method's settings and what the surrogate sees as JSON values."""
        return self.perturbation.describe() | {"seen_px": self.size_px}


def on_grid(
    perturbation: ErrorMinimizing | TargetedAdversarial, size_px: int | None
) -> OnGrid | ErrorMinimizing | TargetedAdversarial:
    """Return the method on a grid of half this size; None for the images' own."""
    return perturbation if size_px is None else OnGrid(perturbation=perturbation, size_px=size_px)


def _resampled(resample: ResampleTo, batch: PerturbationBatch) -> Images:
    with torch.no_grad():
        return resample(batch.image, None if batch.patches is None else batch.patches.whole_space)  # type: ignore[no-any-return]


def _enlarge(deltas: Deltas, space: Sequence[int]) -> Deltas:
    """Let each pixel of an image show the one of the grid that it lies in."""
    for axis, size in enumerate(space, start=2):
        have = deltas.shape[axis]
        if have != size:
            deltas = deltas.index_select(axis, torch.arange(size, device=deltas.device) * have // size)
    return deltas
