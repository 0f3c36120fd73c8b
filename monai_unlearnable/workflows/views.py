"""What a surrogate is trained on: its own views of the images, made before they are stacked to batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional
from torch.utils.data import Dataset

from monai_unlearnable.budgets import AnyBudget
from monai_unlearnable.engines.min_min import ALLOWED
from monai_unlearnable.perturbations import PerturbationBatch, resize_masks
from monai_unlearnable.perturbations import Region as Changeable
from monai_unlearnable.sources.dataset import Place, SourcePatches
from monai_unlearnable.stores import ClassKey, DeltaStore, SampleKey
from monai_unlearnable.surrogates import Surrogate
from monai_unlearnable.types import Images, Region

__all__ = ["StoredDeltas", "SurrogateViews"]

_KEPT_VALUES = 2**24


@dataclass(frozen=True)
class StoredDeltas:
    """Adds the deltas of the moment to images.

    Attributes:
        store: the deltas.
        key: which delta an image gets.
        budget: gives the range of the file that a shared delta is cut to.
    """

    store: DeltaStore
    key: SampleKey | ClassKey
    budget: AnyBudget

    def add(self, item: dict[str, Any], region: Region) -> Images:
        """Return one protected image or patch ``(1, channel, *space)``, levels."""
        (key,) = self.key([item["sample_id"]], item["label"][None])
        image = item["image"][None]
        delta = self.store.read([key], [region]).to(image)
        return self.budget.of([item["sample_id"]]).cut(image + delta)


class SurrogateViews(Dataset[dict[str, Any]]):
    """Views of images, or of patches of large ones: ``{"image", "label", "sample_id"}``, ready for the network.

    Images of different sizes have views of one size, so that they can be stacked (batch normalisation needs several),
    and only one image in its full size is in memory at a time.

    Args:
        images: by :data:`~monai_unlearnable.sources.dataset.Place`.
        surrogate: whose preprocessing makes the views.
        deltas: what is added before; None for views of the clean images.
        kept_values: so many values of clean views are kept in memory, so that later epochs need not read and resample.
        changeable: which voxels may change; the items then have ``"allowed"`` too, ``(1, *space)``: the share of each
            voxel of the view that may. None for all.
    """

    def __init__(
        self,
        images: SourcePatches,
        surrogate: Surrogate,
        deltas: StoredDeltas | None,
        *,
        changeable: Changeable | None = None,
        kept_values: int = _KEPT_VALUES,
    ) -> None:
        self.images = images
        self.surrogate = surrogate
        self.deltas = deltas
        self.changeable = changeable
        self.regions = images.regions
        self._room = kept_values if deltas is None else 0
        self._kept: dict[Place, dict[str, Any]] = {}
        self._shapes: dict[tuple[tuple[int, ...], ...], tuple[int, ...]] = {}

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, place: Place) -> dict[str, Any]:
        if place in self._kept:
            return dict(self._kept[place])
        view = self._view(place)
        values = sum(one.numel() for one in view.values() if isinstance(one, torch.Tensor))
        if values <= self._room:
            self._room -= values
            self._kept[place] = view
        return dict(view)

    def _view(self, place: Place) -> dict[str, Any]:
        index, number = place
        item = self.images[place]
        region = self.regions[index][number]
        with torch.no_grad():
            image = item["image"][None] if self.deltas is None else self.deltas.add(item, region)
            window = item["window_levels"][None] if "window_levels" in item else None
            (seen,) = self.surrogate.look(image, window, self._whole_space(index))
        allowed = {} if self.changeable is None else {ALLOWED: self._allowed(item, self.changeable, seen)}
        label = item["label"]
        if label.ndim > 1:  # a mask is seen at the size of its image
            label = resize_masks(label[None], seen.shape[1:])[0]
        return {"image": seen, "label": label, "sample_id": item["sample_id"], **allowed}

    def batch_shape(self, place: Place) -> tuple[tuple[int, ...], ...]:
        """Return the shape of a view."""
        patch, whole = self.images.batch_shape(place)
        if (patch, whole) not in self._shapes:
            blank = torch.empty(1, *patch, device="meta")
            self._shapes[patch, whole] = tuple(self.surrogate.look(blank, None, self._whole_space(place[0])).shape[1:])
        return (self._shapes[patch, whole],)

    @staticmethod
    def _allowed(item: dict[str, Any], changeable: Changeable, seen: Images) -> torch.Tensor:
        image = item["image"][None]
        flags = changeable(PerturbationBatch(image, item["label"][None], torch.zeros_like(image))).float()
        return functional.interpolate(flags, size=tuple(seen.shape[1:]), mode="area")[0]

    def _whole_space(self, index: int) -> tuple[int, ...] | None:
        if len(self.regions[index]) == 1:
            return None
        return self.images.images.source.shape(index)[1:]
