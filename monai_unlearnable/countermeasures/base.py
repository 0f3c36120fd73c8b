"""What countermeasures on images share: one image of stored levels in, the same kind of image out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Transform
from monai.utils import convert_to_dst_type, convert_to_numpy
from numpy.typing import NDArray
from torch import Tensor

from monai_unlearnable.errors import NotApplicableError
from monai_unlearnable.types import Images, Labels

__all__ = ["FittedCountermeasure", "PictureTransform", "PictureTransformd", "as_image", "require_bytes"]


class PictureTransform(Transform):
    """Base of countermeasures on the levels of one image, channel first.

    The result has the type of the given image (``MetaTensor`` with its meta data, tensor or array), its dtype and
    shape; whole levels are rounded and cut to the range of their type.
    """

    def __call__(self, img: Any) -> Any:
        """Return the changed image.

        Args:
            img: ``(channel, *space)``, levels.

        Raises:
            NotApplicableError: the countermeasure is none for such images; the message says why.
        """
        levels = np.asarray(convert_to_numpy(img))
        if levels.ndim not in (3, 4):
            raise NotApplicableError(
                f"{type(self).__name__}: an image of shape {levels.shape}; needed is (channel, *space) of 2 or 3 axes."
            )
        changed = self.change(levels)
        if levels.dtype.kind in "iu":
            limits = np.iinfo(levels.dtype)
            changed = np.clip(np.rint(changed), limits.min, limits.max)
        return convert_to_dst_type(np.ascontiguousarray(changed.astype(levels.dtype)), img)[0]

    def describe(self) -> dict[str, Any]:
        """Return the kind and its settings as JSON values."""
        return {"countermeasure": type(self).__name__, **vars(self)}

    @abstractmethod
    def change(self, levels: NDArray[Any]) -> NDArray[Any]:
        """Return changed levels ``(channel, *space)`` of any dtype; the given ones stay as they are."""


class FittedCountermeasure(ABC):
    """Settings of what a reader first learns from the training images themselves; frozen."""

    @abstractmethod
    def fit(self, images: Images, labels: Labels) -> PictureTransform:
        """Return what every training image then undergoes.

        Args:
            images: ``(batch, channel, *space)``, levels.
            labels: as of a batch.

        Raises:
            NotApplicableError: the countermeasure is none for such images or labels.
        """

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return the kind and its settings as JSON values."""


class PictureTransformd(MapTransform):
    """Base of the dictionary forms.

    Args:
        keys: of the images.
        transform: what each of them undergoes.
        allow_missing_keys: skip images that a dictionary does not have.
    """

    def __init__(self, keys: KeysCollection, transform: PictureTransform, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.transform = transform

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the dictionary with changed images; see :class:`PictureTransform`."""
        changed = dict(data)
        for key in self.key_iterator(changed):
            changed[key] = self.transform(changed[key])
        return changed


def require_bytes(levels: NDArray[Any], *, name: str) -> NDArray[np.uint8]:
    """Return pictures of 8 bits as bytes.

    Args:
        levels: ``(channel, height, width)``: bytes, or floating-point numbers that hold whole ones from 0 to 255.
        name: of the countermeasure, for messages.

    Raises:
        NotApplicableError: a volume, another number of channels than 1 or 3, or values that are no bytes.
    """
    if levels.ndim != 3 or levels.shape[0] not in (1, 3):
        raise NotApplicableError(f"{name}: needs pictures of 1 or 3 channels, not an image of shape {levels.shape}.")
    if levels.dtype == np.uint8:
        return levels
    low, high = float(levels.min()), float(levels.max())
    whole = levels.dtype.kind in "iu" or bool((levels == np.rint(levels)).all())
    if not 0 <= low <= high <= 255 or not whole or levels.dtype.kind not in "iuf":
        raise NotApplicableError(
            f"{name}: needs pictures of 8 bits; this one has values of type {levels.dtype} from {low:g} to {high:g}."
        )
    bytes_: NDArray[np.uint8] = levels.astype(np.uint8)
    return bytes_


def as_image(levels: NDArray[Any]) -> Tensor:
    """Return the same levels as a tensor, float32."""
    return torch.from_numpy(levels.astype(np.float32))
