"""Losses of masks against NumPy, voxel by voxel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from monai_unlearnable.errors import SourceError
from monai_unlearnable.perturbations import (
    DenseObjective,
    EmptiedMask,
    MemberObjective,
    NextClassTarget,
    ShiftedMask,
    TargetMap,
    resize_masks,
)
from tests.contracts.properties import PROPERTY

Array = NDArray[np.float64]


def drawn(space: tuple[int, ...], classes: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(2, classes, *space, generator=generator)
    return logits, torch.randint(0, classes, (2, 1, *space), generator=generator)


def oracle(logits: Any, mask: Any, *, ignore: int | None) -> tuple[Array, Array, Array, Array]:
    """Return cross-entropy, Dice loss, focal loss and error of each image by plain NumPy."""
    found: list[list[float]] = []
    for one, labels in zip(logits.double().numpy(), mask[:, 0].numpy(), strict=True):
        classes = len(one)
        voxels = [(one[(slice(None), *at)], int(labels[at])) for at in np.ndindex(*labels.shape)]
        voxels = [(scores, label) for scores, label in voxels if label != ignore]
        shares = np.array([np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum() for scores, _ in voxels])
        true = np.eye(classes)[[label for _, label in voxels]]
        entropy = -(np.log(shares) * true).sum(1).mean()
        dice = 1 - (2 * (shares * true).sum(0) + 1e-5) / (shares.sum(0) + true.sum(0) + 1e-5)
        focal = ((1 - shares) ** 2 * -np.log(shares) * true).sum(1).mean() / classes
        guess = np.eye(classes)[shares.argmax(1)]
        there = [at for at in range(1, classes) if guess[:, at].sum() + true[:, at].sum()]
        wrong = [1 - 2 * (guess * true)[:, at].sum() / (guess + true)[:, at].sum() for at in there]
        found.append([entropy, dice.mean(), focal, float(np.mean(wrong)) if wrong else 0.0])
    table: Array = np.array(found).T
    return table[0], table[1], table[2], table[3]


@PROPERTY
@given(
    space=st.sampled_from([(4, 5), (3, 4, 5), (1, 1)]),
    classes=st.integers(2, 4),
    seed=st.integers(0, 99),
    ignore=st.sampled_from([None, 1]),
)
def test_losses_are_those_of_numpy(space: tuple[int, ...], classes: int, seed: int, ignore: int | None) -> None:
    logits, mask = drawn(space, classes, seed)
    mask.flatten(1)[:, 0] = 0  # at least one voxel counts
    entropy, dice, focal, error = oracle(logits, mask, ignore=ignore)
    for weights, expected in [((1, 0, 0), entropy), ((0, 1, 0), dice), ((0, 0, 1), focal), ((1, 2, 0.5), None)]:
        objective = DenseObjective(cross_entropy=weights[0], dice=weights[1], focal=weights[2], ignore_label=ignore)
        wanted = entropy + 2 * dice + 0.5 * focal if expected is None else expected
        assert objective.loss(logits, mask).numpy() == pytest.approx(wanted, abs=2e-4)
    assert DenseObjective(ignore_label=ignore).error(logits, mask).numpy() == pytest.approx(error, abs=1e-6)


def test_ignored_voxels_have_no_gradient() -> None:
    logits, mask = drawn((4, 4), 3, 0)
    mask[:, :, :2] = 255
    logits.requires_grad_()
    DenseObjective(focal=1.0, ignore_label=255).loss(logits, mask).sum().backward()
    assert logits.grad is not None
    assert not logits.grad[:, :, :2].any() and bool(logits.grad[:, :, 2:].any())


def test_masks_are_seen_at_the_size_of_the_logits() -> None:
    mask = torch.zeros(1, 1, 8, 6, dtype=torch.int64)
    mask[:, :, 4:] = 1
    logits = torch.zeros(1, 2, 4, 3)
    logits[:, 1, 2:], logits[:, 0, :2] = 20.0, 20.0
    assert float(DenseObjective().loss(logits, mask)) < 1e-4 and float(DenseObjective().error(logits, mask)) == 0
    assert resize_masks(mask, (4, 3)).dtype == torch.int64
    assert resize_masks(mask, (8, 6)) is mask


def test_members_are_averaged() -> None:
    (one, mask), (other, _) = drawn((4, 4), 2, 0), drawn((4, 4), 2, 1)
    both = MemberObjective(DenseObjective())
    expected = (DenseObjective().loss(one, mask) + DenseObjective().loss(other, mask)) / 2
    assert torch.allclose(both.loss(torch.stack([one, other], dim=-1), mask), expected)


def test_an_image_without_structures_is_right_where_none_is_found() -> None:
    mask = torch.zeros(2, 1, 2, 2, dtype=torch.int64)
    logits = torch.zeros(2, 2, 2, 2)
    logits[0, 0], logits[1, 1] = 5.0, 5.0
    assert DenseObjective().error(logits, mask).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("target", [NextClassTarget(3), EmptiedMask(), ShiftedMask(), ShiftedMask(share=0.25)])
def test_targets_are_masks_of_the_same_kind(target: TargetMap) -> None:
    mask = torch.zeros(2, 1, 8, 4, 4, dtype=torch.int64)
    mask[:, :, :3, :2] = 2
    aimed = target(mask)
    assert (aimed.shape, aimed.dtype) == (mask.shape, mask.dtype)
    assert set(aimed.unique().tolist()) <= {0, 1, 2} and not torch.equal(aimed, mask)
    if isinstance(target, ShiftedMask):
        expected = mask.numpy()
        for axis in (2, 3, 4):
            expected = np.roll(expected, round(target.share * mask.shape[axis]), axis)
        assert np.array_equal(aimed.numpy(), expected)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: NextClassTarget(1), "num_classes=1: a target needs at least 2 classes"),
        (lambda: ShiftedMask(share=1.0), "share=1.0: masks are shifted by more than 0 and less than all"),
        (lambda: DenseObjective(cross_entropy=0, dice=0), r"focal loss \(0, 0, 0.0\): none below 0, one above"),
        (lambda: DenseObjective(dice=-1), "none below 0"),
    ],
)
def test_refuses_settings_that_mean_nothing(make: Any, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        make()
