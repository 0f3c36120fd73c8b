"""Deltas that are computed on a smaller grid than the image's own, and enlarged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from monai_unlearnable.budgets import AnyBudget
from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations.base import Perturbation, PerturbationBatch, StepHook, SurrogateModel
from monai_unlearnable.perturbations.dense_objectives import resize_masks
from monai_unlearnable.perturbations.error_minimizing import ErrorMinimizing, require_surrogate
from monai_unlearnable.perturbations.generator import half_grid
from monai_unlearnable.perturbations.low_pass import kept_waves, low_pass
from monai_unlearnable.perturbations.targeted import TargetedAdversarial
from monai_unlearnable.surrogates import ResampleTo
from monai_unlearnable.types import Deltas, Images

__all__ = ["OnGrid", "on_grid"]

_LEAST_BLOCK_PX = 2


@dataclass(frozen=True, kw_only=True)
class OnGrid(Perturbation):
    """Improves deltas on a small grid, and enlarges them to the image's own: each pixel of the grid becomes a block.

    Where a surrogate resamples large images, a gradient reaches their pixels through that, so those that become one
    pixel get nearly the same one: steps on a small grid do the same at its size. The grid is half as fine as what is
    seen, because readers resample in their own way, and what is as fine as the seen pixels is blurred away by that. The
    images are resampled once for all steps. An image that is not larger than that grid keeps its own.

    A size of the blocks makes the grid coarser still, of any image: what is even over several stored pixels survives
    compression, blur and resampling better than what is as fine as these. A share of the waves takes the finest off
    what is found, and surrogates see what is left, so that gradients go through the filter (:func:`low_pass`).

    Attributes:
        perturbation: the method.
        size_px: what the surrogate's resampling makes of an image; its preprocessing must then be
            :class:`~monai_unlearnable.surrogates.InOrder`. None where it does not resample.
        block_size_px: side of a block in stored pixels, or a little less where it does not divide the image's size;
            None for blocks no larger than the resampling makes them.
        low_pass_share: share of the waves along each axis of the image that deltas keep, from the longest; None for
            all of them.

    Raises:
        BudgetError: at construction, when blocks have fewer than 2 pixels a side; when the share is not above 0 and
            below 1.
    """

    name: ClassVar[str] = "on_grid"
    needs_surrogate: ClassVar[bool] = True
    perturbation: ErrorMinimizing | TargetedAdversarial
    size_px: int | None = None
    block_size_px: int | None = None
    low_pass_share: float | None = None

    def __post_init__(self) -> None:
        if self.block_size_px is not None and self.block_size_px < _LEAST_BLOCK_PX:
            raise BudgetError(
                f"block_size_px={self.block_size_px}: a block has {_LEAST_BLOCK_PX} pixels a side, or more."
            )
        if self.low_pass_share is not None and not 0 < self.low_pass_share < 1:
            raise BudgetError(
                f"low_pass_share={self.low_pass_share}: deltas keep a share of their waves above 0 and below 1."
            )

    @property
    def budget(self) -> AnyBudget:  # type: ignore[override]
        """The method's budget."""
        return self.perturbation.budget

    @property
    def objective(self) -> Any:
        """The method's objective."""
        return self.perturbation.objective

    def with_budget(self, budget: AnyBudget) -> OnGrid:
        """Return the method with another budget."""
        return replace(self, perturbation=self.perturbation.with_budget(budget))

    def improve(
        self,
        batch: PerturbationBatch,
        *,
        surrogate: SurrogateModel | None = None,
        on_step: StepHook | None = None,
    ) -> Deltas:
        """Improve the deltas on the grid; see :meth:`Perturbation.improve`."""
        model = require_surrogate(surrogate, self.perturbation.name)
        space = tuple(batch.image.shape[2:])
        seen = self._seen_space(batch)
        grid = self._grid(space, seen)
        if grid == space and self.low_pass_share is None:
            return self.perturbation.improve(batch, surrogate=model, on_step=on_step)
        view = batch.image if seen is None else self._resampled(batch)
        coarse = replace(
            batch,
            image=functional.interpolate(view, size=grid, mode="area"),
            label=batch.label if seen is None or batch.label.ndim <= 2 else resize_masks(batch.label, seen),
            delta=_read_back(batch.delta, grid),
            patches=None,
        )

        def look(image: Images) -> Tensor:
            if seen is None:
                return model(view + self._shown(image - coarse.image, space, space))
            return model(view + self._shown(image - coarse.image, seen, space), resampled=True)

        # What counts are the levels of the image's own grid: of an L2 radius the smaller one has its share.
        budget = self.perturbation.budget_of(batch).of_grid(grid, coarse.delta[0].numel() / batch.delta[0].numel())
        found = self.perturbation.with_budget(budget).improve(coarse, surrogate=look, on_step=on_step)
        delta = batch.project(self._shown(found, space, space), self.budget_of(batch))
        if self.low_pass_share is None:  # what a start has of finer waves is to go in any case
            still = (found == coarse.delta).flatten(1).all(1)
            delta[still] = batch.delta[still]
        return delta

    def _seen_space(self, batch: PerturbationBatch) -> tuple[int, ...] | None:
        """Return the size at which the surrogate sees an image; None where deltas are not computed at that size."""
        if self.size_px is None:
            return None
        space = tuple(batch.image.shape[2:])
        whole = None if batch.patches is None else batch.patches.whole_space
        seen = ResampleTo(size_px=self.size_px).seen_space(space, whole)
        return None if any(one >= own for one, own in zip(half_grid(seen), space, strict=True)) else seen

    def _grid(self, space: tuple[int, ...], seen: tuple[int, ...] | None) -> tuple[int, ...]:
        grid = space if seen is None else half_grid(seen)
        if self.block_size_px is None:
            return grid
        return tuple(min(one, -(-own // self.block_size_px)) for one, own in zip(grid, space, strict=True))

    def _shown(self, small: Deltas, size: Sequence[int], space: Sequence[int]) -> Deltas:
        """Return what deltas of the grid are at a size of an image; ``space`` is the size that it is stored in."""
        deltas = _enlarge(small, size)
        return deltas if self.low_pass_share is None else low_pass(deltas, kept_waves(space, self.low_pass_share))

    def _resampled(self, batch: PerturbationBatch) -> Images:
        whole = None if batch.patches is None else batch.patches.whole_space
        with torch.no_grad():
            return ResampleTo(size_px=self.size_px or ())(batch.image, whole)  # type: ignore[no-any-return]

    def describe(self) -> dict[str, Any]:
        """Return the method's settings, what the surrogate sees, the size of blocks and kept waves as JSON values."""
        low_pass = {} if self.low_pass_share is None else {"low_pass_share": self.low_pass_share}
        own = {"seen_px": self.size_px, "block_size_px": self.block_size_px, **low_pass}
        return self.perturbation.describe() | own


def on_grid(
    perturbation: ErrorMinimizing | TargetedAdversarial,
    size_px: int | None,
    block_size_px: int | None = None,
    low_pass_share: float | None = None,
) -> OnGrid | ErrorMinimizing | TargetedAdversarial:
    """Return the method on half the grid of this size, in such blocks, without its finest waves; of None the method."""
    if size_px is None and block_size_px is None and low_pass_share is None:
        return perturbation
    return OnGrid(
        perturbation=perturbation, size_px=size_px, block_size_px=block_size_px, low_pass_share=low_pass_share
    )


def _enlarge(deltas: Deltas, space: Sequence[int]) -> Deltas:
    """Let each pixel of an image show the one of the grid that it lies in."""
    for axis, size in enumerate(space, start=2):
        deltas = deltas.index_select(axis, _blocks(size, deltas.shape[axis], deltas))
    return deltas


def _read_back(deltas: Deltas, grid: Sequence[int]) -> Deltas:
    """Return the value of largest magnitude of each block.

    Projection shortens the value of a block, or takes it away, where a pixel is outside of the mask or near an end of
    the range; the pixel that lost least tells what the block had.
    """
    high = low = deltas
    for axis, size in enumerate(grid, start=2):
        sides = _blocks(deltas.shape[axis], size, deltas).bincount(minlength=size).tolist()
        high = torch.stack([block.amax(axis) for block in high.split(sides, axis)], axis)
        low = torch.stack([block.amin(axis) for block in low.split(sides, axis)], axis)
    return torch.where(high >= -low, high, low)


def _blocks(size: int, count: int, like: Tensor) -> Tensor:
    """Return the number of the block, of so many, that each pixel of an axis lies in."""
    return torch.arange(size, device=like.device) * count // size
