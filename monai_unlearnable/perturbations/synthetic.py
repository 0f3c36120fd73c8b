"""Synthetic deltas: a pattern for each class, without any surrogate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from monai.engines.utils import IterationEvents

from monai_unlearnable.budgets import AnyBudget, Budget, MaskedBudget
from monai_unlearnable.budgets.base import as_list, per_sample
from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations.base import Perturbation, PerturbationBatch, StepHook, SurrogateModel
from monai_unlearnable.perturbations.pattern_family import PatternFamily
from monai_unlearnable.perturbations.stripes import Stripes
from monai_unlearnable.types import Deltas, Labels, PerSample, Region

__all__ = ["MOST_COMBINED_LABELS", "Synthetic", "check_channel_signs", "combinations_of"]

MOST_COMBINED_LABELS = 4
"""Up to so many label columns, every combination of them has a pattern of its own."""


@dataclass(frozen=True, kw_only=True)
class Synthetic(Perturbation):
    """One pattern of +radius and -radius for each class.

    (Liu et al. 2023, section III; Yu et al., KDD 2022, section 4.) For class ``k`` every pixel of ``P_k`` is +1 or -1;
    patterns of two classes differ in 30 to 70 % of the pixels, so one linear threshold on ``<x, P_i - P_j>`` separates
    any two. :class:`Stripes` are learnt fastest by convolutional networks; :class:`Blocks` are the literature's;
    :class:`~monai_unlearnable.perturbations.Autoregressive` textures differ from image to image. Of a multi-label set
    with up to 4 label columns every combination of labels is a class. With more of them an image gets
    ``sign(sum_k s_k P_k + 0.5 T)`` with ``s_k = +1`` where label ``k`` is set and -1 where it is not, and a fixed
    tie-break ``T``; near-opposite patterns would cancel there, hence the 70 %. Of a mask each voxel shows the pattern
    of its own class. For L2 budgets the pattern is scaled onto the sphere.

    All channels carry the same pattern, which grey conversion does not remove; or every other channel its opposite
    (``opposed_channels``), which stands out far more, because the channels of a natural picture rise and fall together.
    Signs of one's own (``channel_signs``) lie in between: grey pictures keep a sixth of a pattern whose red, green and
    blue are (+, -, +), and three quarters where they are (+, +, -).

    A clean image carries no pattern at all, so a model trained on the release answers it with the class whose pattern
    is the faintest. ``shares`` makes one class's pattern fainter; :meth:`shares_for` picks the rarest class, which
    leaves that model below the majority class instead of at it.

    Attributes:
        budget: how large a delta may be.
        num_classes: number of classes, or of label columns.
        seed: seed of the patterns. Whoever knows it can compute the deltas: keep it.
        patterns: what the patterns look like.
        shares: the share of the radius that the pattern of each class (of each combination of labels, counted as a
            binary number whose lowest digit is the first label) uses; None for all of it.
        opposed_channels: every other channel carries the opposite of the pattern.
        channel_signs: 1 for each channel that carries the pattern, -1 for its opposite; None leaves it to
            ``opposed_channels``.

    Raises:
        BudgetError: at construction, when the patterns cannot tell so many classes apart, or a sign is none.

    Example:
        >>> from monai_unlearnable.budgets import LinfBudget
        >>> method = Synthetic(budget=LinfBudget(radius_levels=8), num_classes=2, seed=3)
        >>> pattern = method.pattern(torch.tensor([0, 1]), (1, 28, 28))
        >>> pattern.shape, pattern.unique().tolist()
        (torch.Size([2, 1, 28, 28]), [-8.0, 8.0])
    """

    name: ClassVar[str] = "synthetic"
    needs_surrogate: ClassVar[bool] = False
    budget: AnyBudget
    num_classes: int
    seed: int
    patterns: PatternFamily = field(default_factory=Stripes)
    shares: tuple[float, ...] | None = None
    opposed_channels: bool = False
    channel_signs: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.num_classes < 1:
            raise BudgetError(f"num_classes={self.num_classes}: at least 1 class or label column is needed.")
        shares = self.shares if self.shares is not None else (1.0,) * self.num_classes
        if len(shares) not in (self.num_classes, 2**self.num_classes) or not all(0 < one <= 1 for one in shares):
            raise BudgetError(
                f"shares={self.shares}: needs a share above 0, at most 1, for each of {self.num_classes} classes."
            )
        if self.channel_signs is not None and not set(self.channel_signs) <= {1, -1}:
            raise BudgetError(f"channel_signs={self.channel_signs}: needs 1 or -1 for each channel.")
        self.patterns.check(self.num_classes + 1)

    @staticmethod
    def shares_for(counts: Sequence[int], *, faint_share: float = 0.25) -> tuple[float, ...]:
        """Return shares that make the rarest class's pattern faint and leave the others full.

        Args:
            counts: number of images of each class, or of each combination of labels.
            faint_share: share of the rarest class that occurs (the last of them where several are as rare).
        """
        occurring = [index for index, count in enumerate(counts) if count]
        rarest = min(occurring, key=lambda index: (counts[index], -index), default=0)
        return tuple(faint_share if index == rarest else 1.0 for index in range(len(counts)))

    def improve(
        self,
        batch: PerturbationBatch,
        *,
        surrogate: SurrogateModel | None = None,
        on_step: StepHook | None = None,
    ) -> Deltas:
        """Return the pattern of each delta's label; the deltas so far and the surrogate are not looked at."""
        label, budget = batch.label_of_deltas(), self.budget_of(batch)
        if on_step is not None:
            on_step(IterationEvents.INNER_ITERATION_STARTED)
        pattern = self._of_batch(batch, label, budget).to(batch.image)
        if on_step is not None:
            on_step(IterationEvents.INNER_ITERATION_COMPLETED)
        return batch.project(pattern, budget)

    def _of_batch(self, batch: PerturbationBatch, label: Labels, budget: Budget) -> Deltas:
        shape = tuple(batch.image.shape[1:])
        by_image = self.patterns.differs_by_image and batch.owner is None and bool(batch.sample_ids)
        if batch.patches is None and not by_image:
            return self.pattern(label, shape, budget=budget)
        whole = shape if batch.patches is None else shape[:1] + batch.patches.whole_space
        parts = [
            self.pattern(
                label[row : row + 1],
                whole,
                budget=_row(budget, row),
                part=None if batch.patches is None else batch.patches.regions[row][1:],
                sample_id=batch.sample_ids[row] if by_image else "",
            )
            for row in range(len(label))
        ]
        return torch.cat(parts)

    def pattern(
        self,
        label: Labels,
        shape: Sequence[int],
        *,
        budget: Budget | None = None,
        part: Region | None = None,
        sample_id: str = "",
    ) -> Deltas:
        """Return the delta of each label before it meets an image.

        Args:
            label: ``(batch,)`` class indices, ``(batch, num_classes)`` of 0/1, or masks ``(batch, 1, *space)`` of the
                images' size (of the part's, with ``part``): each voxel then shows the pattern of its own class.
            shape: ``(channel, *space)`` of the images.
            budget: of the images; needed where each has its own. With ``part`` that of the part.
            part: return this part of the delta only, one slice for each axis of space.
            sample_id: of the image, for patterns that differ from image to image.

        Returns:
            ``(batch, channel, *space)``, or that part of it, float32, levels, on the sphere of the budget.

        Raises:
            BudgetError: a label is outside ``0 .. num_classes - 1``, or the vector has another length; the images are
                too small to show the patterns; the radius, spread over all pixels, is less than one level; there are
                more or fewer channels than signs of them.
        """
        index, count = self._index_of(label.cpu())
        if self.shares is not None and index is None:
            raise BudgetError(
                f"shares are for classes, or combinations of up to {MOST_COMBINED_LABELS} labels; there are "
                f"{self.num_classes} label columns, whose patterns are summed. Leave shares out."
            )
        if self.shares is not None and len(self.shares) != count:
            raise BudgetError(f"{len(self.shares)} shares, but there are {count} patterns.")
        signs = self.patterns.signs(count, shape[1:], seed=self.seed, part=part, sample_id=sample_id)
        chosen = self._sums_of(label.cpu(), signs) if index is None else _choose(signs, index)
        full = chosen.unsqueeze(1) * self._channel_signs(shape[0], like=chosen)
        budget = self.budget.of(()) if budget is None else budget
        value_levels = _value_levels(budget, full)
        levels = full * per_sample(value_levels, full)
        return levels if index is None else levels * self._faint(index, levels, budget)

    def _channel_signs(self, channels: int, *, like: torch.Tensor) -> torch.Tensor:
        signs = torch.ones(channels)
        if self.channel_signs is not None:
            check_channel_signs(self.channel_signs, channels)
            signs = torch.tensor(self.channel_signs, dtype=torch.float32)
        elif self.opposed_channels:
            signs[1::2] = -1
        return signs.reshape(1, channels, *[1] * (like.ndim - 1))

    def _faint(self, index: torch.Tensor, levels: Deltas, budget: Budget) -> torch.Tensor:
        """Return the share of the radius that each image, or each voxel, uses; it broadcasts over the deltas."""
        if self.shares is None:
            return torch.ones(())
        # No share is so faint that it would round to nothing.
        faintest = torch.tensor([min(1.0, one) for one in as_list(budget.radius_levels)], dtype=torch.float64)
        largest = levels.flatten(1).abs().amax(1)
        least = (faintest / largest.clamp_min(1e-12).double()).float()
        share = torch.tensor(self.shares)[index]
        shape = (len(index), 1, *index.shape[1:]) if index.ndim > 1 else (len(index), *[1] * (levels.ndim - 1))
        return torch.maximum(share.reshape(shape), least.reshape(-1, *[1] * (levels.ndim - 1)))

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values; the seed is not among them."""
        return {
            "method": self.name,
            "num_classes": self.num_classes,
            "patterns": self.patterns.describe(),
            "shares": None if self.shares is None else list(self.shares),
            "opposed_channels": self.opposed_channels,
            **({} if self.channel_signs is None else {"channel_signs": list(self.channel_signs)}),
            "budget": self.budget.describe(),
        }

    def _index_of(self, label: Labels) -> tuple[torch.Tensor | None, int]:
        """Return the pattern of each label, and how many there are; None where those of its columns are summed."""
        if label.ndim != 2:
            outside = label[(label < 0) | (label >= self.num_classes)]
            if len(outside):
                raise BudgetError(f"label {int(outside[0])} is outside 0..{self.num_classes - 1}.")
            return (label if label.ndim == 1 else label[:, 0]).long(), self.num_classes
        if label.shape[1] != self.num_classes:
            raise BudgetError(f"{label.shape[1]} label columns, but the patterns are for {self.num_classes}.")
        if self.num_classes <= MOST_COMBINED_LABELS:
            return combinations_of(label), 2**self.num_classes
        return None, self.num_classes + 1  # the last one breaks ties

    @staticmethod
    def _sums_of(label: Labels, signs: torch.Tensor) -> torch.Tensor:
        mixed: torch.Tensor = torch.tensordot(2 * label.float() - 1, signs[:-1], dims=([1], [0])) + 0.5 * signs[-1]
        return mixed.sign()


def _choose(signs: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Return the pattern of each image; of masks ``(batch, *space)`` for each voxel that of its class."""
    if index.ndim == 1:
        return signs[index]
    chosen = torch.zeros(index.shape, dtype=signs.dtype)
    for number, pattern in enumerate(signs):
        chosen = torch.where(index == number, pattern, chosen)
    return chosen


def _value_levels(budget: Budget, pattern: Deltas) -> PerSample:
    """Return how many levels a pixel of a pattern gets, so that what may be there of it is on the sphere."""
    inside, where, ball = pattern[:1], f"images of shape {tuple(pattern.shape[1:])}", budget
    if isinstance(budget, MaskedBudget):
        inside, where, ball = budget.inside(pattern), "an image's region", budget.budget
    lengths = ball.norm(inside).double().clamp_min(1.0)  # of a pixel, where there may be none
    radii, lengths = torch.broadcast_tensors(torch.tensor(as_list(budget.radius_levels), dtype=torch.float64), lengths)
    faint = (radii > 0) & (radii < lengths)
    if bool(faint.any()):
        radius, length = max(zip(radii[faint].tolist(), lengths[faint].tolist(), strict=True), key=lambda one: one[1])
        raise BudgetError(
            f"radius {radius:g} levels ({ball.norm_name}), spread over {where}, is {radius / length:.3g} levels a "
            f"pixel and would round to nothing. The smallest radius for them is {length:.4g} levels."
        )
    values: PerSample = radii / lengths
    return values


def _row(budget: Budget, row: int) -> Budget:
    """Return the budget of one image of a batch."""
    if isinstance(budget, MaskedBudget):
        return MaskedBudget.of_mask(_row(budget.budget, row), budget.mask[row : row + 1])
    numbers = {name: getattr(budget, name) for name in ("radius_levels", "low_level", "high_level")}
    return replace(budget, **{name: float(one[row]) for name, one in numbers.items() if isinstance(one, torch.Tensor)})


def check_channel_signs(signs: Sequence[int], channels: int) -> None:
    """Refuse signs of more or fewer channels than there are.

    Raises:
        BudgetError: names both numbers.
    """
    if len(signs) != channels:
        raise BudgetError(
            f"channel_signs={tuple(signs)}: {len(signs)} signs, but images have {channels} channels. Give one for each."
        )


def combinations_of(label: Labels) -> torch.Tensor:
    """Count each combination of labels ``(batch, columns)`` of 0/1 as a binary number, int64.

    Example:
        >>> combinations_of(torch.tensor([[0, 0, 0], [1, 0, 0], [0, 1, 1]]))
        tensor([0, 1, 6])
    """
    # Not a product of matrices: GPUs have none for integers.
    return ((label > 0.5).long() * 2 ** torch.arange(label.shape[1], device=label.device)).sum(1)
