"""What every perturbation offers: which delta?"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch
from monai.engines.utils import IterationEvents
from torch import Tensor

from monai_unlearnable.budgets import AnyBudget, Budget
from monai_unlearnable.types import Deltas, Images, Labels, Region, Windows

__all__ = ["Patches", "Perturbation", "PerturbationBatch", "StepHook", "SurrogateModel"]

SurrogateModel = Callable[..., Tensor]
"""Maps images in levels to logits, differentiably, with its weights frozen (a :class:`Surrogate`)."""


StepHook = Callable[[IterationEvents], None]
"""Is told when an inner step starts and when it is completed (an engine's ``fire_event`` is one)."""


@dataclass(frozen=True, kw_only=True)
class Patches:
    """Where the patches of a batch lie in their images.

    Attributes:
        regions: of each patch, channel first; patches of one image do not overlap.
        whole_space: size of the images.
    """

    regions: tuple[Region, ...]
    whole_space: tuple[int, ...]

    @property
    def share(self) -> float:
        """Share of an image's voxels that is in a patch."""
        sizes = (int(one.stop - one.start) for one in self.regions[0][1:])
        return math.prod(sizes) / math.prod(self.whole_space)


@dataclass(frozen=True)
class PerturbationBatch:
    """The images of one iteration, and which delta belongs to which.

    Attributes:
        image: ``(batch, channel, *space)``, float32, whole levels.
        label: ``(batch,)`` int64 class indices, or ``(batch, classes)`` float 0/1.
        delta: ``(deltas, channel, *space)``, float32, levels: the deltas to improve.
        owner: ``(batch,)`` int64, the row of ``delta`` that each image gets; None when every image has its own row.
        sample_ids: one id for each image, for messages.
        patches: where each image lies in a larger one; None where they are whole.
        window_levels: ``(batch, 2)``, the window that networks look at each image through; None where one is for all.
    """

    image: Images
    label: Labels
    delta: Deltas
    owner: Tensor | None = None
    sample_ids: tuple[str, ...] = ()
    patches: Patches | None = None
    window_levels: Windows | None = None

    def gather(self, delta: Deltas) -> Deltas:
        """Return the delta of each image."""
        return delta if self.owner is None else delta[self.owner]

    def label_of_deltas(self) -> Labels:
        """Return the label of each delta: of one that images share, that of the first of them."""
        if self.owner is None:
            return self.label
        first = torch.full((len(self.delta),), len(self.label), device=self.owner.device)
        order = torch.arange(len(self.label), device=self.owner.device)
        return self.label[first.scatter_reduce(0, self.owner, order, reduce="amin")]

    def sum_by_delta(self, values: Tensor) -> Tensor:
        """Add up one value for each image over the images that share a delta."""
        if self.owner is None:
            return values
        return torch.zeros(len(self.delta), device=values.device, dtype=values.dtype).index_add(0, self.owner, values)

    def project(self, delta: Deltas, budget: Budget) -> Deltas:
        """Project deltas; a shared one knows no single image, so only the ball binds it."""
        return budget.project(delta, self.image) if self.owner is None else budget.project_ball(delta)

    def apply(self, delta: Deltas, budget: Budget) -> Images:
        """Return the protected images: a shared delta is cut to the range of each image's file."""
        if self.owner is None:
            return self.image + delta
        return budget.cut(self.image + self.gather(delta))


class Perturbation(ABC):
    """A method that computes deltas inside a budget.

    Attributes:
        name: the method's name in options, headers and reports.
        needs_surrogate: whether :meth:`improve` must be given a surrogate.
        budget: how large a delta may be, of all images or of each.
    """

    name: ClassVar[str]
    needs_surrogate: ClassVar[bool]
    budget: AnyBudget

    def budget_of(self, batch: PerturbationBatch) -> Budget:
        """Return the budget of the images of a batch.

        Raises:
            BudgetError: each image has its own, and one of the batch has none.
        """
        budget = self.budget.of(batch.sample_ids, device=batch.image.device)
        return budget if batch.patches is None else budget.of_patch(batch.patches.share)

    def with_budget(self, budget: AnyBudget) -> Self:
        """Return the method with another budget."""
        return replace(self, budget=budget)  # type: ignore[type-var]  # every method is a frozen dataclass

    @abstractmethod
    def improve(
        self,
        batch: PerturbationBatch,
        *,
        surrogate: SurrogateModel | None = None,
        on_step: StepHook | None = None,
    ) -> Deltas:
        """Return better deltas for one batch.

        Args:
            batch: images, labels and the deltas so far.
            surrogate: maps images in levels to logits; its weights are not changed.
            on_step: called with INNER_ITERATION_STARTED before and INNER_ITERATION_COMPLETED after every inner step.

        Returns:
            ``(deltas, channel, *space)`` like ``batch.delta``, float32, levels, inside the budget.

        Raises:
            DivergedError: a loss is NaN or infinite; names the sample.
        """

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return the method and its settings as JSON values."""
