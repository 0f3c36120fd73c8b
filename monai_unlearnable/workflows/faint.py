"""Which class gets the faint pattern, and so becomes what a victim answers clean images with."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from monai_unlearnable.sources import Source, Task

__all__ = ["faint_class"]

_AS_RARE = 1.1
_THUMBNAIL_PX = 16


def faint_class(source: Source) -> int:
    """Choose the class whose pattern is made faint.

    Clean images carry no pattern, so a victim answers them with the class of the faintest one. The rarest class leaves
    it furthest below the majority class. Among classes about as rare (at most a tenth more images) it is the one that
    its images tell worst, because what a victim learns from images without a clear pattern works on clean images. How
    well images tell their class is the share that the nearest class mean finds, on thumbnails of 16 pixels a side.

    Args:
        source: a single-label set.

    Returns:
        The index of the class.

    Raises:
        ValueError: the set has several labels for an image.
        SourceError: an image cannot be read.
    """
    if source.task is not Task.SINGLE_LABEL:
        raise ValueError("images of a multi-label set have no one class.")
    labels = torch.as_tensor(source.labels)
    counts = torch.bincount(labels, minlength=len(source.class_names))
    rare = [at for at, count in enumerate(counts.tolist()) if 0 < count <= _AS_RARE * int(counts[counts > 0].min())]
    if len(rare) == 1:
        return rare[0]
    found = recall_of_nearest_mean(torch.stack([_thumbnail(source, index) for index in range(len(source))]), labels)
    return min(rare, key=lambda at: (float(found[at]), -at))


def recall_of_nearest_mean(vectors: Tensor, labels: Tensor) -> Tensor:
    """Return the share of each class's vectors whose nearest class mean is their own.

    Args:
        vectors: ``(n, features)``, float.
        labels: ``(n,)`` class indices; every class up to the largest occurs.

    Returns:
        ``(classes,)``, float, 0 to 1.

    Example:
        >>> vectors = torch.tensor([[0.0], [1.0], [9.0], [10.0], [1.0]])
        >>> recall_of_nearest_mean(vectors, torch.tensor([0, 0, 1, 1, 1]))
        tensor([1.0000, 0.6667])
    """
    one_hot = functional.one_hot(labels).to(vectors)
    counts = one_hot.sum(0).clamp_min(1)
    means = one_hot.T @ vectors / counts[:, None]
    nearest = torch.cdist(vectors, means).argmin(1)
    return one_hot.T @ (nearest == labels).to(vectors) / counts


def _thumbnail(source: Source, index: int) -> Tensor:
    image = torch.as_tensor(source.read(index).astype("float32"))[None]
    pool = functional.adaptive_avg_pool2d if image.ndim == 4 else functional.adaptive_avg_pool3d
    small: Tensor = pool(image, _THUMBNAIL_PX)
    return small.mean(1).flatten()
