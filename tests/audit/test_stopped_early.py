"""Readers who stop when their network is best on clean images that they have."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from monai_unlearnable.audit import VictimRecipe, audit_release, train_victim
from monai_unlearnable.audit.adversaries import adversary_of, with_adversaries
from monai_unlearnable.audit.loading import ImageSet
from monai_unlearnable.audit.runs import run_key
from monai_unlearnable.audit.stopped_early import StoppedEarly
from monai_unlearnable.audit.taken import base_of, steps_of, steps_text
from monai_unlearnable.audit.wording import headline_sentence
from monai_unlearnable.dense_networks import small_unet
from monai_unlearnable.errors import NotApplicableError
from monai_unlearnable.sources import Task
from tests.audit.test_starts import image_set, write_npz
from tests.audit.tiny import RECIPE

WILD = replace(RECIPE, epochs=8, learning_rate=0.3)
"""A victim whose scores rise and fall from epoch to epoch."""


def released_and_clean(count: int = 20) -> tuple[ImageSet, ImageSet]:
    clean = image_set(count=count)
    return replace(clean, images=clean.images + 1, sha256="released"), clean


@pytest.mark.parametrize(("count", "share", "held"), [(20, 0.1, 2), (23, 0.5, 12), (20, 0.9, 18)])
def test_what_it_stops_by_is_clean_and_not_trained_on(count: int, share: float, held: int) -> None:
    released, clean = released_and_clean(count)
    trained, validation = StoppedEarly(share=share).split(released, clean, seed=4)
    assert (len(trained), len(validation)) == (count - held, held)
    own = {one.numpy().tobytes() for one in clean.images}
    seen = [one.numpy().tobytes() for one in validation.images]
    trained_on = [(one - 1).numpy().tobytes() for one in trained.images]
    assert set(seen) | set(trained_on) == own and not set(seen) & set(trained_on)
    for part in (trained, validation):
        original = {one.numpy().tobytes(): int(label) for one, label in zip(clean.images, clean.labels, strict=True)}
        images = part.images - 1 if part is trained else part.images
        assert [original[one.numpy().tobytes()] for one in images] == part.labels.tolist()
        assert len(part.windows) == len(part)
    again, other = (StoppedEarly(share=share).split(released, clean, seed=one)[1] for one in (4, 5))
    assert again.sha256 == validation.sha256 and torch.equal(again.images, validation.images)
    assert other.sha256 != validation.sha256 and not torch.equal(other.images, validation.images)
    assert len({released.sha256, clean.sha256, trained.sha256, validation.sha256}) == 4


def test_the_clean_part_of_a_seed_is_another_one() -> None:
    recipe = adversary_of(adversary_of(RECIPE, "clean-part:0.5"), "early-stopping:0.5")
    assert recipe.clean_part is not None and recipe.early_stopping is not None
    released, clean = released_and_clean()
    mixed = recipe.clean_part.of(released, clean, seed=4)
    trained, _ = recipe.early_stopping.split(mixed, clean, seed=4)
    own = {one.numpy().tobytes() for one in clean.images}
    assert all(one.numpy().tobytes() in own for one in trained.images), "the clean half is left to train on"


@pytest.mark.parametrize("task", [Task.SINGLE_LABEL, Task.MULTI_LABEL])
def test_the_score_is_that_of_the_best_epoch_on_other_images(task: Task) -> None:
    train, *others = (image_set(count=32, seed=seed) for seed in (0, 1, 2))
    if task is Task.MULTI_LABEL:
        train, *others = (
            replace(one, task=task, labels=torch.stack([one.labels, 1 - one.labels], 1).float())
            for one in (train, *others)
        )
    last = 0
    for seed in range(4):
        # The same training twice: what one is tested on, the other stops by.
        first, second = (train_victim(WILD, train, others[at], seed=seed, validation=others[1 - at]) for at in range(2))
        for one, other in ((first, second), (second, first)):
            best = other.score_curve.index(max(other.score_curve))
            assert one.score == one.score_curve[best]
            last += best == WILD.epochs - 1
        assert first.loss_curve == second.loss_curve
    assert last < 8, "some stop before the end"


def test_masks_are_scored_with_the_weights_of_that_epoch() -> None:
    random = torch.Generator().manual_seed(0)
    sets = []
    for count in (8, 6):
        masks = torch.zeros(count, 16, 16, dtype=torch.int64)
        masks[:, 4:10, 3:12] = 1
        images = (60 + 100 * masks[:, None] + torch.randint(0, 40, (count, 1, 16, 16), generator=random)).byte()
        windows = torch.tensor([[0.0, 255.0]]).repeat(count, 1)
        sets.append(ImageSet(images, masks, windows, Task.SEGMENTATION, 2, str(count)))
    recipe = VictimRecipe(name="unet", network=small_unet, epochs=4, batch_size=4, learning_rate=0.3)
    for seed in range(3):
        result = train_victim(recipe, *sets, seed=seed, validation=sets[1])
        assert result.score == result.peak == max(result.score_curve)
        assert result.dense is not None and result.dense.iou == pytest.approx(result.score, abs=1e-6)


def test_an_audit_tries_it_on_both_sides(tmp_path: Path) -> None:
    clean = write_npz(tmp_path / "clean.npz")
    victims = with_adversaries([RECIPE], ["early-stopping:0.25"], dense=False)
    released = write_npz(tmp_path / "released.npz", seed=1)
    report = audit_release(released, clean=clean, output=tmp_path / "audit", recipes=victims, seeds=1)
    plain, stopped = report.outcomes
    assert stopped.recipe.name == f"{RECIPE.name}, early-stopping:0.25" and not stopped.recipe.is_plain
    assert stopped.released[0].loss_curve != plain.released[0].loss_curve, "it is trained on fewer images"
    assert len(list((tmp_path / "audit" / "runs").glob("*.json"))) == 4
    sentence = headline_sentence(stopped)
    assert "and stopped when it was best on 25% of the originals, which it has clean, answers" in sentence
    written = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert written["recipes"][1]["recipe"]["early_stopping"] == {"share": 0.25}
    assert "stopped early" in (tmp_path / "audit" / "audit.html").read_text()


def test_trainings_that_stop_by_other_images_are_other_trainings() -> None:
    one, other = image_set(seed=1), image_set(seed=2)
    keys = {run_key(RECIPE, one, one, seed=0, validation=by) for by in (None, one, other)}
    assert len(keys) == 3


def test_it_is_told_and_drawn_apart_from_the_victim() -> None:
    stopped = adversary_of(RECIPE, "early-stopping:0.1")
    assert steps_text(steps_of(stopped)) == "stopped early, share 0.1"
    assert base_of(stopped) == base_of(RECIPE)


def test_too_few_images_are_said_to_be_not_applicable() -> None:
    released, clean = released_and_clean()
    with pytest.raises(NotApplicableError, match=r"0\.05 of 20 images leave fewer than 2 to stop by or to train on"):
        StoppedEarly(share=0.05).split(released, clean, seed=0)
    with pytest.raises(NotApplicableError, match=r"0\.95 of 20 images leave fewer than 2"):
        StoppedEarly(share=0.95).split(released, clean, seed=0)
    with pytest.raises(NotApplicableError, match="20 images to train on, 10 originals; stopping early needs both"):
        StoppedEarly(share=0.5).split(released, image_set(count=10), seed=0)
    labels = torch.zeros(20, 2)
    several = [replace(one, task=Task.MULTI_LABEL, labels=labels) for one in (released, clean)]
    with pytest.raises(NotApplicableError, match=r"0\.5 of 20 images hold no label both set and not set"):
        StoppedEarly(share=0.5).split(*several, seed=0)
