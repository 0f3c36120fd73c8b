"""Readers who never look at an image: what their masks score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from monai_unlearnable.audit.dense_scores import score_overlaps
from monai_unlearnable.types import ClassMaps

__all__ = ["TrivialScore", "trivial_scores"]


@dataclass(frozen=True)
class TrivialScore:
    """What one answer for every pixel of every image scores.

    Attributes:
        name: the answer, such as ``all background``.
        iou: mean over images as of :func:`~monai_unlearnable.audit.dense_scores.mean_image_iou`.
        dice: the same mean of Dice coefficients.
    """

    name: str
    iou: float
    dice: float


def trivial_scores(truth: ClassMaps, class_names: Sequence[str]) -> tuple[TrivialScore, ...]:
    """Score one class for every pixel, for each class.

    Args:
        truth: class of every pixel of the test images, ``(n, *space)``.
        class_names: a name for each class, the background first.

    Raises:
        SourceError: no mask shows any structure.

    Example:
        >>> found = trivial_scores(torch.tensor([[[0, 1], [0, 0]]]), ("background", "polyp"))
        >>> [(one.name, one.iou, round(one.dice, 2)) for one in found]
        [('all background', 0.0, 0.0), ('all polyp', 0.25, 0.4)]
    """
    found = []
    for number, name in enumerate(class_names):
        iou, dice = score_overlaps(torch.full_like(truth, number), truth, class_count=len(class_names))
        found.append(TrivialScore("all background" if number == 0 else f"all {name}", iou, dice))
    return tuple(found)
