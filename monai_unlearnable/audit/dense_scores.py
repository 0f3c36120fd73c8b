"""How well predicted masks fit: intersection over union, Dice and the 95 % Hausdorff distance, by MONAI's metrics."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.metrics import compute_dice, compute_hausdorff_distance, compute_iou, get_confusion_matrix
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from monai_unlearnable.errors import SourceError
from monai_unlearnable.types import ClassMaps

__all__ = ["DenseScores", "StructureScores", "mean_image_iou", "score_masks", "score_overlaps"]

_BATCH_VALUES = 1 << 24


@dataclass(frozen=True)
class StructureScores:
    """How well one structure was found. What no image allows to measure is None.

    Attributes:
        iou: mean intersection over union, over the images whose mask or prediction shows the structure.
        iou_pooled: intersection over union of all pixels of all images together.
        dice: mean Dice coefficient, over the same images as ``iou``.
        hausdorff95_px: mean 95 % Hausdorff distance in pixels of the victim's grid, over the images whose mask and
            prediction both show the structure.
        images: images whose mask shows the structure.
        found_images: those of them whose prediction shows it too.
    """

    iou: float | None
    iou_pooled: float | None
    dice: float | None
    hausdorff95_px: float | None
    images: int
    found_images: int


@dataclass(frozen=True)
class DenseScores:
    """How well all structures were found.

    Attributes:
        iou: mean over images of the mean over the structures that the mask or the prediction shows.
        iou_pooled: mean of the structures' pooled values.
        dice: mean as of ``iou``.
        hausdorff95_px: mean of the structures' values, in pixels of the victim's grid; None if none was found.
        structures: each class but the background.
    """

    iou: float
    iou_pooled: float
    dice: float
    hausdorff95_px: float | None
    structures: tuple[StructureScores, ...]

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> DenseScores:
        """Build it from ``dataclasses.asdict`` after a way through JSON.

        Raises:
            TypeError: a value is missing or surplus.
        """
        return cls(**{**content, "structures": tuple(StructureScores(**one) for one in content["structures"])})


def score_masks(predicted: ClassMaps, truth: ClassMaps, *, class_count: int) -> DenseScores:
    """Score predicted masks against true ones.

    Args:
        predicted: class of every pixel, ``(n, *space)``, any integer type.
        truth: the same shape.
        class_count: classes, the background (0) among them.

    Raises:
        SourceError: no mask and no prediction shows any structure.

    Example:
        >>> truth = torch.tensor([[[0, 1], [1, 1]]])
        >>> found = score_masks(torch.tensor([[[0, 0], [1, 1]]]), truth, class_count=2)
        >>> [round(one, 3) for one in (found.iou, found.dice, found.hausdorff95_px)]
        [0.667, 0.8, 0.9]
    """
    overlaps = _overlaps(predicted, truth, class_count)
    distances = _distances(predicted, truth, class_count)
    structures = tuple(
        StructureScores(
            iou=_mean(overlaps.iou[:, at]),
            iou_pooled=_pooled(overlaps.counts[:, at]),
            dice=_mean(overlaps.dice[:, at]),
            hausdorff95_px=_mean(distances[:, at]),
            images=int(overlaps.in_truth[:, at].sum()),
            found_images=int(np.isfinite(distances[:, at]).sum()),
        )
        for at in range(class_count - 1)
    )
    pooled = [one.iou_pooled for one in structures if one.iou_pooled is not None]
    surfaces = [one.hausdorff95_px for one in structures if one.hausdorff95_px is not None]
    return DenseScores(
        iou=_mean_of_images(overlaps.iou),
        iou_pooled=float(np.mean(pooled)),
        dice=_mean_of_images(overlaps.dice),
        hausdorff95_px=float(np.mean(surfaces)) if surfaces else None,
        structures=structures,
    )


def mean_image_iou(predicted: ClassMaps, truth: ClassMaps, *, class_count: int) -> float:
    """Return the headline score: the mean over images of the mean IoU of the structures that an image shows.

    A structure counts for an image if its mask or its prediction shows it: a structure that is not there and is not
    claimed is no merit. Images without any are left out.

    Args:
        predicted: class of every pixel, ``(n, *space)``, any integer type.
        truth: the same shape.
        class_count: classes, the background (0) among them.

    Raises:
        SourceError: no mask and no prediction shows any structure.

    Example:
        >>> mean_image_iou(torch.tensor([[[0, 1]], [[0, 0]]]), torch.tensor([[[1, 1]], [[0, 0]]]), class_count=2)
        0.5
    """
    return _mean_of_images(_overlaps(predicted, truth, class_count).iou)


def score_overlaps(predicted: ClassMaps, truth: ClassMaps, *, class_count: int) -> tuple[float, float]:
    """Return :func:`mean_image_iou` and the same mean of Dice coefficients, without the slow distances.

    Raises:
        SourceError: no mask and no prediction shows any structure.
    """
    overlaps = _overlaps(predicted, truth, class_count)
    return _mean_of_images(overlaps.iou), _mean_of_images(overlaps.dice)


@dataclass(frozen=True)
class _Overlaps:
    """Of every image and structure, ``(n, structures)``; NaN where neither mask nor prediction shows it."""

    iou: NDArray[np.float64]
    dice: NDArray[np.float64]
    counts: NDArray[np.float64]
    """``(n, structures, 4)``: true positive, false positive, true negative and false negative pixels."""

    @property
    def in_truth(self) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = self.counts[..., 0] + self.counts[..., 3] > 0
        return found


def _overlaps(predicted: ClassMaps, truth: ClassMaps, class_count: int) -> _Overlaps:
    count = max(1, _BATCH_VALUES // (class_count * truth[0].numel()))
    parts: list[list[Tensor]] = []
    for ours, theirs in zip(predicted.split(count), truth.split(count), strict=True):
        y_pred, y = _one_hot(ours, class_count), _one_hot(theirs, class_count)
        counts: Tensor = get_confusion_matrix(y_pred, y, include_background=False)
        nowhere = counts[..., [0, 1, 3]].sum(dim=-1) == 0
        overlaps = (one(y_pred, y, include_background=False, ignore_empty=False) for one in (compute_iou, compute_dice))
        parts.append([*(one.masked_fill(nowhere, torch.nan) for one in overlaps), counts])
    return _Overlaps(*(torch.cat(one).double().cpu().numpy() for one in zip(*parts, strict=True)))


def _distances(predicted: ClassMaps, truth: ClassMaps, class_count: int) -> NDArray[np.float64]:
    """Return the 95 % Hausdorff distances ``(n, structures)``; NaN where mask or prediction lacks the structure."""
    found = np.full((len(truth), class_count - 1), np.nan)
    for index, at in np.ndindex(*found.shape):
        y_pred, y = (one[index] == at + 1 for one in (predicted, truth))
        if y_pred.any() and y.any():
            found[index, at] = _distance(y_pred[None, None].float(), y[None, None].float())
    return found


def _distance(y_pred: Tensor, y: Tensor) -> float:
    with warnings.catch_warnings():
        # MONAI 1.6 calls itself with an argument that it deprecates.
        warnings.filterwarnings("ignore", message=".*get_mask_edges:always_return_as_numpy", category=FutureWarning)
        return float(compute_hausdorff_distance(y_pred, y, include_background=True, percentile=95))


def _one_hot(classes: ClassMaps, class_count: int) -> Tensor:
    return functional.one_hot(classes.long(), class_count).movedim(-1, 1).float()


def _pooled(counts: NDArray[np.float64]) -> float | None:
    true_positive, false_positive, _, false_negative = counts.sum(axis=0)
    union = true_positive + false_positive + false_negative
    return float(true_positive / union) if union else None


def _mean(values: NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _mean_of_images(scores: NDArray[np.float64]) -> float:
    shown = scores[np.isfinite(scores).any(axis=1)]
    if not len(shown):
        raise SourceError(
            "the test images: no mask and no prediction shows any structure, so there is nothing to score. Give test "
            "images with structures."
        )
    return float(np.nanmean(shown, axis=1).mean())
