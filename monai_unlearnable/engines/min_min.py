"""A generator of deltas and the surrogates that it is trained with, as one network for a stock trainer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from monai.engines.utils import PrepareBatch
from torch import Tensor, nn
from torch.nn import functional

from monai_unlearnable.engines.prepare import unpack
from monai_unlearnable.perturbations.generator import enlarge, half_grid, on_sphere, shares_of_radius
from monai_unlearnable.surrogates import Surrogate
from monai_unlearnable.types import Images, Labels, Logits, PerSample

__all__ = ["ALLOWED", "GeneratorWithSurrogates", "PrepareGeneratorViews", "ViewLimits"]

ALLOWED = "allowed"
"""Key of a batch for the share of each voxel of a view that may change."""


@dataclass(frozen=True)
class ViewLimits:
    """How large deltas may be in views of images, for each image of a batch.

    Attributes:
        radius_levels: what a share of 1 is, in levels of the file; of an L2 radius what it leaves to each voxel.
        level: what one level of the file is in a view.
        low: smallest value of the file, as seen in a view.
        high: largest.
    """

    radius_levels: PerSample
    level: PerSample
    low: PerSample
    high: PerSample

    def like(self, view: Images) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the four, shaped so that they broadcast over views, on their device."""
        shape = (-1, *[1] * (view.ndim - 1))
        radius, level, low, high = (
            one.to(view).reshape(shape) for one in (self.radius_levels, self.level, self.low, self.high)
        )
        return radius, level, low, high


class PrepareGeneratorViews(PrepareBatch):
    """For MONAI's trainers of a :class:`GeneratorWithSurrogates`: views, labels, and the views' limits.

    Args:
        limits: returns those of the images with these sample ids.
    """

    def __init__(self, limits: Callable[[Sequence[str]], ViewLimits]) -> None:
        self.limits = limits

    def __call__(
        self,
        batchdata: Any,
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Return view and label of a batch dictionary, no arguments, and what the network takes by name."""
        batch = unpack(batchdata, device, non_blocking)
        named = {"label": batch.label, "limits": self.limits(batch.sample_ids)}
        if ALLOWED in batchdata:
            named[ALLOWED] = batchdata[ALLOWED].to(device, non_blocking=non_blocking)
        return batch.image, batch.label, (), named


class GeneratorWithSurrogates(nn.Module):
    """Shows views with generated deltas to surrogates: one loss, which both sides lower (min-min).

    Deltas are what a release will carry, as nearly as a gradient allows: on half the grid of resampled views, rounded
    to whole levels (straight through), cut to the range of the file. Then image and delta are flipped and shifted
    together, so that a pattern is found that augmented training learns, too; the logits of every voxel are moved back.

    The surrogates take turns, one in each step. They have different ages, because
    :class:`~monai_unlearnable.engines.RenewSurrogates` starts each anew after a while: what a surrogate has learnt
    over all the time that it has known the generator says little about a network that sees the release for the first
    time. The generator does not follow one that is too young: it has hardly learnt the patterns, and would lead the
    generator away from them.

    Args:
        generator: from views and label planes to shares of the radius, with the preprocessing that makes the views.
        surrogates: each from views to logits; no preprocessing.
        num_classes: number of classes or of label columns.
        on_half_grid: whether views are resampled, so that deltas lie on half their grid.
        l2: whether the budget is an L2 ball, on whose sphere deltas are put.
        seed: of flips and shifts, together with the number of the step.
        flip: flip along each axis half the time.
        shift_share: shift by up to this share of each axis; what leaves on one side comes in on the other.
        life_steps: a surrogate starts anew after so many of its own steps.
        young_share: for that share of its life the generator does not follow it.
    """

    steps: Tensor

    def __init__(
        self,
        generator: Surrogate,
        surrogates: Sequence[Surrogate],
        *,
        num_classes: int,
        on_half_grid: bool,
        l2: bool = False,
        seed: int = 0,
        flip: bool = True,
        shift_share: float = 0.125,
        life_steps: int = 300,
        young_share: float = 0.0,
    ) -> None:
        super().__init__()
        if not surrogates or not 0 <= shift_share < 1:
            raise ValueError(
                f"{len(surrogates)} surrogates, shift_share={shift_share}: at least 1, and from 0 below 1."
            )
        self.generator, self.surrogates = generator, nn.ModuleList(surrogates)
        self.num_classes, self.on_half_grid, self.l2 = num_classes, on_half_grid, l2
        if life_steps < 1 or not 0 <= young_share < 1:
            raise ValueError(
                f"life_steps={life_steps}, young_share={young_share}: a surrogate is trained for at least 1 step, and "
                "young from 0 below 1 of them."
            )
        self.seed, self.flip, self.shift_share = seed, flip, shift_share
        self.life_steps, self.young_steps = life_steps, int(young_share * life_steps)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @property
    def turn(self) -> int:
        """Which surrogate sees the next step."""
        return int(self.steps) % len(self.surrogates)

    @property
    def age(self) -> int:
        """Own steps of the surrogate whose turn it is, all its lives together; they begin at different ages."""
        count = len(self.surrogates)
        return int(self.steps) // count + self.turn * self.life_steps // count

    def forward(self, view: Images, *, label: Labels, limits: ViewLimits, allowed: Tensor | None = None) -> Logits:
        """Return the logits of the surrogate whose turn it is, and count the step.

        Args:
            view: clean images ``(batch, channel, *space)`` as networks see them.
            label: of each; masks have the views' size.
            limits: of each.
            allowed: share of each voxel that may change, ``(batch, 1, *space)``; None for all of it.
        """
        step, turn = int(self.steps), self.turn
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.age % self.life_steps >= self.young_steps):
            protected = self.protect(view, label, limits, allowed)
        flips, shifts = self._draw(tuple(view.shape[2:]), step)
        axes = list(range(2, view.ndim))
        logits: Tensor = self.surrogates[turn](protected.flip(flips).roll(shifts, axes), preprocessed=True)
        if self.training:
            self.steps += 1
        return logits if logits.ndim == 2 else logits.roll([-one for one in shifts], axes).flip(flips)

    def protect(self, view: Images, label: Labels, limits: ViewLimits, allowed: Tensor | None = None) -> Images:
        """Return views with their deltas; the gradient reaches the generator."""
        space = tuple(view.shape[2:])
        grid = half_grid(space) if self.on_half_grid else space
        shares = shares_of_radius(self.generator.network, view, label, num_classes=self.num_classes, grid=grid)
        if allowed is not None and self.l2:  # the sphere is that of what may change
            shares = shares * functional.interpolate(allowed, size=grid, mode="area")
        radius, level, low, high = limits.like(view)
        levels = radius * (on_sphere(shares) if self.l2 else shares)
        levels = levels + (levels.round() - levels).detach()
        delta = level * enlarge(levels, space)
        return (view + (delta if allowed is None else delta * allowed)).clamp(low, high)

    def _draw(self, space: Sequence[int], step: int) -> tuple[list[int], list[int]]:
        """Return the axes that are flipped in a step, and how far each axis of space is shifted."""
        random = torch.Generator().manual_seed((self.seed * 1_000_003 + step) % 2**63)
        chosen, far = torch.rand(2, len(space), generator=random).tolist()
        flips = [axis for axis, one in enumerate(chosen, start=2) if self.flip and one < 0.5]
        shifts = [round((2 * one - 1) * self.shift_share * size) for one, size in zip(far, space, strict=True)]
        return flips, shifts
