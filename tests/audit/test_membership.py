"""Which images a model was trained on, by their loss: against oracles, and on a model that knows them by heart."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from monai_unlearnable.audit.dense_training import DenseLoss
from monai_unlearnable.audit.extra_wording import membership_sentence
from monai_unlearnable.audit.membership import Membership, MembershipRun, Told, image_losses, tell_members
from monai_unlearnable.sources import Task


@settings(max_examples=15)
@given(
    members=st.lists(st.integers(0, 5), min_size=1, max_size=20),
    others=st.lists(st.integers(0, 5), min_size=1, max_size=20),
)
def test_told_is_the_area_and_the_advantage_of_the_mean(members: list[int], others: list[int]) -> None:
    found = tell_members(torch.tensor(members).float(), torch.tensor(others).float())
    truth = [1] * len(members) + [0] * len(others)
    assert found.auroc == pytest.approx(roc_auc_score(truth, [-one for one in (*members, *others)]))
    rates = [np.mean([one <= np.mean(members) for one in group]) for group in (members, others)]
    assert found.advantage == pytest.approx(rates[0] - rates[1])


def test_a_loss_that_says_nothing_is_chance() -> None:
    assert tell_members(torch.ones(5), torch.ones(7)) == Told(0.5, 0.0)


@pytest.mark.parametrize("task", [Task.SINGLE_LABEL, Task.MULTI_LABEL])
def test_the_losses_of_images_are_what_a_victim_is_trained_by(task: Task) -> None:
    logits = torch.randn(9, 4)
    if task is Task.SINGLE_LABEL:
        labels, loss = torch.arange(9) % 4, torch.nn.CrossEntropyLoss()
    else:
        labels, loss = (torch.rand(9, 4) > 0.5).float(), torch.nn.BCEWithLogitsLoss()  # type: ignore[assignment]
    found = image_losses(logits, labels, task=task)
    assert found.tolist() == pytest.approx([float(loss(logits[[one]], labels[[one]])) for one in range(9)], rel=1e-5)


@pytest.mark.parametrize("space", [(6, 5), (4, 3, 5)])
def test_the_losses_of_masks_are_those_of_each_image_alone(space: tuple[int, ...]) -> None:
    logits, labels = torch.randn(4, 3, *space), torch.randint(0, 3, (4, *space))
    alone = [float(DenseLoss("v")(logits[[one]], labels[[one]])) for one in range(4)]
    assert image_losses(logits, labels, task=Task.SEGMENTATION).tolist() == pytest.approx(alone, rel=1e-5)


def _run(trained_on: str, clean: float, released: float, *, seed: int = 0) -> MembershipRun:
    return MembershipRun(trained_on, seed, 50, 40, Told(released, 0.1), Told(clean, 0.2))


def test_means_are_those_of_the_seeds_and_chance_is_that_of_mann_and_whitney() -> None:
    runs = (_run("clean", 0.6, 0.5), _run("clean", 0.8, 0.5, seed=1), _run("released", 0.5, 0.9))
    found = Membership("v", (*runs, _run("released", 0.52, 0.7, seed=1)))
    assert found.to_json()["mean_auroc"] == pytest.approx(
        {
            "trained_on_clean_seen_clean": 0.7,
            "trained_on_clean_seen_released": 0.5,
            "trained_on_released_seen_clean": 0.51,
            "trained_on_released_seen_released": 0.8,
        }
    )
    random = np.random.default_rng(0)
    drawn = [np.mean(random.random((50, 1)) > random.random(40)) for _ in range(2000)]
    assert found.chance_std == pytest.approx(np.std(drawn), rel=0.05)
    sentence = membership_sentence(found)
    assert "with an AUROC of 0.510 (0.700 where it was trained on the originals themselves)" in sentence
    assert "which released files with 0.800; 0.38 to 0.62 is chance." in sentence
