"""A budget for each image of a set, where one radius means another number of levels for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from monai_unlearnable.budgets.base import Budget, LevelNumber
from monai_unlearnable.errors import BudgetError

__all__ = ["AnyBudget", "ImageBudgets", "combine_budgets"]

_NUMBERS = ("radius_levels", "low_level", "high_level")


@dataclass(frozen=True)
class ImageBudgets:
    """Budgets of one norm by sample id.

    Attributes:
        by_id: the budget of each image.

    Raises:
        BudgetError: at construction, when there is none, or their norms differ.

    Example:
        >>> from monai_unlearnable.budgets import LinfBudget
        >>> deep = LinfBudget(radius_levels=64, high_level=4095)
        >>> budgets = ImageBudgets({"a": LinfBudget(radius_levels=8), "b": deep})
        >>> budgets.of(["b", "a"]).radius_levels.tolist(), budgets.of(["a"]).radius_levels
        ([64.0, 8.0], 8)
    """

    by_id: Mapping[str, Budget]

    def __post_init__(self) -> None:
        kinds = {type(one) for one in self.by_id.values()}
        if len(kinds) != 1:
            raise BudgetError(
                f"{len(self.by_id)} budgets of {len(kinds)} norms: give at least one image, and one norm."
            )

    def of(self, sample_ids: Sequence[str], *, device: torch.device | str | None = None) -> Budget:
        """Return the budget of the images of a batch, with one number where they agree and a tensor where they differ.

        Args:
            sample_ids: the images of the batch, in order.
            device: where the tensors go.

        Raises:
            BudgetError: an image has no budget here.
        """
        missing = next((one for one in sample_ids if one not in self.by_id), None)
        if missing is not None or not sample_ids:
            raise BudgetError(
                f"there is no budget for sample {missing!r}: each image has its own, by its sample id. Give the images "
                "that the budgets were made for, with their ids."
            )
        chosen = [self.by_id[one] for one in sample_ids]
        if all(one == chosen[0] for one in chosen):
            return chosen[0]
        return type(chosen[0])(**{name: _stacked(chosen, name, device) for name in _NUMBERS})

    @property
    def norm_name(self) -> str:
        """Name of the norm."""
        return next(iter(self.by_id.values())).norm_name

    @property
    def largest_value_levels(self) -> float:
        """Largest |value| that a pixel's delta may have in any image: what a store must be able to hold."""
        return max(_number(one.largest_value_levels) for one in self.by_id.values())

    @property
    def radii_levels(self) -> tuple[float, float]:
        """Smallest and largest radius."""
        radii = [_number(one.radius_levels) for one in self.by_id.values()]
        return min(radii), max(radii)

    def require_one_radius(self) -> None:
        """Refuse radii that differ, for a delta that several images share.

        Raises:
            BudgetError: names both radii.
        """
        smallest, largest = self.radii_levels
        if smallest != largest:
            raise BudgetError(
                f"class-wise deltas are shared by images whose radius would be {smallest:g} to {largest:g} levels. "
                "Give one radius in levels, or deltas of their own (leave class_wise out)."
            )

    def describe(self) -> dict[str, Any]:
        """Return norm, and smallest and largest of each number, as JSON values."""
        spans: dict[str, Any] = {"norm": self.norm_name}
        for name in _NUMBERS:
            values = [_number(getattr(one, name)) for one in self.by_id.values()]
            spans[name] = [min(values), max(values)]
        return spans


AnyBudget: TypeAlias = Budget | ImageBudgets
"""One budget for all images, or one for each."""


def combine_budgets(by_id: Mapping[str, Budget]) -> AnyBudget:
    """Return the one budget that all images have, or a budget for each.

    Raises:
        BudgetError: there is no image, or norms differ.

    Example:
        >>> from monai_unlearnable.budgets import LinfBudget
        >>> combine_budgets({"a": LinfBudget(radius_levels=8), "b": LinfBudget(radius_levels=8)})
        LinfBudget(radius_levels=8, low_level=0.0, high_level=255.0)
    """
    budgets = ImageBudgets(by_id)
    first, *others = by_id.values()
    return first if all(one == first for one in others) else budgets


def _stacked(budgets: Sequence[Budget], name: str, device: torch.device | str | None) -> LevelNumber:
    values = [_number(getattr(one, name)) for one in budgets]
    if all(value == values[0] for value in values):
        return values[0]
    return torch.tensor(values, dtype=torch.float64, device=device)


def _number(value: LevelNumber) -> float:
    if isinstance(value, torch.Tensor):
        raise BudgetError("a budget of a batch is no budget of one image.")
    return value
