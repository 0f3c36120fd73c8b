"""Batches whose items undergo MONAI's dictionary transforms one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from monai.data.utils import list_data_collate
from monai.transforms import Compose

from monai_unlearnable.countermeasures.batch_change import BatchChange
from monai_unlearnable.types import Images, Labels

__all__ = ["ItemByItem"]

_SEEDS = 2**31


@dataclass(frozen=True, kw_only=True)
class ItemByItem(BatchChange):
    """Give every image and its label to a chain of MONAI's dictionary transforms: slower, but any transform will do.

    Attributes:
        transforms: the chain, of dictionaries with the keys ``image`` and ``label``; what it draws follows from the
            generator that it is called with.
    """

    transforms: Compose

    def __call__(
        self, images: Images, labels: Labels, *, class_count: int | None, random: torch.Generator
    ) -> tuple[Images, Labels]:
        """Return changed images and labels; see :meth:`BatchChange.__call__`."""
        self.transforms.set_random_state(seed=int(torch.randint(_SEEDS, (), generator=random)))
        pairs = zip(images.clone(), labels.clone(), strict=True)
        found = list_data_collate([self.transforms({"image": image, "label": label}) for image, label in pairs])
        changed, moved = (torch.as_tensor(found[key]).as_subclass(torch.Tensor) for key in ("image", "label"))
        return changed, moved

    def describe(self) -> dict[str, Any]:
        """Return the kind and the names of the transforms."""
        names = [type(one).__name__ for one in self.transforms.transforms]
        return {"countermeasure": type(self).__name__, "transforms": names}
