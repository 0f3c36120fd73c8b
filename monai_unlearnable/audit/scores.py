"""What a victim is judged by: accuracy for single labels, macro AUROC for multiple labels.

What masks are judged by stands in :mod:`~monai_unlearnable.audit.dense_scores`.
"""

from __future__ import annotations

import numpy as np
from monai.metrics import compute_roc_auc
from numpy.typing import NDArray
from torch import Tensor

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.base import Task
from monai_unlearnable.types import ClassLabels, Labels, Logits, MultiLabels

__all__ = ["accuracy", "balanced_accuracy", "headline", "headline_name", "macro_auroc", "majority_score"]


def headline_name(task: Task) -> str:
    """Name of the score that a verdict rests on: ``accuracy``, ``macro_auroc`` or ``mean_iou``."""
    names = {Task.SINGLE_LABEL: "accuracy", Task.MULTI_LABEL: "macro_auroc", Task.SEGMENTATION: "mean_iou"}
    return names[task]


def headline(logits: Logits, labels: Labels, task: Task) -> float:
    """Score logits ``(batch, classes)`` against their labels by what fits the task, in [0, 1]."""
    return accuracy(logits, labels) if task is Task.SINGLE_LABEL else macro_auroc(logits, labels)


def accuracy(logits: Logits, labels: ClassLabels) -> float:
    """Share of images whose largest logit is that of their class.

    Example:
        >>> import torch
        >>> accuracy(torch.tensor([[2.0, 1.0], [0.0, 3.0]]), torch.tensor([0, 0]))
        0.5
    """
    return float((logits.argmax(dim=1) == labels).double().mean())


def balanced_accuracy(logits: Logits, labels: ClassLabels) -> float:
    """Mean over the classes that occur of the share of their images that are recognised.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
        >>> balanced_accuracy(logits, torch.tensor([0, 0, 0, 1]))
        0.5
    """
    right = (logits.argmax(dim=1) == labels).double()
    return float(np.mean([float(right[labels == one].mean()) for one in labels.unique()]))


def macro_auroc(logits: Logits, labels: MultiLabels) -> float:
    """Mean over the label columns of the area under the ROC curve, by MONAI's ``compute_roc_auc``.

    A column in which every image has the same label has no ROC curve and is left out of the mean.

    Raises:
        SourceError: no column holds both 0 and 1.

    Example:
        >>> import torch
        >>> macro_auroc(torch.tensor([[0.1], [0.9], [0.4]]), torch.tensor([[0.0], [1.0], [0.0]]))
        1.0
    """
    columns = [one for one in range(labels.shape[1]) if _has_both(labels[:, one])]
    if not columns:
        raise SourceError(
            f"the test images: none of the {labels.shape[1]} label columns holds both 0 and 1, so no AUROC exists. "
            "Give test images of both kinds."
        )
    areas = [compute_roc_auc(logits[:, one], labels[:, one].long()) for one in columns]
    return float(np.mean(np.asarray(areas, dtype=np.float64)))


def majority_score(labels: NDArray[np.int64], task: Task) -> float:
    """Score of a reader who never looks at an image.

    Args:
        labels: of the clean test images, ``(n,)`` class indices or ``(n, classes)`` of 0/1.
        task: what a label is.

    Returns:
        The share of the most frequent class; 0.5 (the AUROC of any constant answer) for multiple labels.

    Example:
        >>> majority_score(np.array([0, 1, 1, 1]), Task.SINGLE_LABEL)
        0.75
    """
    if task is Task.MULTI_LABEL:
        return 0.5
    return float(np.bincount(labels).max() / len(labels))


def _has_both(column: Tensor) -> bool:
    return bool(column.min() == 0) and bool(column.max() == 1)
