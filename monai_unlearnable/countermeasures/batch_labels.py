"""Labels of a batch that is moved or mixed: class indices, multiple labels or masks."""

from __future__ import annotations

import torch
from torch import Tensor

from monai_unlearnable.types import Images, Labels

__all__ = ["are_masks", "mixed_labels", "with_channel"]


def are_masks(images: Images, labels: Labels) -> bool:
    """Whether labels ``(batch, ...)`` are masks of images ``(batch, channel, *space)``, with a channel or without."""
    return labels.ndim >= images.ndim - 1


def with_channel(images: Images, masks: Labels) -> Tensor:
    """Return masks as ``(batch, channel, *space)``, whether they have a channel axis or none."""
    return masks if masks.ndim == images.ndim else masks[:, None]


def mixed_labels(images: Images, labels: Labels, others: Tensor, kept: Tensor, *, class_count: int | None) -> Tensor:
    """Return labels of images that were mixed, as shares of the classes.

    Args:
        images: ``(batch, channel, *space)``.
        labels: class indices ``(batch,)``, multiple labels ``(batch, classes)``, or masks.
        others: ``(batch,)`` positions of what each image was mixed with.
        kept: ``(batch,)`` shares that the images' own labels keep.
        class_count: number of classes, of class indices and masks.

    Returns:
        ``(batch, classes)`` or, of masks, ``(batch, classes, *space)``, floating point.

    Raises:
        ValueError: the number of classes is needed and not known.

    Example:
        >>> pictures, positions = torch.zeros(2, 1, 4, 4), torch.tensor([1, 0])
        >>> mixed_labels(pictures, torch.tensor([0, 2]), positions, torch.tensor([0.75, 0.5]), class_count=3).tolist()
        [[0.75, 0.0, 0.25], [0.5, 0.0, 0.5]]
    """
    shares = _shares(images, labels, class_count)
    own = kept.reshape(-1, *[1] * (shares.ndim - 1)).to(shares)
    return own * shares + (1 - own) * shares[others]


def _shares(images: Images, labels: Labels, class_count: int | None) -> Tensor:
    masks = are_masks(images, labels)
    if not masks and labels.ndim == 2:
        return labels.to(images.dtype)
    if class_count is None:
        raise ValueError(
            "labels are class indices or masks; to mix them, the number of classes is needed: name it (class_count)."
        )
    indices = with_channel(images, labels)[:, 0] if masks else labels
    return torch.nn.functional.one_hot(indices.long(), class_count).movedim(-1, 1).to(images.dtype)
