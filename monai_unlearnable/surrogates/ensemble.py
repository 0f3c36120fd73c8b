"""Several networks in the place of one, so that deltas do not lean on the weaknesses of a single family."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from monai_unlearnable.types import Images, Labels, MemberLogits

__all__ = ["MemberLoss", "NetworkEnsemble"]


class NetworkEnsemble(nn.Module):
    """Gives every member's logits side by side.

    A delta made against one network family often does nothing to another one (Liu et al., ICLR 2017); made against
    several at once it has to work on all of them. Members are trained with :class:`MemberLoss` and looked at with
    :class:`~monai_unlearnable.perturbations.MemberObjective`, so that none of them hides behind a quicker one.

    Args:
        networks: each maps images to logits ``(batch, classes)``.

    Raises:
        ValueError: there are none.

    Example:
        >>> one, other = (nn.Sequential(nn.Flatten(), nn.Linear(4, 2)) for _ in range(2))
        >>> NetworkEnsemble([one, other])(torch.zeros(3, 1, 2, 2)).shape
        torch.Size([3, 2, 2])
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        if not networks:
            raise ValueError("networks=[]: an ensemble needs at least one network.")
        self.members = nn.ModuleList(networks)

    def forward(self, image: Images) -> MemberLogits:
        """Return logits ``(batch, classes, members)``."""
        return torch.stack([member(image) for member in self.members], dim=-1)


class MemberLoss(nn.Module):
    """Sum of the members' losses: members share no weights, so each learns as if it were alone.

    Args:
        loss: of one member's logits ``(batch, classes)`` and the labels.

    Example:
        >>> loss = MemberLoss(nn.CrossEntropyLoss())
        >>> loss(torch.zeros(1, 2, 3), torch.tensor([0])).round(decimals=4)
        tensor(2.0794)
    """

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, logits: MemberLogits, label: Labels) -> Tensor:
        """Return the sum over members, a scalar in nats."""
        return torch.stack([self.loss(one, label) for one in logits.unbind(-1)]).sum()
