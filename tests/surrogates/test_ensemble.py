from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from monai_unlearnable.networks import small_densenet, small_resnet
from monai_unlearnable.perturbations import MemberObjective, MultiLabelObjective, SingleLabelObjective
from monai_unlearnable.surrogates import IntensityWindow, MemberLoss, NetworkEnsemble, Surrogate


def members() -> list[nn.Module]:
    torch.manual_seed(0)
    return [build(spatial_dims=2, in_channels=1, num_classes=3) for build in (small_resnet, small_densenet)]


def test_logits_are_those_of_each_member() -> None:
    networks = [one.eval() for one in members()]
    image = torch.rand(4, 1, 28, 28)
    logits = NetworkEnsemble(networks)(image)
    assert logits.shape == (4, 3, 2)
    for at, one in enumerate(networks):
        assert torch.equal(logits[..., at], one(image))


def test_members_learn_as_if_alone() -> None:
    """A training step of the ensemble is, bit for bit, a step of each network without the other."""
    together, alone = NetworkEnsemble(members()), members()
    image, label = torch.rand(6, 1, 28, 28), torch.tensor([0, 1, 2, 0, 1, 2])
    loss = MemberLoss(nn.CrossEntropyLoss())(together(image), label)
    loss.backward()
    losses = [cross_entropy(one(image), label) for one in alone]
    for one in losses:
        one.backward()
    assert torch.allclose(loss, torch.stack(losses).sum())
    separate = [weight for one in alone for weight in one.parameters()]
    for mine, other in zip(together.parameters(), separate, strict=True):
        assert mine.grad is not None and other.grad is not None
        assert torch.equal(mine.grad, other.grad)


def test_no_member_hides_behind_another() -> None:
    """One member is sure and right, the other sure and wrong: the objective still has the wrong one's full slope."""
    logits = torch.tensor([[[50.0, -3.0], [0.0, 3.0]]], requires_grad=True)
    MemberObjective(SingleLabelObjective()).loss(logits, torch.tensor([0])).sum().backward()
    alone = torch.tensor([[-3.0, 3.0]], requires_grad=True)
    cross_entropy(alone, torch.tensor([0])).backward()
    assert logits.grad is not None and alone.grad is not None
    assert torch.allclose(logits.grad[..., 1], alone.grad / 2)


def test_objectives_are_means_over_members() -> None:
    logits = torch.randn(5, 3, 4)
    classes, columns = torch.tensor([0, 1, 2, 0, 1]), (torch.rand(5, 3) > 0.5).float()
    single, multi = MemberObjective(SingleLabelObjective()), MemberObjective(MultiLabelObjective())
    expected = sum(cross_entropy(logits[..., at], classes, reduction="none") for at in range(4)) / 4
    assert torch.allclose(single.loss(logits, classes), torch.as_tensor(expected))
    wrong = [(logits[..., at].argmax(1) != classes).float() for at in range(4)]
    assert torch.allclose(single.error(logits, classes), torch.stack(wrong).mean(0))
    each = [binary_cross_entropy_with_logits(logits[..., at], columns, reduction="none").mean(1) for at in range(4)]
    assert torch.allclose(multi.loss(logits, columns), torch.stack(each).mean(0))
    sides = [((logits[..., at] > 0) != (columns > 0)).float().mean(1) for at in range(4)]
    assert torch.allclose(multi.error(logits, columns), torch.stack(sides).mean(0))


def test_gradient_reaches_pixels_from_every_member() -> None:
    surrogate = Surrogate(NetworkEnsemble(members()), IntensityWindow(), channels_last=True)
    image = (255 * torch.rand(2, 1, 28, 28)).requires_grad_()
    with surrogate.frozen():
        logits = surrogate(image)
        for at in range(2):
            (gradient,) = torch.autograd.grad(logits[..., at].sum(), image, retain_graph=True)
            assert bool((gradient != 0).any())


def test_an_ensemble_has_members() -> None:
    with pytest.raises(ValueError, match="an ensemble needs at least one network"):
        NetworkEnsemble([])
