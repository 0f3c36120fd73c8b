"""From a MONAI batch to plain tensors in levels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from monai.data import MetaTensor
from monai.engines.utils import PrepareBatch
from monai.utils.enums import CommonKeys
from torch import Tensor

from monai_unlearnable.budgets import AnyBudget
from monai_unlearnable.engines.patches import patches_of
from monai_unlearnable.errors import SourceError, StoreError
from monai_unlearnable.perturbations import Patches
from monai_unlearnable.stores import DeltaStore
from monai_unlearnable.types import Deltas, Images, Labels, Region, Windows

__all__ = ["PrepareClean", "PrepareProtected", "ProtectionBatch", "read_deltas", "unpack"]

SAMPLE_ID = "sample_id"
WINDOW = "window_levels"
KeyFunction = Callable[[Sequence[str], Labels], list[str]]


@dataclass(frozen=True)
class ProtectionBatch:
    """One batch as the engine works on it.

    Attributes:
        image: ``(batch, channel, *space)``, float32, levels, without meta data.
        label: ``(batch,)`` int64, ``(batch, classes)`` float32, or masks ``(batch, 1, *space)`` int64.
        sample_ids: one id for each image.
        window_levels: ``(batch, 2)``, the window that a surrogate looks at each image through; None where the
            surrogate's preprocessing has one for all.
        patches: where each image lies in a larger one; None where they are whole.
    """

    image: Images
    label: Labels
    sample_ids: list[str]
    window_levels: Windows | None = None
    patches: Patches | None = None

    @property
    def network_arguments(self) -> dict[str, Any]:
        """What a surrogate is called with besides the images."""
        arguments: dict[str, Any] = {} if self.window_levels is None else {WINDOW: self.window_levels}
        return arguments if self.patches is None else {**arguments, "whole_space": self.patches.whole_space}

    @property
    def names(self) -> list[tuple[str, ...]]:
        """What there is one of in a pass over the data: images, or patches of them."""
        if self.patches is None:
            return [(one,) for one in self.sample_ids]
        return [(one, str(region)) for one, region in zip(self.sample_ids, self.patches.regions, strict=True)]

    @property
    def regions(self) -> tuple[Region, ...] | None:
        """Which part of its delta each patch has; None for whole images."""
        return None if self.patches is None else self.patches.regions


def unpack(batchdata: Any, device: torch.device | str | None = None, non_blocking: bool = False) -> ProtectionBatch:
    """Read image, label and sample id from a batch dictionary, and the images' own windows where it has them.

    Raises:
        SourceError: a key is missing, or their lengths differ; the message names it.
    """
    missing = [key for key in (CommonKeys.IMAGE, CommonKeys.LABEL, SAMPLE_ID) if key not in batchdata]
    if missing:
        raise SourceError(
            f"the batch has no {str(missing[0])!r} (it has {sorted(map(str, batchdata))}). A delta belongs to a sample "
            "by its 'sample_id', a stable string; add it to every data dictionary."
        )
    image, label = _plain(batchdata[CommonKeys.IMAGE]), _plain(torch.as_tensor(batchdata[CommonKeys.LABEL]))
    sample_ids = batchdata[SAMPLE_ID]
    sample_ids = [sample_ids] if isinstance(sample_ids, str) else [str(one) for one in sample_ids]
    if not len(image) == len(label) == len(sample_ids):
        raise SourceError(f"{len(image)} images, {len(label)} labels and {len(sample_ids)} sample ids in one batch.")
    label = _label(label, image, sample_ids)
    batch = ProtectionBatch(
        image.to(device, torch.float32, non_blocking=non_blocking),
        label.to(device, non_blocking=non_blocking),
        sample_ids,
        _windows(batchdata, len(image), device, non_blocking),
        patches_of(batchdata, tuple(image.shape)),
    )
    repeated = next((one for i, one in enumerate(batch.names) if one in batch.names[:i]), None)
    if repeated is not None:
        raise SourceError(f"sample id {repeated[0]!r} occurs twice in a batch: ids must be unique in a data set.")
    return batch


def _label(label: Labels, image: Images, sample_ids: Sequence[str]) -> Labels:
    """Return class indices as int64, several labels as float32, and masks as int64 of the images' size."""
    if label.ndim == 2 and label.shape[1] == 1:
        label = label[:, 0]
    if label.ndim > 2 and label.shape != (len(image), 1, *image.shape[2:]):
        raise SourceError(
            f"sample {sample_ids[0]!r}: its batch has masks of shape {tuple(label.shape)}, images of "
            f"{tuple(image.shape)}. A mask has one channel, of class indices, and the size of its image."
        )
    return label.float() if label.ndim == 2 else label.long()


def _windows(batchdata: Any, count: int, device: torch.device | str | None, non_blocking: bool) -> Windows | None:
    if WINDOW not in batchdata:
        return None
    windows = _plain(torch.as_tensor(batchdata[WINDOW]))
    if windows.shape != (count, 2) or not bool((windows[:, 0] < windows[:, 1]).all()):
        raise SourceError(
            f"the batch's {WINDOW!r} of shape {tuple(windows.shape)} must be (low, high) for each of {count} images."
        )
    return windows.to(device, torch.float32, non_blocking=non_blocking)


def read_deltas(store: DeltaStore, keys: Sequence[str], batch: ProtectionBatch) -> Deltas:
    """Read deltas in float32 on the images' device, after checking that they are for images of this shape.

    Raises:
        KeyError: the store has no such key.
        StoreError: a delta has another shape than its image; broadcasting would hide that.
    """
    space = batch.image.shape[2:] if batch.patches is None else batch.patches.whole_space
    shape = (batch.image.shape[1], *space)
    wrong = next((key for key in keys if store.shape(key) != shape), None)
    if wrong is not None:
        raise StoreError(
            f"sample {batch.sample_ids[0]!r}: its batch has images of shape {shape}, the store holds "
            f"{store.shape(wrong)} for {wrong!r}. Give the images that the store was made for."
        )
    return store.read(keys, batch.regions).to(batch.image)


class PrepareClean(PrepareBatch):
    """For MONAI's trainers: clean images in levels, labels, and what a surrogate needs besides the images."""

    def __call__(
        self,
        batchdata: Any,
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Return image and label of a batch dictionary; with windows also no arguments and ``window_levels``."""
        batch = unpack(batchdata, device, non_blocking)
        return _for_trainer(batch, batch.image)


class PrepareProtected(PrepareBatch):
    """For MONAI's trainers: images with the deltas that a store holds at this moment.

    Args:
        store: the deltas.
        key: which delta an image gets (:class:`SampleKey` or :class:`ClassKey`).
        budget: gives the range of the file that a shared delta is cut to, of all images or of each.
    """

    def __init__(self, store: DeltaStore, key: KeyFunction, budget: AnyBudget) -> None:
        self.store = store
        self.key = key
        self.budget = budget

    def __call__(
        self,
        batchdata: Any,
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Return protected image and label of a batch dictionary; with windows also those, see PrepareClean."""
        batch = unpack(batchdata, device, non_blocking)
        delta = read_deltas(self.store, self.key(batch.sample_ids, batch.label), batch)
        budget = self.budget.of(batch.sample_ids, device=batch.image.device)
        return _for_trainer(batch, budget.cut(batch.image + delta))


class PrepareViews(PrepareBatch):
    """For MONAI's trainers of a surrogate: views that its preprocessing has made already, and labels."""

    def __call__(
        self,
        batchdata: Any,
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Return view and label of a batch dictionary, no arguments and ``preprocessed``."""
        batch = unpack(batchdata, device, non_blocking)
        return batch.image, batch.label, (), {"preprocessed": True}


def _for_trainer(batch: ProtectionBatch, image: Images) -> tuple[Any, ...]:
    # MONAI hands what follows image and label to the network: positional and keyword arguments.
    arguments = batch.network_arguments
    return (image, batch.label, (), arguments) if arguments else (image, batch.label)


def _plain(tensor: Tensor) -> Tensor:
    return tensor.as_tensor() if isinstance(tensor, MetaTensor) else tensor
