from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from monai_unlearnable.audit import TrainingResult, VictimRecipe, train_victim
from monai_unlearnable.audit.batches import WholeBatches
from monai_unlearnable.audit.loading import ImageSet
from monai_unlearnable.errors import DivergedError, SourceError
from monai_unlearnable.networks import small_resnet
from monai_unlearnable.sources import Task
from tests.audit.tiny import RECIPE, halves


def _set(count: int, *, seed: int, channels: int = 1, task: Task = Task.SINGLE_LABEL) -> ImageSet:
    images, labels = halves(count, seed=seed)
    tensor = torch.from_numpy(np.repeat(images[:, None], channels, axis=1))
    target = torch.from_numpy(labels)
    if task is Task.MULTI_LABEL:
        target = torch.stack([target, 1 - target], dim=1).float()
    return ImageSet(tensor, target, _byte_windows(len(tensor)), task, 2, hashlib.sha256(images.tobytes()).hexdigest())


def _byte_windows(count: int) -> torch.Tensor:
    return torch.tensor([[0.0, 255.0]]).repeat(count, 1)


def _untimed(result: TrainingResult) -> TrainingResult:
    return replace(result, seconds=0.0)


@pytest.mark.parametrize("recipe", [RECIPE, VictimRecipe(epochs=2, batch_size=16, augment=True)])
def test_the_same_seed_gives_the_same_victim(recipe: VictimRecipe) -> None:
    train, test = _set(48, seed=0), _set(30, seed=1)
    first, again, other = (train_victim(recipe, train, test, seed=seed) for seed in (3, 3, 4))
    assert _untimed(first) == _untimed(again)
    assert first.loss_curve != other.loss_curve


@pytest.mark.parametrize("task", [Task.SINGLE_LABEL, Task.MULTI_LABEL])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_victim_learns_from_clean_images(task: Task, channels: int) -> None:
    sets = (_set(count, seed=seed, channels=channels, task=task) for seed, count in enumerate((60, 30)))
    result = train_victim(RECIPE, *sets, seed=0)
    assert result.score > 0.9
    assert result.peak >= result.score
    assert len(result.score_curve) == len(result.loss_curve) == RECIPE.epochs
    assert result.score_curve[-1] == result.score
    assert result.loss_curve[-1] < result.loss_curve[0]
    assert (result.balanced_accuracy is None) == (task is Task.MULTI_LABEL)


def test_a_victim_can_be_trained_on_volumes() -> None:
    images = torch.randint(0, 255, (12, 1, 8, 8, 8), dtype=torch.uint8)
    volumes = ImageSet(images, torch.arange(12) % 2, _byte_windows(12), Task.SINGLE_LABEL, 2, "0")
    recipe = VictimRecipe(epochs=1, batch_size=6, augment=True, network=small_resnet)
    assert 0 <= train_victim(recipe, volumes, volumes, seed=0).score <= 1


def test_one_batch_and_one_epoch_are_enough() -> None:
    recipe = replace(RECIPE, epochs=1, batch_size=500)
    assert len(train_victim(recipe, _set(6, seed=0), _set(6, seed=1), seed=0).score_curve) == 1


def test_training_leaves_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    train_victim(replace(RECIPE, augment=True, epochs=1), _set(20, seed=0), _set(9, seed=1), seed=0)
    assert torch.equal(before, torch.random.get_rng_state())


def test_every_epoch_is_told() -> None:
    told: list[int] = []
    train_victim(RECIPE, _set(20, seed=0), _set(9, seed=1), seed=0, on_epoch=lambda: told.append(1))
    assert len(told) == RECIPE.epochs


def test_a_diverging_victim_is_an_error_and_not_a_protected_release() -> None:
    recipe = VictimRecipe(epochs=2, batch_size=8, learning_rate=1e30)
    with pytest.raises(DivergedError, match=r"training loss is (nan|inf).*lower learning_rate"):
        train_victim(recipe, _set(24, seed=0), _set(9, seed=1), seed=0)


def test_test_images_of_another_kind_are_refused() -> None:
    train = _set(12, seed=0)
    with pytest.raises(SourceError, match=r"\(task, classes, channels\)"):
        train_victim(RECIPE, train, _set(9, seed=1, channels=3), seed=0)
    smaller = replace(train, images=train.images[..., :10])
    with pytest.raises(SourceError, match=r"size \(12, 10\).*\(12, 12\).*image_size_px"):
        train_victim(RECIPE, train, smaller, seed=0)
    with pytest.raises(SourceError, match="at least 2 are needed"):
        train_victim(RECIPE, replace(train, images=train.images[:1]), train, seed=0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": ""}, "name=''"),
        ({"epochs": 0}, "epochs=0"),
        ({"batch_size": 1}, "batch_size=1"),
        ({"learning_rate": 0.0}, "learning_rate=0.0"),
        ({"image_size_px": 2}, "image_size_px=2"),
    ],
)
def test_recipes_out_of_range_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VictimRecipe(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.float32])
def test_bytes_are_scaled_as_they_always_were(dtype: torch.dtype) -> None:
    """Figures of 8-bit sets that were published stay what they are, to the last bit."""
    levels = torch.arange(256).reshape(4, 1, 8, 8).to(dtype)
    images = ImageSet(levels, torch.zeros(4, dtype=torch.long), _byte_windows(4), Task.SINGLE_LABEL, 2, "")
    batch = WholeBatches(images, generator=None)[[3, 0, 2]]["image"]
    assert torch.equal(batch, (levels[[3, 0, 2]].float() / 255.0 - 0.5) / 0.5)


def test_every_image_is_scaled_by_its_own_window() -> None:
    levels = torch.tensor([[0.0, 255.0], [300.0, 1300.0]]).reshape(2, 1, 1, 2)
    windows = torch.tensor([[0.0, 255.0], [300.0, 2300.0]])
    images = ImageSet(levels, torch.zeros(2, dtype=torch.long), windows, Task.SINGLE_LABEL, 2, "")
    assert WholeBatches(images, generator=None)[[1, 0]]["image"].tolist() == [[[[-1.0, 0.0]]], [[[-1.0, 1.0]]]]
