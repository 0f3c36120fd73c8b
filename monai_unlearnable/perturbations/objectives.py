"""What a surrogate's logits are measured by, and which labels a targeted delta aims at."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from monai_unlearnable.errors import SourceError
from monai_unlearnable.types import Labels, Logits, MemberLogits, PerSample

__all__ = [
    "ComplementTarget",
    "MemberObjective",
    "MultiLabelObjective",
    "NextClassTarget",
    "Objective",
    "ObjectiveLoss",
    "SingleLabelObjective",
    "TargetMap",
    "UnsaturatedObjective",
]

_SURE = -15.0
"""From here on ``log(softplus(x))`` is ``x``, as far as float32 can tell."""


class Objective(ABC):
    """A loss for each image, and how wrong the logits are.

    Attributes:
        ignore_label: class of voxels that count for nothing; None if all count.
    """

    ignore_label: int | None = None

    @abstractmethod
    def loss(self, logits: Logits, label: Labels) -> PerSample:
        """Return the loss of each image, ``(batch,)``, in nats."""

    @abstractmethod
    def error(self, logits: Logits, label: Labels) -> PerSample:
        """Return how wrong each image is, ``(batch,)``: 0 (right) to 1 (wrong)."""


class ObjectiveLoss(nn.Module):
    """Mean of an objective's loss over a batch, for a trainer.

    Args:
        objective: gives the loss of each image.

    Example:
        >>> ObjectiveLoss(SingleLabelObjective())(torch.zeros(2, 2), torch.tensor([0, 1])).round(decimals=4)
        tensor(0.6931)
    """

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, logits: Logits, label: Labels) -> Tensor:
        """Return the mean loss, a scalar in nats."""
        return self.objective.loss(logits, label).mean()


class SingleLabelObjective(Objective):
    """Cross-entropy of one class out of several.

    Example:
        >>> import torch
        >>> SingleLabelObjective().loss(torch.zeros(1, 2), torch.tensor([0])).round(decimals=4)
        tensor([0.6931])
    """

    def loss(self, logits: Logits, label: Labels) -> PerSample:
        """Cross-entropy of each image."""
        return functional.cross_entropy(logits, label, reduction="none")

    def error(self, logits: Logits, label: Labels) -> PerSample:
        """1 where the largest logit is not the label's."""
        return (logits.argmax(1) != label).to(logits.dtype)


class MultiLabelObjective(Objective):
    """Binary cross-entropy, averaged over the labels of an image."""

    def loss(self, logits: Logits, label: Labels) -> PerSample:
        """Mean binary cross-entropy of each image."""
        return functional.binary_cross_entropy_with_logits(logits, label.to(logits.dtype), reduction="none").mean(1)

    def error(self, logits: Logits, label: Labels) -> PerSample:
        """Share of the labels on whose wrong side the logit lies."""
        return ((logits > 0) != (label > 0.5)).to(logits.dtype).mean(1)


class UnsaturatedObjective(Objective):
    """Logarithm of the cross-entropy of one class, or of the sum over several labels.

    It falls in the same direction as the loss itself, but goes on falling where that is 0 as far as float32 can tell:
    an image that a surrogate is sure of gets a delta like any other.

    Example:
        >>> import torch
        >>> logits, label = torch.tensor([[200.0, 0.0]]), torch.tensor([0])
        >>> UnsaturatedObjective().loss(logits, label), SingleLabelObjective().loss(logits, label)
        (tensor([-200.]), tensor([-0.]))
    """

    def loss(self, logits: Logits, label: Labels) -> PerSample:
        """Logarithm of the loss of each image."""
        if label.ndim == 2:
            wrong = (1 - 2 * label.to(logits.dtype)) * logits
        else:
            own = functional.one_hot(label, logits.shape[1]).bool()
            # A single class stands against a logit of 0.
            others = logits.masked_fill(own, -torch.inf) if logits.shape[1] > 1 else torch.zeros_like(logits)
            wrong = (others.logsumexp(1) - logits[own]).unsqueeze(1)
        log_losses = torch.where(wrong < _SURE, wrong, functional.softplus(wrong.clamp_min(_SURE)).log())
        return log_losses.logsumexp(1)

    def error(self, logits: Logits, label: Labels) -> PerSample:
        """1 where the largest logit is not the label's; of several labels the share that is wrong."""
        return (MultiLabelObjective() if label.ndim == 2 else SingleLabelObjective()).error(logits, label)


@dataclass(frozen=True)
class MemberObjective(Objective):
    """Mean over the members of an :class:`~monai_unlearnable.surrogates.NetworkEnsemble`.

    Attributes:
        objective: what each member's logits ``(batch, classes)`` are measured by.

    Example:
        >>> import torch
        >>> MemberObjective(SingleLabelObjective()).loss(torch.zeros(1, 2, 3), torch.tensor([0])).round(decimals=4)
        tensor([0.6931])
    """

    objective: Objective

    @property
    def ignore_label(self) -> int | None:  # type: ignore[override]
        """That of the members' objective."""
        return self.objective.ignore_label

    def loss(self, logits: MemberLogits, label: Labels) -> PerSample:
        """Mean of the members' losses of each image."""
        return torch.stack([self.objective.loss(one, label) for one in logits.unbind(-1)]).mean(0)

    def error(self, logits: MemberLogits, label: Labels) -> PerSample:
        """Share of the members that are wrong."""
        return torch.stack([self.objective.error(one, label) for one in logits.unbind(-1)]).mean(0)


class TargetMap(ABC):
    """Which label a targeted delta makes an image look like."""

    @abstractmethod
    def __call__(self, label: Labels) -> Labels:
        """Return the target of each label; it always differs from the label."""


@dataclass(frozen=True)
class NextClassTarget(TargetMap):
    """The next class: ``(y + 1) mod K`` (Fowl et al., NeurIPS 2021, section 4.2).

    Of masks in every voxel: inside and outside change places where there is one structure.

    Attributes:
        num_classes: number of classes ``K``, at least 2.

    Example:
        >>> import torch
        >>> NextClassTarget(3)(torch.tensor([0, 1, 2]))
        tensor([1, 2, 0])
        >>> NextClassTarget(2)(torch.tensor([[[[0, 1, 1]]]])).tolist()
        [[[[1, 0, 0]]]]
    """

    num_classes: int

    def __post_init__(self) -> None:
        if self.num_classes < 2:
            raise SourceError(f"num_classes={self.num_classes}: a target needs at least 2 classes.")

    def __call__(self, label: Labels) -> Labels:
        """Return ``(label + 1) mod K``."""
        return (label + 1) % self.num_classes


class ComplementTarget(TargetMap):
    """For multi-label sets: every label turned into its opposite, ``1 - y``."""

    def __call__(self, label: Labels) -> Labels:
        """Return ``1 - label``."""
        return 1 - label
