"""A generator's road: train and release, then releases and single images without training."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from monai_unlearnable.budgets import L2Budget
from monai_unlearnable.engines import GeneratorWithSurrogates
from monai_unlearnable.errors import BudgetError, LedgerError
from monai_unlearnable.perturbations import ContourBand, PerturbationBatch, Salient
from monai_unlearnable.release import restore_release, verify_release
from monai_unlearnable.sources import open_source
from monai_unlearnable.transforms import GeneratorPerturbation, GeneratorPerturbationd
from monai_unlearnable.workflows import GeneratorRecipe, ProtectReport, load_generator, protect, survey
from tests.bundles.running import contents, write_multi_label_npz
from tests.small_data import class_images, write_class_folders, write_npz
from tests.sources.files import save
from tests.workflows.test_dense_road import pictures, volumes


def one_convolution(*, spatial_dims: int, in_channels: int, num_classes: int) -> nn.Module:
    kind: Any = nn.Conv2d if spatial_dims == 2 else nn.Conv3d
    return nn.Sequential(kind(in_channels + num_classes, in_channels, 3, padding=1), nn.Tanh())


def few_pixels(*, spatial_dims: int, in_channels: int, num_classes: int) -> nn.Module:
    kind: Any = nn.Conv2d if spatial_dims == 2 else nn.Conv3d
    pool: Any = nn.AdaptiveAvgPool2d if spatial_dims == 2 else nn.AdaptiveAvgPool3d
    return nn.Sequential(
        kind(in_channels, 4, 3), nn.ReLU(), pool(3), nn.Flatten(), nn.Linear(4 * 3**spatial_dims, num_classes)
    )


def every_voxel(*, spatial_dims: int, in_channels: int, num_classes: int) -> nn.Module:
    kind: Any = nn.Conv2d if spatial_dims == 2 else nn.Conv3d
    return nn.Sequential(kind(in_channels, 4, 3, padding=1), nn.ReLU(), kind(4, num_classes, 3, padding=1))


BAND = ContourBand(inside_px=2, outside_px=2)
QUICK = GeneratorRecipe(
    generator_network=one_convolution,
    networks=(few_pixels,),
    dense_networks=(every_voxel,),
    epochs=2,
    surrogate_steps=1,
    surrogate_batch_size=4,
    dense_batch_size=2,
)
KINDS: dict[str, Any] = {
    "one label": lambda root: write_npz(root / "set.npz", train_per_class=4),
    "several labels": lambda root: write_multi_label_npz(root / "set.npz"),
    "folders": lambda root: write_class_folders(root / "set", per_class=3),
    "pictures with masks": lambda root: pictures(root / "set"),
    "volumes with masks": lambda root: volumes(root / "set"),
}


def road(source: Path, root: Path, recipe: GeneratorRecipe, name: str = "", **options: Any) -> ProtectReport:
    places: dict[str, Any] = {"output": root / f"{name}release", "ledger": root / f"{name}ledger"}
    return protect(source, **places, recipe=recipe, seed=3, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_from_files_to_a_proved_release_and_back(kind: str, tmp_path: Path) -> None:
    source = KINDS[kind](tmp_path)
    report = road(source, tmp_path, QUICK)
    assert report.held and report.method == "generator" and report.passes == 1
    assert verify_release(tmp_path / "release", tmp_path / "ledger").held
    assert restore_release(tmp_path / "release", tmp_path / "ledger", tmp_path / "back").held
    before, after = open_source(source), open_source(tmp_path / "release")
    for index in range(len(before)):
        assert (before.read(index) != after.read(index)).mean() > 0.2
    assert (tmp_path / "ledger/generator.pt").stat().st_mode & 0o077 == 0
    assert not (tmp_path / "ledger/surrogate.pt").exists()
    # The same generator over the same images gives the same release, whatever the seed.
    again = replace(QUICK, generator_ledger=tmp_path / "ledger")
    protect(source, output=tmp_path / "again", ledger=tmp_path / "again_ledger", recipe=again)
    assert contents(tmp_path / "again") == contents(tmp_path / "release")
    kept = [torch.load(tmp_path / one / "generator.pt", weights_only=True) for one in ("ledger", "again_ledger")]
    assert kept[0]["radii"] == kept[1]["radii"] and kept[0]["seen_px"] == kept[1]["seen_px"]


def test_the_real_networks_too(tmp_path: Path) -> None:
    source = write_npz(tmp_path / "set.npz", train_per_class=4)
    recipe = GeneratorRecipe(epochs=1, pool=2)
    assert road(source, tmp_path, recipe).held and road(source, tmp_path, recipe, "other_").held
    assert contents(tmp_path / "release") == contents(tmp_path / "other_release"), "the seed decides"


@pytest.mark.parametrize(
    ("kind", "recipe"),
    [("folders", QUICK), ("pictures with masks", QUICK), ("pictures with masks", replace(QUICK, region=BAND))],
)
def test_later_images_get_what_the_run_would_have_given(kind: str, recipe: GeneratorRecipe, tmp_path: Path) -> None:
    source = KINDS[kind](tmp_path)
    road(source, tmp_path, recipe)
    method = load_generator(tmp_path / "ledger", recipe)
    before, after = open_source(source), open_source(tmp_path / "release")
    array, dictionary = GeneratorPerturbation(method), GeneratorPerturbationd("image", method)
    for index in range(len(before)):
        image, label = torch.from_numpy(before.read(index).copy()), before.label(index)
        mask = label[None] if label.ndim > 1 else label
        expected = after.read(index)
        assert np.array_equal(array(image, mask).numpy(), expected)
        protected = dictionary({"image": image, "label": mask, "sample_id": "x"})
        assert np.array_equal(protected["image"].numpy(), expected)
        assert np.array_equal(dictionary.inverse(protected)["image"].numpy(), before.read(index))


def test_images_with_their_own_windows(tmp_path: Path) -> None:
    images, labels = class_images(per_class=3)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        save(tmp_path / "set" / "ab"[label] / f"{number}.png", image.astype(np.uint16) * np.uint16(10 + 20 * number))
    road(tmp_path / "set", tmp_path, QUICK)
    with pytest.raises(LedgerError, match="each image of its run has a budget or window of its own"):
        load_generator(tmp_path / "ledger", QUICK)
    before, after = open_source(tmp_path / "set"), open_source(tmp_path / "release")
    for index, levels in enumerate(survey(before).images):
        method = load_generator(tmp_path / "ledger", QUICK, image=levels)
        protected = GeneratorPerturbation(method)(
            torch.from_numpy(before.read(index).astype(np.int32)), before.label(index)
        )
        # The window is two numbers in the place of an affine map of each image: half a level may round otherwise.
        assert np.abs(protected.numpy() - after.read(index).astype(np.int64)).max() <= 1


def test_large_images_are_swept_in_patches(tmp_path: Path) -> None:
    source = volumes(tmp_path / "set")
    assert road(source, tmp_path, replace(QUICK, surrogate_size_px=16, largest_patch_values=4000)).held
    assert not np.array_equal(open_source(source).read(0), open_source(tmp_path / "release").read(0))


def test_another_region_than_the_generators_is_refused(tmp_path: Path) -> None:
    source = pictures(tmp_path / "set")
    road(source, tmp_path, replace(QUICK, region=BAND))
    wanted = "its generator was trained for the region ContourBand.*, and here it is for whole images"
    with pytest.raises(LedgerError, match=wanted):
        load_generator(tmp_path / "ledger", QUICK)
    with pytest.raises(LedgerError, match=wanted):
        road(source, tmp_path / "again", GeneratorRecipe(generator_ledger=tmp_path / "ledger"))


def test_only_a_region_changes(tmp_path: Path) -> None:
    source = pictures(tmp_path / "set")
    road(source, tmp_path, replace(QUICK, region=BAND))
    before, after = open_source(source), open_source(tmp_path / "release")
    for index in range(len(before)):
        changed = (before.read(index) != after.read(index)).any(0)
        assert 0 < changed.mean() < 0.7
    assert (tmp_path / "ledger/generator.pt").exists()


def test_training_sees_the_region(tmp_path: Path) -> None:
    source = pictures(tmp_path / "set")
    given: list[torch.Tensor] = []
    own = GeneratorWithSurrogates.forward

    def watching(self: Any, view: torch.Tensor, **named: Any) -> torch.Tensor:
        flags = ContourBand(inside_px=2, outside_px=2)(PerturbationBatch(view, named["label"], view)).float()
        given.append((named["allowed"] - flags).abs().mean())
        return own(self, view, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GeneratorWithSurrogates, "forward", watching)
        band = ContourBand(inside_px=2, outside_px=2)
        road(source, tmp_path, replace(QUICK, region=band, surrogate_size_px=40))
    # Views have nearly the images' size, so that the region of a view is nearly the one that is seen of an image's.
    assert given and max(given) < 0.25


def test_an_l2_budget(tmp_path: Path) -> None:
    source = write_npz(tmp_path / "set.npz", train_per_class=4)
    assert road(source, tmp_path, QUICK, norm=L2Budget, radius="60 levels").held
    method = load_generator(tmp_path / "ledger", QUICK)
    assert method.budget == L2Budget(radius_levels=60)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on grey images of 28 px in two classes."""
    root = tmp_path_factory.mktemp("finished")
    road(write_npz(root / "set.npz", train_per_class=4), root, QUICK)
    return root


def _other(root: Path, kind: str) -> Path:
    if kind == "channels":
        images = np.repeat(class_images(per_class=3)[0][..., None], 3, axis=-1)
        for number, image in enumerate(images):
            save(root / "set" / "ab"[number % 2] / f"{number}.png", image)
        return root / "set"
    if kind == "classes":
        for number, image in enumerate(class_images(per_class=3)[0]):
            save(root / "set" / "abc"[number % 3] / f"{number}.png", image)
        return root / "set"
    if kind == "task":
        return write_multi_label_npz(root / "multi.npz")
    raise AssertionError(kind)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("channels", "trained on images with channels 1, these have 3. Give the ledger of a run on such images"),
        ("classes", "trained on images with num_classes 2, these have 3"),
        ("task", "trained on images with task single_label, these have multi_label"),
    ],
)
def test_refuses_images_of_another_kind(kind: str, text: str, finished: Path, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=text):
        road(_other(tmp_path, kind), tmp_path, replace(QUICK, generator_ledger=finished / "ledger"))


def test_refuses_other_budgets(finished: Path, tmp_path: Path) -> None:
    recipe = replace(QUICK, generator_ledger=finished / "ledger")
    text = (
        r"trained for a radius of 3\.14% to 3\.14% of the window .* and here it is 1\.57% to 1\.57%\. Give the radius"
    )
    with pytest.raises(LedgerError, match=text):
        road(finished / "set.npz", tmp_path, recipe, radius="4/255")
    with pytest.raises(LedgerError, match="its generator was trained for the norm linf, not for l2"):
        road(finished / "set.npz", tmp_path, recipe, "l2_", radius="60 levels", norm=L2Budget)
    assert road(finished / "set.npz", tmp_path, recipe, "same_", radius="8 levels").held


def test_refuses_images_that_networks_would_see_otherwise(finished: Path, tmp_path: Path) -> None:
    save(tmp_path / "set/a/0.png", np.zeros((200, 150), dtype=np.uint8) + 90)
    save(tmp_path / "set/b/1.png", np.arange(30000, dtype=np.uint8).reshape(200, 150))
    with pytest.raises(LedgerError, match=r"looked at images of one size on their own grid.* see them at 96 px"):
        road(tmp_path / "set", tmp_path, replace(QUICK, generator_ledger=finished / "ledger"))


def test_another_network(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"generator\.pt: is not of this recipe's network"):
        load_generator(finished / "ledger")
    with pytest.raises(LedgerError, match=r"generator\.pt: is not of this recipe's network"):
        road(finished / "set.npz", tmp_path, GeneratorRecipe(generator_ledger=finished / "ledger"))


def test_ledgers_without_a_generator(finished: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(finished / "ledger", own)
    for content, text in (
        (b"no archive", r"generator\.pt: cannot be read"),
        ({"weights": {}, "radii": [0.1]}, r"generator\.pt: does not hold what a generator needs"),
        ({"weights": {}, "radii": [0.1, 0.05], "seen_px": None}, "a number is out of its range"),
        ({"weights": {}, "radii": [0.1, 0.2], "seen_px": -4}, "a number is out of its range"),
        ([1], r"generator\.pt: does not hold what a generator needs"),
    ):
        if isinstance(content, bytes):
            (own / "generator.pt").write_bytes(content)
        else:
            torch.save(content, own / "generator.pt")
        with pytest.raises(LedgerError, match=text):
            load_generator(own, QUICK)
    (own / "generator.pt").unlink()
    with pytest.raises(LedgerError, match=r"generator\.pt: is not there; this run kept no generator"):
        road(finished / "set.npz", tmp_path, replace(QUICK, generator_ledger=own))
    content = json.loads((own / "ledger.json").read_text())
    (own / "ledger.json").write_text(json.dumps(content | {"status": "running"}))
    with pytest.raises(LedgerError, match="its run has not finished"):
        load_generator(own, QUICK)


def test_another_generator_is_another_run(finished: Path, tmp_path: Path) -> None:
    road(finished / "set.npz", tmp_path, replace(QUICK, generator_ledger=finished / "ledger"))
    settings = json.loads((tmp_path / "ledger/ledger.json").read_text())["configuration"]["settings"]
    assert len(settings["generator_sha256"]) == 64 and "epochs" not in settings
    assert str(finished) not in json.dumps(settings)
    shutil.rmtree(tmp_path / "release")
    with pytest.raises(LedgerError, match="belongs to a run with other settings"):
        road(finished / "set.npz", tmp_path, QUICK)


def test_refuses_settings() -> None:
    with pytest.raises(BudgetError, match="class_wise=True: a generator looks at each image"):
        GeneratorRecipe(class_wise=True)
    with pytest.raises(BudgetError, match="salient voxels are those that a surrogate looks at, and a generator's pass"):
        GeneratorRecipe(region=Salient())
    with pytest.raises(BudgetError, match="pool=0: a generator is trained with at least 1 surrogate"):
        GeneratorRecipe(pool=0)
