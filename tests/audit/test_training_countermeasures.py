"""Victims who change every batch, or fit something to their images first: what they are trained on, and by what."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monai_unlearnable.audit import VictimRecipe, audit_release, run
from monai_unlearnable.audit.adversaries import adversary_of
from monai_unlearnable.audit.dense_training import DenseLoss
from monai_unlearnable.audit.loading import ImageSet, fitted_images
from monai_unlearnable.audit.training import TrainingResult, train_victim
from monai_unlearnable.audit.victim_trainer import _countermeasures
from monai_unlearnable.countermeasures import OrthogonalProjection, Projected
from monai_unlearnable.errors import NotApplicableError
from monai_unlearnable.sources import Task
from tests.audit import discs
from tests.audit.tiny import RECIPE, TinyNetwork, halves, write_release, write_source

EVERY_BATCH = ("noise:8/255", "affine", "cutout", "mixup", "cutmix", "ueraser", "ueraser:2")
BYTES = torch.tensor([[0.0, 255.0]])


def image_set(*, task: Task = Task.SINGLE_LABEL, dimensions: int = 2) -> ImageSet:
    """24 images of two classes."""
    pictures, numbers = halves(24, seed=0)
    images, labels = torch.from_numpy(pictures[:, None]), torch.from_numpy(numbers)
    if dimensions == 3:
        images = images[..., None].expand(-1, -1, -1, -1, 6).contiguous()
    if task is Task.MULTI_LABEL:
        labels = torch.stack([labels, 1 - labels], dim=1).float()
    if task is Task.SEGMENTATION:
        labels = (images[:, 0] > 130).long()
    return ImageSet(images, labels, BYTES.repeat(24, 1), task, 2, "0")


def untimed(result: TrainingResult) -> TrainingResult:
    return replace(result, seconds=0.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("noise:8/255", {"countermeasure": "GaussianAdded", "sigma": pytest.approx(16 / 255)}),
        ("affine", {"countermeasure": "AffineMoved", "rotation_rad": 0.3, "scale": 0.2, "shift": 0.1}),
        ("cutout", {"countermeasure": "BoxHidden", "side": 0.5}),
        ("mixup", {"countermeasure": "ImagesMixed", "alpha": 1.0}),
        ("cutmix", {"countermeasure": "BoxSwapped", "alpha": 1.0}),
    ],
)
def test_changes_of_batches_are_written_and_described(text: str, expected: dict[str, Any]) -> None:
    victim = adversary_of(RECIPE, text)
    assert victim.name == f"{RECIPE.name}, {text}" and not victim.is_plain
    assert victim.describe() == RECIPE.describe() | {"name": victim.name, "training": [expected]}
    assert json.loads(json.dumps(victim.describe())) == victim.describe()
    assert len(adversary_of(victim, "mixup").training) == 2


def test_the_worst_of_so_many_versions() -> None:
    five, three = (adversary_of(RECIPE, one).describe()["training"][0] for one in ("ueraser", "ueraser:3"))
    assert (five["count"], three["count"]) == (5, 3) and five["augmentation"] == three["augmentation"]


def test_a_projection_is_fitted_and_described() -> None:
    victim = adversary_of(RECIPE, "projection")
    expected = {"countermeasure": "Projected", "epochs": 20, "learning_rate": 0.1, "seed": 0}
    assert victim.describe() == RECIPE.describe() | {"name": victim.name, "fitted": [expected]}
    assert not victim.is_plain


def test_victims_without_countermeasures_are_described_as_ever() -> None:
    # Finished trainings on disk are found by this description.
    assert VictimRecipe().describe() == {
        "name": "small_resnet",
        "network": "monai_unlearnable.networks.small_resnet",
        "optimizer": "monai_unlearnable.audit.victims.sgd_optimizer",
        "epochs": 20,
        "batch_size": 32,
        "learning_rate": 0.1,
        "learning_rate_schedule": "one cycle",
        "image_size_px": None,
        "augment": False,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ueraser:1", "countermeasure 'ueraser:1': count=1: from 2 to 100 versions"),
        ("ueraser:x", "countermeasure 'ueraser:x': 'x' is no whole number. .ueraser:COUNT: trains on the worst"),
        ("noise", "countermeasure 'noise' is not understood. Write noise:SIGMA"),
        ("noise:x", "countermeasure 'noise:x': 'x' is no number or fraction"),
        ("noise:2", "the number 2 is a share of the window, above 0 and at most 1"),
        ("affine:2", "countermeasure 'affine:2' is not understood"),
        ("projection:", "countermeasure 'projection:' is not understood"),
    ],
)
def test_what_is_not_understood_says_why(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        adversary_of(RECIPE, text)


@pytest.mark.parametrize("task", [Task.SINGLE_LABEL, Task.MULTI_LABEL])
@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("text", EVERY_BATCH)
def test_they_change_the_training_and_not_the_images(text: str, task: Task, dimensions: int) -> None:
    images = image_set(task=task, dimensions=dimensions)
    before = images.images.clone()
    recipe = replace(RECIPE, epochs=2)
    plain = train_victim(recipe, images, images, seed=0)
    changed, again = (train_victim(adversary_of(recipe, text), images, images, seed=0) for _ in range(2))
    assert torch.equal(images.images, before)
    assert changed.loss_curve != plain.loss_curve and untimed(changed) == untimed(again)


@pytest.mark.parametrize("text", [*EVERY_BATCH, "adversarial:4/255"])
def test_they_train_on_masks(text: str) -> None:
    images = image_set(task=Task.SEGMENTATION)
    images = replace(images, images=images.images[:8], labels=images.labels[:8], windows=images.windows[:8])
    recipe = replace(discs.RECIPE, epochs=1)
    plain = train_victim(recipe, images, images, seed=0)
    changed = train_victim(adversary_of(recipe, text, dense=True), images, images, seed=0)
    assert changed.loss_curve != plain.loss_curve and changed.dense is not None


def test_two_changes_draw_their_own_numbers() -> None:
    images = image_set()
    recipe = replace(RECIPE, epochs=1)
    twice = adversary_of(adversary_of(recipe, "mixup"), "noise:1/255")
    handlers = _countermeasures(adversary_of(twice, "adversarial:1/255"), images, seed=5)
    assert [type(one.change).__name__ for one in handlers[:2]] == ["ImagesMixed", "GaussianAdded"]
    assert [one.seed for one in handlers] == [6, 7, 5] and handlers[0].class_count == 2
    plain, both = (train_victim(one, images, images, seed=0) for one in (recipe, twice))
    assert both.loss_curve != plain.loss_curve


def test_shares_of_whole_classes_have_the_loss_of_masks() -> None:
    masks = image_set(task=Task.SEGMENTATION).labels[:4]
    logits = torch.randn(4, 2, *masks.shape[1:])
    shares = torch.nn.functional.one_hot(masks, 2).movedim(-1, 1).float()
    loss = DenseLoss("a")
    torch.testing.assert_close(loss(logits, shares), loss(logits, masks))


class Noted(TinyNetwork):
    """Keeps what it is given while it is trained and while it is tested."""

    seen: dict[bool, list[torch.Tensor]]

    def forward(self, images: Any) -> Any:
        self.seen[self.training].append(images.detach().clone())
        return super().forward(images)


def test_a_projection_is_fitted_to_the_training_images_and_leaves_the_tests() -> None:
    train, test = image_set(), image_set()
    test = replace(test, images=test.images.flip(0), labels=test.labels.flip(0))
    seen: dict[bool, list[torch.Tensor]] = {True: [], False: []}

    def network(**options: int) -> torch.nn.Module:
        made = Noted(**options)
        made.seen = seen
        return made

    recipe = replace(RECIPE, network=network, epochs=1, batch_size=24)
    train_victim(adversary_of(recipe, "projection"), train, test, seed=0)
    projection = OrthogonalProjection.fit(train.images.float(), train.labels)
    expected = torch.stack([torch.as_tensor(projection(one)) for one in train.images.float()]) / 127.5 - 1
    order = [int((one - expected).abs().flatten(1).amax(1).argmin()) for one in seen[True][0]]
    assert sorted(order) == list(range(24))
    torch.testing.assert_close(seen[True][0], expected[order], atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[False][0], test.images.float() / 127.5 - 1, atol=1e-5, rtol=0)
    assert not torch.allclose(expected, expected.mul(127.5).round().div(127.5)), "not rounded to levels"


@pytest.mark.parametrize("task", [Task.MULTI_LABEL, Task.SEGMENTATION])
def test_a_projection_needs_class_indices(task: Task) -> None:
    with pytest.raises(NotApplicableError, match=r"OrthogonalProjection: labels of shape .* needed is one class index"):
        fitted_images(image_set(task=task), (Projected(),))


def test_an_audit_names_a_projection_of_masks_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "open_data", lambda *_, **__: discs.audit_data())
    recipe = replace(discs.RECIPE, epochs=1)
    recipes = [adversary_of(recipe, one, dense=True) for one in ("mixup", "projection", "grey")]
    report = audit_release("r", clean="c", output=tmp_path / "out", recipes=recipes, seeds=1)
    assert [one.recipe.name for one in report.outcomes] == ["tiny unet, mixup"]
    left_out = {one.recipe.name: one.reason for one in report.not_applied}
    assert list(left_out) == ["tiny unet, projection", "tiny unet, grey"]
    assert "OrthogonalProjection: labels of shape (24, 24, 24)" in left_out["tiny unet, projection"]
    assert "tiny unet, projection" in (tmp_path / "out" / "audit.html").read_text()


def test_an_audit_names_files_of_volumes_and_deep_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = discs.audit_data(dims=3, count=8, tested=4)
    monkeypatch.setattr(run, "open_data", lambda *_, **__: data)
    recipe = replace(discs.RECIPE, epochs=1)
    kinds = ("affine", "jpeg:50", "jpeg2000:10", "bits:2", "grey", "projection")
    recipes = [adversary_of(recipe, one, dense=True) for one in kinds]
    report = audit_release("r", clean="c", output=tmp_path / "out", recipes=recipes, seeds=1)
    reasons = {one.recipe.name.split(", ")[1]: one.reason for one in report.not_applied}
    assert list(reasons) == list(kinds[1:])
    for kind in kinds[1:5]:
        assert "needs pictures of 1 or 3 channels, not an image of shape (1, 24, 24, 24)" in reasons[kind]


def test_an_audit_names_jpeg_of_sixteen_bits(tmp_path: Path) -> None:
    deep = {"train_images": 200, "val_images": 200, "test_images": 200}
    source = write_source(tmp_path / "set.npz")
    with np.load(source, allow_pickle=False) as archive:
        arrays: dict[str, Any] = {
            key: value.astype(np.uint16) * deep[key] if key in deep else value for key, value in archive.items()
        }
    np.savez(source, **arrays)
    (tmp_path / "release").mkdir()
    np.savez(tmp_path / "release" / source.name, **{**arrays, "train_images": arrays["train_images"] + np.uint16(9)})
    kinds = ("cutout", "jpeg:50", "jpeg2000:10", "bits:2")
    recipes = [adversary_of(replace(RECIPE, epochs=1), one) for one in kinds]
    report = audit_release(tmp_path / "release", clean=source, output=tmp_path / "out", recipes=recipes, seeds=1)
    assert [one.recipe.name for one in report.outcomes] == ["tiny, cutout"]
    assert len(report.not_applied) == 3
    assert all(
        "needs pictures of 8 bits; this one has values of type uint16" in one.reason for one in report.not_applied
    )


def test_an_audit_takes_up_finished_trainings_of_every_kind(tmp_path: Path) -> None:
    source = write_source(tmp_path / "set.npz")
    release = write_release(tmp_path / "release", source)
    recipes = [adversary_of(replace(RECIPE, epochs=1), one) for one in (*EVERY_BATCH, "projection")]
    trained: list[str] = []

    def audit() -> list[list[float]]:
        report = audit_release(
            release,
            clean=source,
            output=tmp_path / "out",
            recipes=recipes,
            seeds=1,
            progress=lambda what, *_: trained.append(what),
        )
        return [[one.score for one in (*each.released, *each.clean)] for each in report.outcomes]

    first = audit()
    files = {one: one.stat().st_mtime_ns for one in (tmp_path / "out" / "runs").iterdir()}
    assert len(files) == 2 * len(recipes)
    assert audit() == first
    assert {one: one.stat().st_mtime_ns for one in (tmp_path / "out" / "runs").iterdir()} == files
