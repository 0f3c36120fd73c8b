"""Readers who stop training when their network is best on clean images that they have."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from monai_unlearnable.audit.loading import ImageSet
from monai_unlearnable.errors import NotApplicableError
from monai_unlearnable.sources.base import Task

__all__ = ["StoppedEarly"]

_LEAST_IMAGES = 2


@dataclass(frozen=True, kw_only=True)
class StoppedEarly:
    """The victim has a share of the images clean, with labels: its network is that of the epoch that is best on them.

    The victim is not trained on them, in whatever form, so that what it knows of them is no memory. Victims are tested
    on other images still: the epoch is chosen without looking at these.

    Attributes:
        share: of the images, drawn anew for each seed.

    Raises:
        ValueError: the share is not between 0 and 1.
    """

    share: float

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"share={self.share}: a part to stop by is more than nothing and less than all; say 0.1.")

    def split(self, trained: ImageSet, clean: ImageSet, *, seed: int) -> tuple[ImageSet, ImageSet]:
        """Return what the victim is trained on, and the clean images that tell it when to stop.

        Args:
            trained: what it would be trained on without stopping.
            clean: the same images, clean, in the same order.
            seed: of the draw.

        Raises:
            NotApplicableError: the two are not of the same images, one part has fewer than 2, or there is nothing to
                score the clean part by.
        """
        if len(trained) != len(clean):
            raise NotApplicableError(
                f"{len(trained)} images to train on, {len(clean)} originals; stopping early needs both of the "
                "same samples."
            )
        order = torch.randperm(len(clean), generator=torch.Generator().manual_seed(seed))
        count = len(clean) - round(self.share * len(clean))
        rest, stop_by = order[:count].sort().values, order[count:].sort().values
        if min(len(stop_by), len(rest)) < _LEAST_IMAGES:
            raise NotApplicableError(
                f"{self.share:g} of {len(clean)} images leave fewer than {_LEAST_IMAGES} to stop by or to train on."
            )
        validation = self._part(clean, stop_by, seed=seed)
        if validation.task is Task.MULTI_LABEL and not _differ(validation.labels):
            raise NotApplicableError(f"{self.share:g} of {len(clean)} images hold no label both set and not set.")
        return self._part(trained, rest, seed=seed), validation

    def _part(self, images: ImageSet, chosen: Tensor, *, seed: int) -> ImageSet:
        name = f"{images.sha256} {len(chosen)} to stop early {self.share!r} {seed}"
        return images.part(chosen, sha256=hashlib.sha256(name.encode()).hexdigest())

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return {"share": self.share}


def _differ(labels: Tensor) -> bool:
    return bool((labels.amin(0) < labels.amax(0)).any())
