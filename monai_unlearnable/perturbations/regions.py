"""Which part of an image may change: structures, their contour, the rest, the body, or what a network looks at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations.base import PerturbationBatch, SurrogateModel
from monai_unlearnable.perturbations.objectives import Objective

__all__ = ["Background", "Body", "ContourBand", "Region", "Salient", "Structures"]


class Region(ABC):
    """Chooses voxels of the images of a batch."""

    @property
    def needs_masks(self) -> bool:
        """Whether labels must be masks."""
        return False

    @abstractmethod
    def __call__(
        self, batch: PerturbationBatch, *, surrogate: SurrogateModel | None = None, objective: Objective | None = None
    ) -> Tensor:
        """Return which voxels may change: ``(batch, 1, *space)``, bool.

        Args:
            batch: images, labels and the deltas so far.
            surrogate: for regions that depend on what a network looks at.
            objective: likewise.

        Raises:
            BudgetError: the region needs masks, or a surrogate, and there are none.
        """


@dataclass(frozen=True, kw_only=True)
class Structures(Region):
    """Where a mask shows a structure, and so many voxels around it.

    Attributes:
        margin_px: width of the border that is added.

    Example:
        >>> mask = torch.tensor([[[[0, 0, 0, 1, 0, 0]]]])
        >>> batch = PerturbationBatch(torch.zeros(1, 1, 1, 6), mask, torch.zeros(1, 1, 1, 6))
        >>> Structures(margin_px=1)(batch).int().flatten().tolist()
        [0, 0, 1, 1, 1, 0]
    """

    margin_px: int = 0

    @property
    def needs_masks(self) -> bool:
        """Yes."""
        return True

    def __post_init__(self) -> None:
        _require_widths(margin_px=self.margin_px)

    def __call__(
        self, batch: PerturbationBatch, *, surrogate: SurrogateModel | None = None, objective: Objective | None = None
    ) -> Tensor:
        """Return the structures with their border."""
        return _grown(_structures(batch), self.margin_px)


@dataclass(frozen=True, kw_only=True)
class ContourBand(Region):
    """A band along the contour of every structure.

    Attributes:
        inside_px: width of the band inside the structures.
        outside_px: width outside.

    Example:
        >>> mask = torch.tensor([[[[0, 0, 1, 1, 1, 1]]]])
        >>> batch = PerturbationBatch(torch.zeros(1, 1, 1, 6), mask, torch.zeros(1, 1, 1, 6))
        >>> ContourBand(inside_px=2, outside_px=1)(batch).int().flatten().tolist()
        [0, 1, 1, 1, 0, 0]
    """

    inside_px: int = 8
    outside_px: int = 8

    @property
    def needs_masks(self) -> bool:
        """Yes."""
        return True

    def __post_init__(self) -> None:
        _require_widths(inside_px=self.inside_px, outside_px=self.outside_px)
        if not self.inside_px + self.outside_px:
            raise BudgetError("inside_px=0, outside_px=0: a band of no width has no voxel.")

    def __call__(
        self, batch: PerturbationBatch, *, surrogate: SurrogateModel | None = None, objective: Objective | None = None
    ) -> Tensor:
        """Return the band; where classes meet there is a contour, too."""
        band = torch.zeros_like(batch.label, dtype=torch.bool)
        for number in batch.label.unique().tolist():
            if number == 0:
                continue
            structure = _structures(batch) & (batch.label == number)
            core = ~_grown(~structure, self.inside_px)
            band |= _grown(structure, self.outside_px) & ~core
        return band


class Background(Region):
    """Everything but the structures, which stay as they are."""

    @property
    def needs_masks(self) -> bool:
        """Yes."""
        return True

    def __call__(
        self, batch: PerturbationBatch, *, surrogate: SurrogateModel | None = None, objective: Objective | None = None
    ) -> Tensor:
        """Return what is no structure."""
        return ~_structures(batch)


class Body(Region):
    """Where an image is brighter than its darkest level: what surrounds a scan stays even."""

    def __call__(
        self, batch: PerturbationBatch, *, surrogate: SurrogateModel | None = None, objective: Objective | None = None
    ) -> Tensor:
        """Return the voxels above the smallest level of their image (of a patch: of that)."""
        lowest = batch.image.flatten(1).amin(1).reshape(-1, *[1] * (batch.image.ndim - 1))
        return (batch.image > lowest).any(1, keepdim=True)


@dataclass(frozen=True, kw_only=True)
class Salient(Region):
    """The voxels that the surrogate's loss depends on most, chosen anew for every pass.

    (Sparsity-aware local masking, arXiv 2403.10573: the largest input gradients.)

    Attributes:
        share: share of the voxels of an image, above 0 and at most 1.
    """

    share: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise BudgetError(f"share={self.share}: above 0 and at most 1 of the voxels can be salient.")

    def __call__(
        self, batch: PerturbationBatch, *, surrogate: SurrogateModel | None = None, objective: Objective | None = None
    ) -> Tensor:
        """Return the voxels with the largest gradient, over all channels; deltas so far are part of the image."""
        if surrogate is None or objective is None:
            raise BudgetError("salient voxels are those that a surrogate looks at: give a method that has one.")
        image = (batch.image + batch.gather(batch.delta)).requires_grad_()
        (gradient,) = torch.autograd.grad(objective.loss(surrogate(image), batch.label).sum(), image)
        strength = gradient.abs().sum(1, keepdim=True).flatten(1)
        count = max(1, round(self.share * strength.shape[1]))
        chosen = torch.zeros_like(strength, dtype=torch.bool)
        return chosen.scatter(1, strength.topk(count, dim=1).indices, True).reshape(len(image), 1, *image.shape[2:])


def _structures(batch: PerturbationBatch) -> Tensor:
    if batch.label.ndim != batch.image.ndim:
        raise BudgetError(
            f"labels of shape {tuple(batch.label.shape)} are no masks: regions of structures, their contour and their "
            "background need masks."
        )
    return batch.label > 0


def _grown(flags: Tensor, width_px: int) -> Tensor:
    """Add the voxels that are at most so many away along each axis (a square, or a cube)."""
    if not width_px:
        return flags
    pool = functional.max_pool2d if flags.ndim == 4 else functional.max_pool3d
    return pool(flags.float(), 2 * width_px + 1, stride=1, padding=width_px) > 0


def _require_widths(**widths_px: int) -> None:
    for name, width in widths_px.items():
        if width < 0:
            raise BudgetError(f"{name}={width}: a width counts voxels, 0 or more.")
