"""Victims who learn from images without labels first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from monai_unlearnable.audit import VictimRecipe, audit_release
from monai_unlearnable.audit.adversaries import adversary_of
from monai_unlearnable.audit.contrastive import learn_without_labels
from monai_unlearnable.audit.loading import ImageSet
from monai_unlearnable.audit.self_supervision import SelfSupervision
from monai_unlearnable.audit.starts import load_start
from monai_unlearnable.audit.taken import steps_of, steps_text
from monai_unlearnable.audit.victim_trainer import own_weights
from monai_unlearnable.errors import NotApplicableError
from monai_unlearnable.networks import small_densenet, small_resnet
from monai_unlearnable.sources.base import Task
from tests.audit.test_starts import CPU, image_set, write_npz

HOW = SelfSupervision(times_epochs=1, batch_size=8)


def images_of_two_kinds(count: int = 64) -> ImageSet:
    """Waves along one axis and along the other, at any place; labels are of no use."""
    random = torch.Generator().manual_seed(0)
    at = torch.arange(16)
    rows = []
    for number in range(count):
        shift = int(torch.randint(0, 4, (), generator=random))
        wave = (120 + 80 * torch.cos((at + shift) * torch.pi / 2)).expand(16, 16)
        rows.append((wave if number % 2 else wave.T) + 10 * torch.randn(16, 16, generator=random))
    images = torch.stack(rows).clamp(0, 255).to(torch.uint8)[:, None]
    return replace(image_set(count), images=images, labels=torch.arange(count) % 2)


@pytest.mark.parametrize("build", [small_resnet, small_densenet])
def test_weights_follow_from_images_and_seed_and_not_from_labels(build: object) -> None:
    recipe = VictimRecipe(network=build, epochs=1, batch_size=4)  # type: ignore[arg-type]
    images = images_of_two_kinds(16)
    others = replace(images, labels=torch.zeros(16, dtype=torch.int64))
    one, same, other = (
        learn_without_labels(recipe, HOW, train, seed=seed, device=CPU)
        for train, seed in ((images, 0), (others, 0), (images, 1))
    )
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)
    network = recipe.network(spatial_dims=2, in_channels=1, num_classes=5)
    load_start(
        network, one, own_weights(recipe, replace(images, class_count=5))
    )  # another number of classes is no matter
    assert torch.equal(network.state_dict()[next(iter(one))], next(iter(one.values())))


def test_what_was_learnt_tells_images_apart_that_labels_never_told() -> None:
    train = images_of_two_kinds()
    recipe = VictimRecipe(epochs=10, batch_size=16)

    def distance_share(network: nn.Module) -> float:
        """Mean distance within a kind over that between kinds, of what the last layer is given."""
        network.fc = nn.Identity()
        seen = nn.functional.normalize(network.eval()(train.images.float() / 127.5 - 1).detach())
        distances = torch.cdist(seen, seen)
        same = train.labels[:, None] == train.labels[None]
        return float(distances[same].sum() / (same.sum() - len(same)) / distances[~same].mean())

    torch.manual_seed(0)
    blank = small_resnet(spatial_dims=2, in_channels=1, num_classes=2)
    learnt = small_resnet(spatial_dims=2, in_channels=1, num_classes=2)
    weights = learn_without_labels(recipe, replace(HOW, batch_size=32), train, seed=0, device=CPU)
    load_start(learnt, weights, own_weights(recipe, train))
    assert distance_share(learnt) < 0.8 * distance_share(blank)


def test_an_audit_of_a_self_supervised_victim(tmp_path: Path) -> None:
    clean = write_npz(tmp_path / "clean.npz", size=16)
    victim = adversary_of(VictimRecipe(epochs=1, batch_size=8), "self-supervised")
    assert victim.start == SelfSupervision()
    assert steps_text(steps_of(victim)) == "pretrained, without labels"
    report = audit_release(clean, clean=clean, output=tmp_path / "audit", recipes=[replace(victim, start=HOW)], seeds=1)
    (outcome,) = report.outcomes
    assert outcome.released[0].loss_curve == outcome.clean[0].loss_curve  # nothing is protected here


def test_masks_and_values_out_of_range_are_refused() -> None:
    with pytest.raises(NotApplicableError, match="labels are masks"):
        HOW.images_like(replace(image_set(), task=Task.SEGMENTATION))
    assert HOW.images_like(image := image_set()) is image
    for wrong in ({"times_epochs": 0}, {"batch_size": 1}, {"learning_rate": 0.0}, {"temperature": float("inf")}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            SelfSupervision(**wrong)
