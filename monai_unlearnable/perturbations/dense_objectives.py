"""What the logits of every voxel are measured by, and which masks a targeted delta aims at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from monai.losses import DiceLoss, FocalLoss
from torch import Tensor
from torch.nn import functional

from monai_unlearnable.errors import SourceError
from monai_unlearnable.perturbations.objectives import Objective, TargetMap
from monai_unlearnable.types import Labels, Logits, PerSample

__all__ = ["DenseObjective", "EmptiedMask", "ShiftedMask", "resize_masks"]


def resize_masks(masks: Labels, space: Sequence[int]) -> Labels:
    """Resize masks ``(batch, 1, *space)`` to a size by the nearest voxel.

    Example:
        >>> resize_masks(torch.tensor([[[[0, 0, 1, 1]]]]), (1, 2)).tolist()
        [[[[0, 1]]]]
    """
    if tuple(masks.shape[2:]) == tuple(space):
        return masks
    return functional.interpolate(masks.float(), size=tuple(space), mode="nearest-exact").long()


@dataclass(frozen=True)
class DenseObjective(Objective):
    """Cross-entropy, soft Dice and focal loss of every voxel's class, weighted and added.

    Logits ``(batch, classes, *space)`` may be of another size than the masks ``(batch, 1, *space)``, as a surrogate
    sees images; masks are resized to them. Voxels with a logit that is NaN were not seen (see
    :class:`~monai_unlearnable.surrogates.ReaderWays`) and count for nothing. The losses are MONAI's, with softmax over
    the classes; Dice is the mean over all classes, the background included, so that an image without structures has a
    loss, too.

    Attributes:
        cross_entropy: weight of the mean cross-entropy.
        dice: weight of the Dice loss.
        focal: weight of the mean focal loss.
        ignore_label: class of voxels that count for nothing; None if all count.

    Example:
        >>> mask = torch.tensor([[[[0, 1]]]])
        >>> logits = torch.tensor([[[[9.0, -9.0]], [[-9.0, 9.0]]]])
        >>> DenseObjective().error(logits, mask), bool(DenseObjective().loss(logits, mask) < 1e-3)
        (tensor([0.]), True)
    """

    cross_entropy: float = 1.0
    dice: float = 1.0
    focal: float = 0.0
    ignore_label: int | None = None
    _dice: DiceLoss = field(init=False, repr=False, compare=False)
    _focal: FocalLoss = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        weights = (self.cross_entropy, self.dice, self.focal)
        if min(weights) < 0 or not any(weights):
            raise SourceError(f"weights of cross-entropy, Dice and focal loss {weights}: none below 0, one above.")
        object.__setattr__(self, "_dice", DiceLoss(reduction="none"))
        object.__setattr__(self, "_focal", FocalLoss(reduction="none", use_softmax=True))

    def loss(self, logits: Logits, label: Labels) -> PerSample:
        """Return the weighted sum of the losses of each image."""
        logits, mask, counts = self._seen(logits, label)
        total = torch.zeros(len(logits), device=logits.device)
        share = counts.flatten(1).sum(1).clamp_min(1)
        if self.cross_entropy:
            voxels = functional.cross_entropy(logits, mask[:, 0], reduction="none") * counts[:, 0]
            total = total + self.cross_entropy * voxels.flatten(1).sum(1) / share
        classes = functional.one_hot(mask[:, 0], logits.shape[1]).movedim(-1, 1).to(logits.dtype)
        if self.dice:
            # Voxels that count for nothing are on neither side of the overlap.
            overlap = self._dice(logits.softmax(1) * counts, classes * counts)
            total = total + self.dice * overlap.flatten(1).mean(1)
        if self.focal:
            voxels = self._focal(logits, classes) * counts
            total = total + self.focal * voxels.flatten(1).sum(1) / (share * logits.shape[1])
        return total

    def error(self, logits: Logits, label: Labels) -> PerSample:
        """Return 1 - Dice of the predicted classes, mean over the structures that are in the mask or predicted."""
        logits, mask, counts = self._seen(logits, label)
        number = logits.shape[1]
        found, true = (
            functional.one_hot(one, number).flatten(1, -2)[..., 1:] * counts.flatten(1)[..., None]
            for one in (logits.argmax(1), mask[:, 0])
        )
        size = (found + true).sum(1)
        dice = 2 * (found * true).sum(1) / size.clamp_min(1)
        there = (size > 0).to(dice)
        return ((1 - dice) * there).sum(1) / there.sum(1).clamp_min(1)

    def _seen(self, logits: Logits, label: Labels) -> tuple[Logits, Labels, Tensor]:
        """Return logits without NaN, masks of their size without the ignored class, and 1 where a voxel counts."""
        mask = resize_masks(label, logits.shape[2:])
        counts = ~logits.isnan().any(1, keepdim=True)
        if not bool(counts.all()):
            # Where nothing at all was seen the network has diverged: its NaN must reach the loss.
            counts = counts | ~counts.flatten(1).any(1).reshape(-1, *[1] * (counts.ndim - 1))
            logits = torch.where(counts, logits, torch.zeros_like(logits))
        if self.ignore_label is not None:
            counts = counts & (mask != self.ignore_label)
            mask = mask.where(counts, torch.zeros_like(mask))
        return logits, mask, counts.to(logits.dtype)


class EmptiedMask(TargetMap):
    """Background everywhere: the surrogate shall see no structure."""

    def __call__(self, label: Labels) -> Labels:
        """Return zeros."""
        return torch.zeros_like(label)


@dataclass(frozen=True)
class ShiftedMask(TargetMap):
    """The same mask elsewhere: rolled along every axis of space.

    Attributes:
        share: of the size of each axis, above 0 and below 1.

    Example:
        >>> ShiftedMask()(torch.tensor([[[[0, 0, 1, 0]]]])).tolist()
        [[[[1, 0, 0, 0]]]]
    """

    share: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise SourceError(f"share={self.share}: masks are shifted by more than 0 and less than all of their size.")

    def __call__(self, label: Labels) -> Labels:
        """Return the masks, rolled."""
        axes = tuple(range(2, label.ndim))
        return label.roll([round(self.share * label.shape[axis]) for axis in axes], axes)
