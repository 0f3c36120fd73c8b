"""Membership inference: can somebody with a model tell which images it was trained on?"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

import numpy as np
import torch
from monai.losses import DiceCELoss
from monai.metrics import compute_roc_auc
from torch import Tensor
from torch.nn import functional

from monai_unlearnable.sources.base import Task
from monai_unlearnable.types import Labels, PerSample

__all__ = ["Membership", "MembershipRun", "Told", "image_losses", "tell_members"]


@dataclass(frozen=True)
class Told:
    """How well members are told from others by their loss (Yeom et al., CSF 2018, adversary 1).

    Attributes:
        auroc: area under the ROC curve of "a smaller loss is a member's"; 0.5 is chance.
        advantage: true minus false positives when all images are called members whose loss is at most the members'
            mean loss, as that paper does; 0 is chance.
    """

    auroc: float
    advantage: float


@dataclass(frozen=True)
class MembershipRun:
    """What one model gives away.

    Attributes:
        trained_on: ``clean`` or ``released``: the form of the images that it was trained on.
        seed: of its training.
        members: images that it was trained on.
        others: images of the same set that it was not trained on.
        seen_released: how well members are told by their released files, from others' released files.
        seen_clean: how well by their originals, from others' originals.
    """

    trained_on: str
    seed: int
    members: int
    others: int
    seen_released: Told
    seen_clean: Told


@dataclass(frozen=True)
class Membership:
    """What the models of one recipe give away.

    Attributes:
        victim: name of the recipe.
        runs: one for each seed and form of training images.
    """

    victim: str
    runs: tuple[MembershipRun, ...]

    @property
    def chance_std(self) -> float:
        """Standard deviation of the AUROC of one run if losses said nothing (of Mann and Whitney's U)."""
        one = self.runs[0]
        return math.sqrt((one.members + one.others + 1) / (12 * one.members * one.others))

    def mean_auroc(self, *, trained_on: str, seen: str) -> float:
        """Return the mean AUROC over the seeds.

        Args:
            trained_on: ``clean`` or ``released``.
            seen: likewise, the form of the images that are asked about.
        """
        runs = [one for one in self.runs if one.trained_on == trained_on]
        return mean((one.seen_clean if seen == "clean" else one.seen_released).auroc for one in runs)

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        return {
            "victim": self.victim,
            "chance_std": self.chance_std,
            "mean_auroc": {
                f"trained_on_{trained}_seen_{seen}": self.mean_auroc(trained_on=trained, seen=seen)
                for trained in ("clean", "released")
                for seen in ("clean", "released")
            },
            "runs": [asdict(one) for one in self.runs],
        }


def image_losses(logits: Tensor, labels: Labels, *, task: Task) -> PerSample:
    """Return the loss that a victim is trained by, of each image alone.

    Args:
        logits: ``(batch, classes)``, of segmentation ``(batch, classes, *space)``.
        labels: of the images.
        task: what a label is.

    Example:
        >>> image_losses(torch.tensor([[0.0, 0.0], [9.0, -9.0]]), torch.tensor([0, 0]), task=Task.SINGLE_LABEL)
        tensor([6.9315e-01, 1.5230e-08])
    """
    if task is Task.SINGLE_LABEL:
        return functional.cross_entropy(logits.double(), labels, reduction="none").float()
    if task is Task.MULTI_LABEL:
        return functional.binary_cross_entropy_with_logits(logits, labels, reduction="none").mean(dim=1)
    loss = DiceCELoss(to_onehot_y=True, softmax=True, include_background=False)
    return torch.stack([loss(one[None], label[None, None]) for one, label in zip(logits, labels, strict=True)])


def tell_members(members: PerSample, others: PerSample) -> Told:
    """Tell members from others by their loss.

    Args:
        members: loss of each image that the model was trained on.
        others: loss of each image that it was not trained on.

    Example:
        >>> tell_members(torch.tensor([0.1, 0.2]), torch.tensor([0.3, 0.15]))
        Told(auroc=0.75, advantage=0.5)
    """
    losses = torch.cat([members, others]).double()
    is_member = torch.cat([torch.ones(len(members)), torch.zeros(len(others))]).long()
    threshold = members.double().mean()
    found = [float((one.double() <= threshold).double().mean()) for one in (members, others)]
    area = compute_roc_auc(-losses, is_member)
    return Told(float(np.asarray(area)), found[0] - found[1])
