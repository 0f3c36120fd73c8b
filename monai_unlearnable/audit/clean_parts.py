"""Releases of which a part is not protected."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import torch

from monai_unlearnable.audit.loading import ImageSet
from monai_unlearnable.errors import NotApplicableError

__all__ = ["CleanPart"]

_LEAST_IMAGES = 2


@dataclass(frozen=True, kw_only=True)
class CleanPart:
    """A share of a victim's training images is clean: its owner missed it, or somebody else published it.

    Attributes:
        share: of the images, drawn anew for each seed.
        alone: the victim is trained on the clean part and on nothing else, for as many more epochs as it has fewer
            images. What the protected rest adds to that is what protection did not take away.

    Raises:
        ValueError: the share is not between 0 and 1.
    """

    share: float
    alone: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"share={self.share}: a clean part is more than nothing and less than all; say 0.2.")

    def of(self, released: ImageSet, clean: ImageSet, *, seed: int) -> ImageSet:
        """Return what the victim is trained on.

        Args:
            released: protected images.
            clean: the same images, clean, in the same order.
            seed: of the draw.

        Raises:
            NotApplicableError: the two are not of the same images with the same labels, or the part has fewer than 2.
        """
        if released.images.shape != clean.images.shape:
            raise NotApplicableError(
                f"released images have shape {tuple(released.images.shape)}, their originals "
                f"{tuple(clean.images.shape)}; a clean part needs both of the same samples."
            )
        if not torch.equal(released.labels, clean.labels):
            raise NotApplicableError("released images have other labels than their originals, and so has their part.")
        random = torch.Generator().manual_seed(seed)
        count = min(len(clean) - 1, round(self.share * len(clean)))
        if count < _LEAST_IMAGES:
            raise NotApplicableError(f"{self.share:g} of {len(clean)} images are fewer than {_LEAST_IMAGES}.")
        chosen = torch.randperm(len(clean), generator=random)[:count].sort().values
        seen = clean.sha256 if self.alone else f"{released.sha256} {clean.sha256}"
        name = f"{seen} {self.share!r} {self.alone} {seed}"
        sha256 = hashlib.sha256(name.encode()).hexdigest()
        if self.alone:
            return clean.part(chosen, sha256=sha256)
        images = released.images.to(torch.promote_types(released.images.dtype, clean.images.dtype), copy=True)
        images[chosen] = clean.images[chosen].to(images)
        windows = released.windows.clone()
        windows[chosen] = clean.windows[chosen]
        return replace(released, images=images, windows=windows, sha256=sha256)

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON values."""
        return {"share": self.share, "alone": self.alone}
