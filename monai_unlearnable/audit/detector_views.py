"""What small networks look at to tell released images from clean ones: small pictures, and detail at native size."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from monai_unlearnable.audit.loading import window_of
from monai_unlearnable.audit.pairing import AuditData
from monai_unlearnable.audit.sizes import resized_image
from monai_unlearnable.types import StoredValues

__all__ = ["LOOKS", "Frame", "PairViews", "fine_detail", "frame_of", "patches_of", "read_pairs", "small_pictures"]

LOOKS = ("small pictures", "fine detail")
"""What is looked at; see :func:`small_pictures` and :func:`fine_detail`."""

_PICTURE_SIDE_PX, _VOLUME_SIDE_PX = 32, 16


@dataclass(frozen=True, eq=False)
class PairViews:
    """Released images and their originals, as victims see them.

    Attributes:
        released: each ``(channel, *space)`` float32, -1 and 1 at the ends of its own window.
        clean: their originals, likewise.
        deltas: what was added, in widths of the original's window.
        labels: ``(n,)`` int64 class indices; None where labels are no single classes.
        sha256: of all of it.
    """

    released: tuple[Tensor, ...]
    clean: tuple[Tensor, ...]
    deltas: tuple[Tensor, ...]
    labels: Tensor | None
    sha256: str


def read_pairs(data: AuditData, pairs: Sequence[tuple[int, int]], *, labelled: bool) -> PairViews:
    """Read pairs (index in release, index in clean) of one shape each.

    Args:
        data: what is audited.
        pairs: which.
        labelled: whether labels are single classes.

    Raises:
        SourceError: an image cannot be read.
    """
    digest = hashlib.sha256()
    released, clean, deltas = [], [], []
    for one, other in pairs:
        protected, original = data.release.read(one), data.clean.read(other)
        low, high = window_of(data.clean, other, original)
        added = (protected.astype(np.float64) - original.astype(np.float64)) / (high - low)
        released.append(_seen(protected, *window_of(data.release, one, protected)))
        clean.append(_seen(original, low, high))
        deltas.append(torch.from_numpy(added.astype(np.float32)))
        for image in (released[-1], clean[-1], deltas[-1]):
            digest.update(f"{tuple(image.shape)}".encode())
            digest.update(image.numpy().tobytes())
    labels = torch.as_tensor(data.clean.labels[[other for _, other in pairs]]).long() if labelled else None
    digest.update(repr(None if labels is None else labels.tolist()).encode())
    return PairViews(tuple(released), tuple(clean), tuple(deltas), labels, digest.hexdigest())


def _seen(image: StoredValues, low: float, high: float) -> Tensor:
    return (torch.from_numpy(image.astype(np.float32)) - low) / (high - low) * 2 - 1


@dataclass(frozen=True)
class Frame:
    """How images of several sizes are looked at: the same way, whichever of them are.

    Attributes:
        side_px: side of small pictures and patches: 32 pixels of pictures, 16 voxels of volumes, or what all have.
        smallest: the smallest size along each axis.
        small: whether images have one size that is no larger than small pictures, so that they stay as they are.
        whole: whether a patch is all there is of an image.
    """

    side_px: int
    smallest: tuple[int, ...]
    small: bool
    whole: bool


def frame_of(images: Sequence[Tensor]) -> Frame:
    """Return how all of these images are looked at.

    Example:
        >>> frame_of([torch.zeros(1, 40, 28), torch.zeros(1, 30, 50)])
        Frame(side_px=28, smallest=(30, 28), small=False, whole=False)
    """
    spaces = {tuple(one.shape[1:]) for one in images}
    most = _most_px(images[0])
    smallest = tuple(min(sizes) for sizes in zip(*spaces, strict=True))
    side, largest = min(most, *smallest), max(max(one) for one in spaces)
    return Frame(side, smallest, small=len(spaces) == 1 and largest <= most, whole=largest == side)


def _most_px(image: Tensor) -> int:
    return _PICTURE_SIDE_PX if image.ndim == 3 else _VOLUME_SIDE_PX


def small_pictures(images: Sequence[Tensor], frame: Frame) -> Tensor:
    """Return images at 32 (volumes: 16) pixels a side by area means; as they are where none is larger.

    Returns:
        ``(n, channel, *space)`` float32.
    """
    if frame.small:
        return torch.stack(list(images))
    return torch.stack([resized_image(one, size_px=_most_px(one), interpolation="area") for one in images])


def fine_detail(images: Tensor) -> Tensor:
    """Return what is finer than three pixels: each pixel without the mean of the 3 x 3 (x 3) around it.

    Args:
        images: ``(n, channel, *space)``; edges are repeated.

    Example:
        >>> fine_detail(torch.tensor([[[[0.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 0.0]]]]))[0, 0, 1].tolist()
        [-1.0, 8.0, -1.0]
    """
    dims = images.ndim - 2
    mean = functional.avg_pool2d if dims == 2 else functional.avg_pool3d
    return images - mean(functional.pad(images, (1,) * 2 * dims, mode="replicate"), 3, 1)


def patches_of(images: Sequence[Tensor], frame: Frame, *, count: int, generator: torch.Generator | None) -> Tensor:
    """Cut patches on the native grid.

    Args:
        images: each ``(channel, *space)``.
        frame: of these images and of all that are looked at with them.
        count: patches of each image.
        generator: of their places; None for the same place in all images, in the middle of the smallest.

    Returns:
        ``(n * count, channel, *size)``, those of one image one after the other.
    """
    found = []
    for image in images:
        for _ in range(count):
            part = [slice(None)]
            for size, least in zip(image.shape[1:], frame.smallest, strict=True):
                middle = (least - frame.side_px) // 2
                room = size - frame.side_px + 1
                start = middle if generator is None else int(torch.randint(room, (), generator=generator))
                part.append(slice(start, start + frame.side_px))
            found.append(image[tuple(part)])
    return torch.stack(found)
