"""Batches whose items undergo MONAI's dictionary transforms one by one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from monai.data.utils import list_data_collate
from monai.transforms import Compose, Transform
from numpy.random import RandomState

from monai_unlearnable.callables import describe_callable
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
    _settings: list[dict[str, Any]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Here, because random transforms keep what they drew last.
        object.__setattr__(self, "_settings", [_described(one) for one in self.transforms.transforms])

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
        """Return the kind, and the transforms with their settings."""
        return {"countermeasure": type(self).__name__, "transforms": self._settings}


def _described(value: Any) -> Any:
    """Return a transform's settings as JSON values; of what is none, its text."""
    if isinstance(value, Transform):
        settings = {name: _described(one) for name, one in vars(value).items() if not isinstance(one, RandomState)}
        return {"transform": type(value).__name__, **settings}
    if isinstance(value, Mapping):
        return {str(name): _described(one) for name, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_described(one) for one in value]
    if isinstance(value, np.ndarray | torch.Tensor):
        return np.asarray(value).tolist()
    if value is None or isinstance(value, str | int | float):
        return value
    return describe_callable(value) if callable(value) else re.sub(r" at 0x[0-9a-f]+", "", repr(value))
