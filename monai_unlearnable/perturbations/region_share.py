"""A region of which no more than a share of the image is taken."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from monai.transforms.utils import distance_transform_edt
from torch import Tensor
from torch.nn.functional import pad

from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations.base import PerturbationBatch, SurrogateModel
from monai_unlearnable.perturbations.objectives import Objective
from monai_unlearnable.perturbations.regions import Region

__all__ = ["AtMost"]


@dataclass(frozen=True, kw_only=True)
class AtMost(Region):
    """A region where it is small; where it is larger than a share of the image, what of it is nearest to its contour.

    Attributes:
        region: the region.
        share: share of the voxels of an image (of a patch: of that), above 0 and at most 1.

    Example:
        >>> from monai_unlearnable.perturbations import Structures
        >>> mask = torch.tensor([[[[0, 1, 1, 1, 1, 0]]]])
        >>> batch = PerturbationBatch(torch.zeros(1, 1, 1, 6), mask, torch.zeros(1, 1, 1, 6))
        >>> AtMost(region=Structures(), share=0.5)(batch).int().flatten().tolist()
        [0, 1, 1, 1, 0, 0]
    """

    region: Region
    share: float = 0.25

    @property
    def needs_masks(self) -> bool:
        """Whether the region does."""
        return self.region.needs_masks

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise BudgetError(f"share={self.share}: above 0 and at most 1 of the voxels can be in a region.")

    def __call__(
        self, batch: PerturbationBatch, *, surrogate: SurrogateModel | None = None, objective: Objective | None = None
    ) -> Tensor:
        """Return the region, or its voxels with the shortest way out of it; the border of the image is one, too."""
        flags = self.region(batch, surrogate=surrogate, objective=objective)
        return torch.stack([self._nearest(one) for one in flags])

    def _nearest(self, flags: Tensor) -> Tensor:
        most = math.floor(self.share * flags.numel())
        if int(flags.sum()) <= most:
            return flags
        inside = pad(flags.float(), (1, 1) * (flags.ndim - 1))
        core = (slice(None), *[slice(1, -1)] * (flags.ndim - 1))
        distance = torch.as_tensor(distance_transform_edt(inside))[core].to(flags.device)
        distance = distance.where(flags, distance.new_tensor(math.inf)).flatten()
        chosen = torch.zeros_like(flags).flatten()
        chosen[distance.argsort(stable=True)[:most]] = True
        return chosen.reshape(flags.shape)
