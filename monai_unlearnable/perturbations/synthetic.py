"""Synthetic deltas: a random block pattern for each class, without any surrogate."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from monai.engines.utils import IterationEvents
from torch import Tensor

from monai_unlearnable.budgets import Budget
from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations.base import Perturbation, PerturbationBatch, StepHook, SurrogateModel
from monai_unlearnable.types import Deltas, Labels

__all__ = ["Synthetic"]

_MAX_DRAWS = 1000
_LEAST_DISTANCE_SHARE = 0.3


@dataclass(frozen=True, kw_only=True)
class Synthetic(Perturbation):
    """One block pattern of +radius and -radius for each class.

    (Liu et al. 2023, section III; Yu et al., KDD 2022, section 4.) The image is divided into ``blocks_per_axis`` blocks
    along every axis, so that a pattern means the same after the images were resized. For class ``k`` every block of
    ``P_k`` is +1 or -1 at random; patterns of two classes differ in 30 to 70 % of their blocks, so one linear threshold
    on ``<x, P_i - P_j>`` separates any two. A multi-label image gets ``sign(sum_k s_k P_k + 0.5 T)`` with ``s_k = +1``
    where label ``k`` is set and -1 where it is not, and a fixed tie-break ``T``; near-opposite patterns would cancel
    there, hence the 70 %. All channels carry the same pattern, so that grey conversion does not remove it. For L2
    budgets the pattern is scaled onto the sphere.

    A clean image carries no pattern at all, so a model trained on the release answers it with the class whose pattern
    is the faintest. ``shares`` makes one class's pattern fainter; :meth:`shares_for` picks the rarest class, which
    leaves that model below the majority class instead of at it.

    Attributes:
        budget: how large a delta may be.
        num_classes: number of classes, or of label columns.
        seed: seed of the patterns. Whoever knows it can compute the deltas: keep it.
        blocks_per_axis: blocks along each axis (7 gives 4-pixel blocks for 28 pixels).
        shares: for single-label sets, the share of the radius that each class's pattern uses; None for all of it.

    Raises:
        BudgetError: at construction, when so few blocks cannot tell so many classes apart.

    Example:
        >>> from monai_unlearnable.budgets import LinfBudget
        >>> method = Synthetic(budget=LinfBudget(radius_levels=8), num_classes=2, seed=3)
        >>> pattern = method.pattern(torch.tensor([0, 1]), (1, 28, 28))
        >>> pattern.shape, pattern.unique().tolist()
        (torch.Size([2, 1, 28, 28]), [-8.0, 8.0])
    """

    name: ClassVar[str] = "synthetic"
    needs_surrogate: ClassVar[bool] = False
    budget: Budget
    num_classes: int
    seed: int
    blocks_per_axis: int = 7
    shares: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.num_classes < 1:
            raise BudgetError(f"num_classes={self.num_classes}: at least 1 class or label column is needed.")
        if self.blocks_per_axis < 2:
            raise BudgetError(f"blocks_per_axis={self.blocks_per_axis}: at least 2 blocks make a pattern.")
        if self.shares is not None and (
            len(self.shares) != self.num_classes or not all(0 < share <= 1 for share in self.shares)
        ):
            raise BudgetError(
                f"shares={self.shares}: needs a share above 0, at most 1, for each of {self.num_classes} classes."
            )
        self._block_signs(2)

    @staticmethod
    def shares_for(counts: Sequence[int], *, faint_share: float = 0.25) -> tuple[float, ...]:
        """Return shares that make the rarest class's pattern faint and leave the others full.

        Args:
            counts: number of images of each class.
            faint_share: share of the rarest class (the last of them where several are as rare).
        """
        rarest = max(range(len(counts)), key=lambda index: (-counts[index], index))
        return tuple(faint_share if index == rarest else 1.0 for index in range(len(counts)))

    def improve(
        self,
        batch: PerturbationBatch,
        *,
        surrogate: SurrogateModel | None = None,
        on_step: StepHook | None = None,
    ) -> Deltas:
        """Return the pattern of each delta's label; the deltas so far and the surrogate are not looked at."""
        label = batch.label
        if batch.owner is not None:
            first = torch.full((len(batch.delta),), len(label), device=batch.owner.device)
            order = torch.arange(len(label), device=batch.owner.device)
            label = label[first.scatter_reduce(0, batch.owner, order, reduce="amin")]
        if on_step is not None:
            on_step(IterationEvents.INNER_ITERATION_STARTED)
        pattern = self.pattern(label, tuple(batch.image.shape[1:])).to(batch.image)
        if on_step is not None:
            on_step(IterationEvents.INNER_ITERATION_COMPLETED)
        return batch.project(pattern, self.budget)

    def pattern(self, label: Labels, shape: Sequence[int]) -> Deltas:
        """Return the delta of each label before it meets an image.

        Args:
            label: ``(batch,)`` class indices, or ``(batch, num_classes)`` of 0/1.
            shape: ``(channel, *space)`` of the images.

        Returns:
            ``(batch, channel, *space)``, float32, levels, on the sphere of the budget.

        Raises:
            BudgetError: a label is outside ``0 .. num_classes - 1``, or the vector has another length; the images are
                too small to show the blocks; the radius, spread over all pixels, is less than one level.
        """
        signs = self._block_signs(len(shape) - 1)
        if min(shape[1:]) < self.blocks_per_axis:
            self._require_distance(self._spread(signs[:-1], shape[1:]), shape)
        chosen = self._spread(self._signs_of(label.cpu(), signs), shape[1:])
        full = chosen.unsqueeze(1).expand(-1, shape[0], *shape[1:])
        value_levels = self.budget.radius_levels / self.budget.norm(full[:1]).item()
        if 0 < value_levels < 1:
            raise BudgetError(
                f"radius {self.budget.radius_levels:g} levels ({self.budget.norm_name}), spread over images of shape "
                f"{tuple(shape)}, is {value_levels:.3g} levels a pixel and would round to nothing. The smallest radius "
                f"for them is {self.budget.radius_levels / value_levels:.4g} levels."
            )
        levels = full * value_levels
        if self.shares is None or label.ndim > 1:
            return levels
        least = min(1.0, self.budget.radius_levels) / float(levels.abs().max().clamp_min(1e-12))
        share = torch.tensor(self.shares)[label.cpu().long()].clamp_min(least)
        return levels * share.reshape(-1, *[1] * (levels.ndim - 1))

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values; the seed is not among them."""
        return {
            "method": self.name,
            "num_classes": self.num_classes,
            "blocks_per_axis": self.blocks_per_axis,
            "shares": None if self.shares is None else list(self.shares),
            "budget": self.budget.describe(),
        }

    def _signs_of(self, label: Labels, signs: Tensor) -> Tensor:
        if label.ndim == 1:
            outside = label[(label < 0) | (label >= self.num_classes)]
            if len(outside):
                raise BudgetError(f"label {int(outside[0])} is outside 0..{self.num_classes - 1}.")
            return signs[label.long()]
        if label.shape[1] != self.num_classes:
            raise BudgetError(f"{label.shape[1]} label columns, but the patterns are for {self.num_classes}.")
        weights = 2 * label.float() - 1
        mixed: Tensor = torch.tensordot(weights, signs[:-1], dims=([1], [0])) + 0.5 * signs[-1]
        return mixed.sign()

    def _spread(self, blocks: Tensor, space: Sequence[int]) -> Tensor:
        """Enlarge ``(count, *blocks)`` to ``(count, *space)``."""
        for axis, size in enumerate(space, start=1):
            blocks = blocks.index_select(axis, torch.arange(size) * self.blocks_per_axis // size)
        return blocks

    def _require_distance(self, patterns: Tensor, shape: Sequence[int]) -> None:
        flat = patterns.flatten(1)
        for index in range(1, self.num_classes):
            if float((flat[:index] != flat[index]).float().mean(1).min()) < _LEAST_DISTANCE_SHARE / 2:
                raise BudgetError(
                    f"images of shape {tuple(shape)} are too small to show {self.blocks_per_axis} blocks along every "
                    f"axis: classes cannot be told apart. Lower blocks_per_axis to {min(shape[1:])} or less."
                )

    def _block_signs(self, dimensions: int) -> Tensor:
        """Return +-1 of shape (num_classes + 1, *blocks): a pattern for each class, then the tie-break."""
        blocks = self.blocks_per_axis**dimensions
        generator = torch.Generator().manual_seed(_derive_seed(self.seed, dimensions))
        patterns: list[Tensor] = []
        for _ in range(_MAX_DRAWS):
            drawn = torch.randint(0, 2, (blocks,), generator=generator) * 2.0 - 1
            distances = [float((drawn != other).float().mean()) for other in patterns]
            if all(_LEAST_DISTANCE_SHARE <= distance <= 1 - _LEAST_DISTANCE_SHARE for distance in distances):
                patterns.append(drawn)
            if len(patterns) == self.num_classes + 1:
                return torch.stack(patterns).reshape(-1, *[self.blocks_per_axis] * dimensions)
        raise BudgetError(
            f"{blocks} blocks cannot tell {self.num_classes} classes apart in {_LEAST_DISTANCE_SHARE:.0%} of the "
            f"blocks. Raise blocks_per_axis above {math.ceil(self.blocks_per_axis)}."
        )


def _derive_seed(seed: int, dimensions: int) -> int:
    """Spread a seed over 63 bits, differently for images and volumes."""
    text = f"synthetic/{dimensions}/{seed}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1
