"""Deltas that a trained network gives in one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from monai.engines.utils import IterationEvents
from torch import Tensor, nn
from torch.nn import functional

from monai_unlearnable.budgets import AnyBudget, Budget, LinfBudget, MaskedBudget
from monai_unlearnable.budgets.base import per_sample
from monai_unlearnable.errors import BudgetError, DivergedError
from monai_unlearnable.perturbations.base import Perturbation, PerturbationBatch, StepHook, SurrogateModel
from monai_unlearnable.perturbations.dense_objectives import resize_masks
from monai_unlearnable.surrogates import Surrogate
from monai_unlearnable.types import Deltas, Images, Labels

__all__ = ["GeneratedDeltas", "enlarge", "half_grid", "label_planes", "on_sphere", "shares_of_radius"]

_LEAST_LENGTH = 1e-12


def half_grid(space: Sequence[int]) -> tuple[int, ...]:
    """Return the grid that deltas of resampled images are made on: what is finer does not survive other readers.

    Example:
        >>> half_grid((96, 25))
        (48, 13)
    """
    return tuple(-(-one // 2) for one in space)


def label_planes(label: Labels, space: Sequence[int], num_classes: int) -> Tensor:
    """Return labels as planes of 0 to 1 that a convolution can see.

    Args:
        label: ``(batch,)`` class indices, ``(batch, num_classes)`` of 0/1, or masks ``(batch, 1, *space)``. Of masks
            that are larger than ``space`` a plane holds the share of each class; a voxel whose class is none of
            ``0 .. num_classes - 1``, as one that is to be ignored, is 0 in all planes.
        space: size of the planes.
        num_classes: number of classes or of label columns.

    Returns:
        ``(batch, num_classes, *space)``, float32.

    Raises:
        BudgetError: a class index is out of range, or there are more or fewer label columns.

    Example:
        >>> label_planes(torch.tensor([1]), (1, 2), 2).tolist()
        [[[[0.0, 0.0]], [[1.0, 1.0]]]]
        >>> label_planes(torch.tensor([[[[0, 1, 1, 255]]]]), (1, 2), 2).tolist()
        [[[[0.5, 0.0]], [[0.5, 0.5]]]]
    """
    if label.ndim > 2:
        classes = torch.arange(num_classes, device=label.device).reshape(1, -1, *[1] * (label.ndim - 2))
        planes = (label == classes).float()
        same = tuple(planes.shape[2:]) == tuple(space)
        return planes if same else functional.interpolate(planes, size=tuple(space), mode="area")
    if label.ndim == 2 and label.shape[1] != num_classes:
        raise BudgetError(f"{label.shape[1]} label columns, but the generator was made for {num_classes}.")
    if label.ndim == 1:
        outside = label[(label < 0) | (label >= num_classes)]
        if len(outside):
            raise BudgetError(f"label {int(outside[0])} is outside 0..{num_classes - 1}.")
        label = functional.one_hot(label, num_classes)
    return label.float().reshape(*label.shape, *[1] * len(space)).expand(*label.shape, *space)


def shares_of_radius(
    network: nn.Module, view: Images, label: Labels, *, num_classes: int, grid: Sequence[int]
) -> Tensor:
    """Return what a generator makes of views on a grid: shares of the radius ``(batch, channel, *grid)``.

    Args:
        network: sees view and label planes side by side.
        view: ``(batch, channel, *space)``, as networks see images, -1 to 1.
        label: see :func:`label_planes`; masks have the views' size.
        num_classes: number of classes or of label columns.
        grid: size of the result; views and masks that are larger are averaged.
    """
    small = view if tuple(view.shape[2:]) == tuple(grid) else functional.interpolate(view, size=grid, mode="area")
    shares: Tensor = network(torch.cat([small, label_planes(label, grid, num_classes)], dim=1))
    return shares


def on_sphere(values: Tensor) -> Tensor:
    """Scale each image's values so that the mean of their squares is 1.

    Example:
        >>> on_sphere(torch.tensor([[[0.1, -0.1]]])).tolist()
        [[[1.0, -1.0]]]
    """
    length = values.flatten(1).square().mean(1).sqrt().clamp_min(_LEAST_LENGTH)
    return values / length.reshape(-1, *[1] * (values.ndim - 1))


def enlarge(values: Tensor, space: Sequence[int]) -> Tensor:
    """Let each voxel of an image show the one of the grid that it lies in.

    Example:
        >>> enlarge(torch.tensor([[[[1.0, 2.0]]]]), (1, 4)).tolist()
        [[[[1.0, 1.0, 2.0, 2.0]]]]
    """
    same = tuple(values.shape[2:]) == tuple(space)
    return values if same else functional.interpolate(values, size=tuple(space), mode="nearest")


@dataclass(frozen=True, kw_only=True)
class GeneratedDeltas(Perturbation):
    """One forward pass of a network that sees the image and its label: radius times the shares that it gives.

    The network is trained together with surrogates, both lowering the same loss
    (:class:`~monai_unlearnable.engines.GeneratorWithSurrogates`): the steps that error-minimizing makes for each image
    are paid once. Each image passes alone, so that its delta does not depend on the batch that it is in. For L2 budgets
    the delta is scaled onto the sphere.

    Attributes:
        budget: how large a delta may be.
        generator: the network, from image channels and label planes to shares of the radius, and the preprocessing that
            it sees images through.
        num_classes: number of classes or of label columns.
        size_px: what the preprocessing's resampling makes of an image; deltas are then made on half that size and
            enlarged. None for the images' own grid.
    """

    name: ClassVar[str] = "generator"
    needs_surrogate: ClassVar[bool] = False
    budget: AnyBudget
    generator: Surrogate
    num_classes: int
    size_px: int | None = None

    def improve(
        self,
        batch: PerturbationBatch,
        *,
        surrogate: SurrogateModel | None = None,
        on_step: StepHook | None = None,
    ) -> Deltas:
        """Return the generator's deltas; the deltas so far and the surrogate are not looked at.

        Of several images that share a delta the first one decides.

        Raises:
            BudgetError: a label is not one of the generator's.
            DivergedError: the generator gives NaN; names the sample.
        """
        budget = self.budget_of(batch)
        if on_step is not None:
            on_step(IterationEvents.INNER_ITERATION_STARTED)
        with torch.no_grad(), self.generator.frozen():
            shares = torch.cat([self._of_one(batch, row) for row in _rows(batch)])
        if on_step is not None:
            on_step(IterationEvents.INNER_ITERATION_COMPLETED)
        return batch.project(_levels(shares, budget), budget)

    def _of_one(self, batch: PerturbationBatch, row: int) -> Tensor:
        one = slice(row, row + 1)
        image, label = batch.image[one], batch.label[one]
        window = None if batch.window_levels is None else batch.window_levels[one]
        whole = None if batch.patches is None else batch.patches.whole_space
        view = self.generator.look(image, window, whole)
        seen = tuple(view.shape[2:])
        grid = seen if self.size_px is None else half_grid(seen)
        label = resize_masks(label, seen) if label.ndim > 2 else label
        shares = shares_of_radius(self.generator.network, view, label, num_classes=self.num_classes, grid=grid)
        if not bool(shares.isfinite().all()):
            name = batch.sample_ids[row] if batch.sample_ids else str(row)
            raise DivergedError(f"sample {name!r}: the generator gives NaN. It is damaged, or its training diverged.")
        return enlarge(shares, image.shape[2:])

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return {
            "method": self.name,
            "num_classes": self.num_classes,
            "seen_px": self.size_px,
            "budget": self.budget.describe(),
        }


def _rows(batch: PerturbationBatch) -> list[int]:
    """Return the first image of each delta."""
    if batch.owner is None:
        return list(range(len(batch.image)))
    owners = batch.owner.tolist()
    return [owners.index(number) for number in range(len(batch.delta))]


def _levels(shares: Deltas, budget: Budget) -> Deltas:
    norm_name = budget.budget.norm_name if isinstance(budget, MaskedBudget) else budget.norm_name
    if norm_name == LinfBudget.norm_name:
        return shares * per_sample(budget.radius_levels, shares)
    if isinstance(budget, MaskedBudget):
        shares = budget.inside(shares)  # what the mask takes away must not count in the length
    length = shares.double().flatten(1).norm(dim=1).clamp_min(_LEAST_LENGTH)
    scaled: Deltas = shares * per_sample(budget.radius_levels / length, shares)
    return scaled
