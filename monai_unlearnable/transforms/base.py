"""What the transforms share: add a delta to an image, record it, take it off again."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from monai.config import KeysCollection
from monai.data.meta_obj import get_track_meta
from monai.data.meta_tensor import MetaTensor
from monai.transforms import InvertibleTransform, MapTransform
from monai.utils.enums import TraceKeys, TransformBackends
from monai.utils.type_conversion import convert_to_tensor
from torch import Tensor

from monai_unlearnable.errors import SourceError
from monai_unlearnable.transforms.levels import AppliedLevels, ImageUnit
from monai_unlearnable.types import Labels

__all__ = ["DeltaTransform", "DeltaTransformd", "KeyFunction"]

KeyFunction: TypeAlias = Callable[[Sequence[str], Labels], list[str]]
"""Maps sample ids and labels to keys of a store, as :class:`SampleKey` and :class:`ClassKey` do."""

_LEVELS = "levels"


class DeltaTransform(InvertibleTransform):
    """Adds a delta in whole levels to one image in its own unit; the inverse takes it off.

    A subclass says which delta an image gets; everything else is here. Like MONAI's intensity transforms the
    result is a MetaTensor, or a plain tensor under ``set_track_meta(False)``; meta data and dtype are kept.

    Args:
        unit: the image's unit.
        keep_delta: record the delta in the image's trace, so that ``inverse`` takes it off: one or two bytes for
            each pixel. With False ``inverse`` leaves the values as they are, which is right when ``Invertd`` inverts
            a *prediction*, and for tensors that leave the house together with their trace.
    """

    backend = [TransformBackends.TORCH]  # noqa: RUF012 (MONAI declares it for instances)

    def __init__(self, *, unit: ImageUnit, keep_delta: bool = True) -> None:
        self.unit = unit
        self.keep_delta = keep_delta

    def inverse(self, data: Tensor) -> Tensor:
        """Take off the delta that the trace of ``data`` holds.

        Raises:
            StoreError: ``data`` has another shape than the delta.
        """
        entry = self.pop_transform(data)[TraceKeys.EXTRA_INFO].get(_LEVELS)
        if entry is None:
            return data
        levels = AppliedLevels.from_trace(entry).unpack()
        return _with_meta(self.unit.subtract(_plain(data), levels, name="inverse"), data)

    def _protect(self, img: Any, delta_of: Callable[[Tensor], Tensor], name: str) -> Tensor:
        """Add ``delta_of(image)``, whole levels of the image's shape, and record it."""
        image: Tensor = convert_to_tensor(img, track_meta=get_track_meta())
        plain = _plain(image)
        protected, applied = self.unit.add(plain, delta_of(plain), name=name)
        result = _with_meta(protected, image)
        kept = {_LEVELS: AppliedLevels.pack(applied).to_trace()} if self.keep_delta and self.tracing else {}
        traced: Tensor = self.push_transform(result, extra_info=kept)  # type: ignore[no-untyped-call]
        return traced


class DeltaTransformd(MapTransform, InvertibleTransform):
    """Dictionary form of a :class:`DeltaTransform`.

    Args:
        keys: keys of the images.
        transform: the array transform.
        sample_id_key: key of the sample id.
        label_key: key of the label.
        allow_missing_keys: skip images that a dictionary does not have.
    """

    backend = DeltaTransform.backend

    def __init__(
        self,
        keys: KeysCollection,
        transform: DeltaTransform,
        *,
        sample_id_key: str = "sample_id",
        label_key: str = "label",
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        self.transform = transform
        self.sample_id_key = sample_id_key
        self.label_key = label_key

    def __call__(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Add the deltas to the images of one data dictionary."""
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = self._protect(d, d[key])
        return d

    def inverse(self, data: Mapping[Any, Any]) -> dict[Any, Any]:
        """Take off the deltas that the images' traces hold."""
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = self.transform.inverse(d[key])
        return d

    @abstractmethod
    def _protect(self, data: Mapping[Any, Any], image: Any) -> Tensor:
        """Return one image with its delta."""

    def _require(self, data: Mapping[Any, Any], key: str, why: str) -> Any:
        if data.get(key) is None:
            raise SourceError(
                f"the data dictionary has no {key!r} (it has {sorted(map(str, data))}). {why} Add it to every data "
                "dictionary, and keep it through the transforms before this one."
            )
        return data[key]


def as_label_batch(label: Any) -> Labels:
    """Return one label as a batch: ``(1,)`` int64, ``(1, classes)`` float32 for a 0/1 vector, or ``(1, 1, *space)``."""
    tensor = _plain(torch.as_tensor(label))
    if tensor.ndim >= 3:  # a mask, channel first
        return tensor[None].long()
    if tensor.numel() == 1:
        return tensor.reshape(1).long()
    return tensor.reshape(1, -1).float()


def _plain(tensor: Tensor) -> Tensor:
    return tensor.as_tensor() if isinstance(tensor, MetaTensor) else tensor


def _with_meta(tensor: Tensor, like: Tensor) -> Tensor:
    return MetaTensor(tensor).copy_meta_from(like) if isinstance(like, MetaTensor) else tensor
