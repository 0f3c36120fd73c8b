from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from monai_unlearnable.audit import VictimRecipe, run, train_victim
from monai_unlearnable.audit.loading import ImageSet, load_images
from monai_unlearnable.audit.pairing import AuditData
from monai_unlearnable.audit.victims import DENSE_RECIPE, NetworkFactory, default_recipe
from monai_unlearnable.cli import main
from monai_unlearnable.dense_networks import small_attention_unet, small_segresnet
from monai_unlearnable.errors import SourceError
from monai_unlearnable.networks import small_resnet
from monai_unlearnable.sources import Task
from monai_unlearnable.verbs import audit as verb
from tests.audit.discs import RECIPE, MaskSource, audit_data, discs


def _set(count: int, *, seed: int) -> ImageSet:
    return load_images(MaskSource(*discs(count, seed=seed)))


def test_the_same_seed_gives_the_same_victim() -> None:
    recipe = replace(RECIPE, epochs=2, augment=True)
    train, test = _set(8, seed=0), _set(4, seed=1)
    first, again, other = (replace(train_victim(recipe, train, test, seed=seed), seconds=0.0) for seed in (3, 3, 4))
    assert first == again
    assert first.loss_curve != other.loss_curve
    assert first.balanced_accuracy is None


@pytest.mark.parametrize("network", [small_segresnet, small_attention_unet])
def test_every_network_can_be_a_victim(network: NetworkFactory) -> None:
    recipe = replace(RECIPE, epochs=1, network=network)
    result = train_victim(recipe, _set(8, seed=0), _set(2, seed=1), seed=0)
    assert 0 <= result.score <= 1
    assert [one.shape for one in result.predictions] == [(24, 24)] * 2


def test_predictions_are_those_of_the_last_epoch() -> None:
    result = train_victim(RECIPE, _set(16, seed=0), (test := _set(4, seed=1)), seed=0)
    assert result.dense is not None
    ious = []
    for packed, truth in zip(result.predictions, test.labels.numpy(), strict=True):
        predicted = packed.unpacked()
        ious.append((predicted & truth).sum() / (predicted | truth).sum())
    assert sum(ious) / 4 == pytest.approx(result.score)


def test_a_network_of_another_kind_is_named() -> None:
    recipe = replace(RECIPE, name="wrong", network=small_resnet)
    with pytest.raises(ValueError, match=r"victim 'wrong' gives logits \(4, 2\) .*such as dense_networks.small_unet"):
        train_victim(recipe, _set(8, seed=0), _set(2, seed=1), seed=0)


def test_test_masks_without_structures_are_refused() -> None:
    test = _set(2, seed=1)
    empty = replace(test, labels=torch.zeros_like(test.labels))
    recipe = replace(RECIPE, learning_rate=1e-9, epochs=1, network=_all_background)
    with pytest.raises(SourceError, match="no prediction shows any structure"):
        train_victim(recipe, _set(8, seed=0), empty, seed=0)


def _all_background(*, spatial_dims: int, in_channels: int, num_classes: int) -> torch.nn.Module:
    network = torch.nn.Conv2d(in_channels, num_classes, 1)
    network.weight.data.zero_()
    network.bias.data = torch.tensor([9.0, -9.0])  # type: ignore[union-attr]
    return network


def test_an_audit_chooses_its_victim_by_the_task() -> None:
    assert default_recipe(Task.SEGMENTATION) is DENSE_RECIPE
    assert default_recipe(Task.SINGLE_LABEL) == default_recipe(Task.MULTI_LABEL) == VictimRecipe()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with ``release`` and ``clean``; the command line reads made-up discs in their place."""
    monkeypatch.chdir(tmp_path)
    data = audit_data(decoyed=False, count=8, tested=2)
    for module in (verb, run):
        monkeypatch.setattr(module, "open_data", lambda *_, **__: data)
    for name in ("release", "clean"):
        (tmp_path / name).mkdir()
    return tmp_path


_WORDS = ("audit", "release", "--clean", "clean", "--output", "out", "--seeds", "1", "--epochs", "1")


def _recipes(folder: Path) -> list[tuple[str, int | None]]:
    content = json.loads((folder / "out" / "audit.json").read_text())
    return [(one["recipe"]["name"], one["recipe"]["image_size_px"]) for one in content["recipes"]]


def test_a_segmentation_release_meets_a_unet(folder: Path) -> None:
    assert main([*_WORDS]) == 1
    assert _recipes(folder) == [("unet", None)]


def test_victims_are_chosen_by_name(folder: Path) -> None:
    words = [*_WORDS, "--victim", "segresnet", "--victim", "attention_unet", "--victim-size-px", "16"]
    assert main(words) == 1
    assert _recipes(folder) == [("segresnet", 16), ("attention_unet", 16)]


def test_victims_of_another_task_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*_WORDS, "--victim", "resnet18"]) == 2
    assert "--victim resnet18: the release's labels are segmentation; its victims are unet, segresnet" in (
        capsys.readouterr().err
    )
    assert main([*_WORDS, "--victim", "resnet18", "--victim", "unet"]) == 2
    assert "unet, segresnet, attention_unet are for segmentation" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sides", "dims", "expected"),
    [
        ([20, 27], 2, 32),
        ([20, 200], 2, 128),
        ([200], 2, 128),
        ([128], 2, None),
        ([20, 24], 3, 24),
        ([20, 100], 3, 96),
    ],
)
def test_large_images_are_seen_smaller_and_small_ones_not_larger(
    sides: list[int], dims: int, expected: int | None
) -> None:
    parts = [discs(1, seed=side, dims=dims, size_px=side) for side in sides]
    source = MaskSource([one[0][0] for one in parts], [one[1][0] for one in parts])
    data = AuditData(source, source, source, ((0, 0),), ((0, 0),), (0,), "")
    assert verb._size_for(data) == expected
    source.task = Task.SINGLE_LABEL
    assert verb._size_for(data) == (min(expected, 96) if expected else None)
