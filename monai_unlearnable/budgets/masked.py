"""Any budget, but only where a mask is true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from monai_unlearnable.budgets.base import Budget
from monai_unlearnable.errors import BudgetError
from monai_unlearnable.types import Deltas, Images, PerSample, PerSampleFlag

__all__ = ["MaskedBudget"]


@dataclass(frozen=True, kw_only=True)
class MaskedBudget(Budget):
    """A budget of the images of one batch that leaves every voxel outside a mask as it is.

    Use :meth:`of_mask`.

    Attributes:
        budget: how large a delta may be inside.
        mask: ``(batch, 1, *space)``, bool; true where a delta may be.

    Raises:
        BudgetError: at construction, when the mask is no mask of flags with one channel.

    Example:
        >>> from monai_unlearnable.budgets import LinfBudget
        >>> mask = torch.tensor([[[[True, False]]]])
        >>> budget = MaskedBudget.of_mask(LinfBudget(radius_levels=8), mask)
        >>> budget.project(torch.tensor([[[[20.0, 20.0]]]]), torch.full((1, 1, 1, 2), 100.0)).flatten().tolist()
        [8.0, 0.0]
    """

    norm_name: ClassVar[str] = "masked"
    budget: Budget
    mask: Tensor

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mask.dtype != torch.bool or self.mask.ndim < 3 or self.mask.shape[1] != 1:
            raise BudgetError(
                f"a mask of type {self.mask.dtype} and shape {tuple(self.mask.shape)}: needed are flags of shape "
                "(batch, 1, *space)."
            )

    @classmethod
    def of_mask(cls, budget: Budget, mask: Tensor) -> MaskedBudget:
        """Return ``budget`` inside ``mask``."""
        return cls(
            radius_levels=budget.radius_levels,
            low_level=budget.low_level,
            high_level=budget.high_level,
            budget=budget,
            mask=mask,
        )

    def of_patch(self, share: float) -> MaskedBudget:
        """Give a patch its share of the radius; the mask is that of the patch already."""
        return self.of_mask(self.budget.of_patch(share), self.mask)

    def times(self, share: float | PerSample) -> MaskedBudget:
        """Return a share of the budget inside the same mask; see :meth:`Budget.times`."""
        return self.of_mask(self.budget.times(share), self.mask)

    def of_grid(self, space: tuple[int, ...], share: float) -> MaskedBudget:
        """Return the budget on a smaller grid: a voxel of it is free where any of those that become it is."""
        pool = functional.adaptive_max_pool2d if len(space) == 2 else functional.adaptive_max_pool3d
        return self.of_mask(self.budget.of_grid(space, share), pool(self.mask.float(), space) > 0)

    def norm(self, delta: Deltas) -> PerSample:
        """Return the budget's norm of each delta, outside included: what is there counts."""
        return self.budget.norm(delta)

    def fits(self, levels: Deltas) -> PerSampleFlag:
        """Say whether deltas of whole levels are inside the ball, and nothing of them outside the mask."""
        return self.budget.fits(levels) & self._is_inside(levels)

    def contains(self, delta: Deltas, image: Images, *, tolerance_levels: float = 1e-3) -> PerSampleFlag:
        """Say whether deltas keep to the budget, and nothing of them is outside the mask."""
        return self.budget.contains(delta, image, tolerance_levels=tolerance_levels) & self._is_inside(delta)

    def project_ball(self, delta: Deltas) -> Deltas:
        """Take away what is outside, then project the rest."""
        return self.budget.project_ball(self.inside(delta))

    def inside(self, values: Deltas) -> Deltas:
        """Return the values inside the mask, and 0 elsewhere."""
        # Not a product: infinity outside would become NaN.
        return values.where(self.mask.to(values.device), torch.zeros((), dtype=values.dtype, device=values.device))

    def steepest(self, gradient: Deltas) -> Deltas:
        """Steepest step of the gradient inside."""
        return self.budget.steepest(self.inside(gradient))

    def random(self, image: Images, *, generator: torch.Generator | None = None) -> Deltas:
        """Draw in the whole ball, and take away what is outside."""
        return self.inside(self.budget.random(image, generator=generator))

    def describe(self) -> dict[str, Any]:
        """Return the budget inside as JSON values; masks are the images' own."""
        return self.budget.describe() | {"masked": True}

    def _is_inside(self, values: Deltas) -> PerSampleFlag:
        return (values == self.inside(values)).flatten(1).all(1)
