"""Victims who start from another network, and releases of which a part is clean."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from monai_unlearnable.audit import VictimRecipe, audit_release
from monai_unlearnable.audit.clean_parts import CleanPart
from monai_unlearnable.audit.loading import ImageSet, load_images
from monai_unlearnable.audit.pretraining import Pretraining
from monai_unlearnable.audit.runs import RunFolder, run_key
from monai_unlearnable.audit.starts import LastLayersOnly, class_layers, last_layer, load_start, starting_weights
from monai_unlearnable.audit.training import train_victim
from monai_unlearnable.audit.victim_trainer import fit_victim, own_weights, victim_network, victim_trainer
from monai_unlearnable.audit.victims import NetworkFactory
from monai_unlearnable.dense_networks import small_attention_unet, small_segresnet, small_unet
from monai_unlearnable.errors import NotApplicableError
from monai_unlearnable.networks import small_densenet, small_resnet
from monai_unlearnable.sources import open_source
from monai_unlearnable.sources.base import Task

CPU = torch.device("cpu")


def image_set(count: int = 20, *, seed: int = 0, classes: int = 2) -> ImageSet:
    random = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, 1, 8, 8), generator=random, dtype=torch.uint8)
    return ImageSet(
        images=images,
        labels=torch.arange(count) % classes,
        windows=torch.tensor([[0.0, 255.0]]).repeat(count, 1),
        task=Task.SINGLE_LABEL,
        class_count=classes,
        sha256=f"{seed} {count}",
    )


def write_npz(
    path: Path, *, count: int = 24, classes: int = 2, size: int = 8, seed: int = 0, channels: int = 0
) -> Path:
    random = np.random.default_rng(seed)
    arrays: dict[str, Any] = {}
    for part in ("train", "test"):
        labels = np.arange(count) % classes
        shape = (count, size, size, channels) if channels else (count, size, size)
        images = random.integers(0, 60, shape)
        images[:, : size // 2] += (labels * 120).reshape(-1, *[1] * (images.ndim - 1))
        arrays |= {f"{part}_images": images.astype(np.uint8), f"{part}_labels": labels[:, None].astype(np.uint8)}
    np.savez(path, **arrays)
    return path


NETWORKS: tuple[NetworkFactory, ...] = (
    small_resnet,
    small_densenet,
    small_unet,
    small_segresnet,
    small_attention_unet,
)


def built(build: NetworkFactory, classes: int, *, channels: int = 1) -> nn.Module:
    return build(spatial_dims=2, in_channels=channels, num_classes=classes)


@pytest.mark.parametrize("build", NETWORKS)
@pytest.mark.parametrize("classes", [2, 4])
def test_a_start_takes_over_everything_that_does_not_depend_on_the_classes(build: NetworkFactory, classes: int) -> None:
    own = class_layers(partial(built, build), 2)
    one, other = built(build, classes), built(build, 2)
    before = {key: value.clone() for key, value in other.state_dict().items()}
    load_start(other, starting_weights(one, class_layers(partial(built, build), classes)), own)
    kept, found = one.state_dict(), other.state_dict()
    assert own and all(torch.equal(found[key], before[key] if key in own else kept[key]) for key in found)


def test_a_start_of_another_network_is_refused() -> None:
    own = class_layers(partial(built, small_resnet), 2)
    with pytest.raises(RuntimeError, match="size mismatch"):
        load_start(built(small_resnet, 2, channels=3), starting_weights(built(small_resnet, 2), own), own)


@pytest.mark.parametrize("build", NETWORKS)
def test_what_depends_on_the_classes_is_the_last_layer_or_ends_with_it(build: NetworkFactory) -> None:
    network = built(build, 3)
    name, _ = last_layer(network)
    own = class_layers(partial(built, build), 3)
    layers = list(dict.fromkeys(one.rpartition(".")[0] for one in network.state_dict() if one in own))
    assert layers[-1] == name
    assert len(layers) == (2 if build is small_unet else 1)  # its transposed convolution goes down to classes already
    state = torch.random.get_rng_state()
    class_layers(partial(built, build), 3)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_probe_changes_its_last_layer_and_nothing_else() -> None:
    start = Pretraining(source=Path("unused.npz"), only_last=True)
    recipe = VictimRecipe(epochs=2, batch_size=4, start=start)
    own = own_weights(recipe, image_set())
    weights = starting_weights(fit_victim(replace(recipe, start=None), image_set(), seed=0, device=CPU), own)
    network = victim_network(recipe, image_set(seed=1), device=CPU, start=weights)
    assert isinstance(network, LastLayersOnly)
    first = {key: value.clone() for key, value in network.network.state_dict().items()}
    victim_trainer(recipe, network, image_set(seed=1), seed=0, device=CPU).run()
    changed = {key for key, value in network.network.state_dict().items() if not torch.equal(value, first[key])}
    assert changed == own and len(own) == 2


def test_fine_tuning_takes_a_tenth_of_the_learning_rate_of_all_layers() -> None:
    recipe = VictimRecipe(epochs=1, batch_size=4, learning_rate=0.1, start=Pretraining(source=Path("unused.npz")))
    network = victim_network(recipe, image_set(), device=CPU)
    trainer = victim_trainer(recipe, network, image_set(), seed=0, device=CPU)
    # A one-cycle schedule starts at a 25th of its peak.
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(0.01 / 25)
    assert all(one.requires_grad for one in network.parameters())


def test_fit_victim_gives_the_network_that_train_victim_scores() -> None:
    recipe = VictimRecipe(epochs=2, batch_size=4)
    network = fit_victim(recipe, image_set(), seed=3, device=CPU).eval()
    test = image_set(seed=5)
    with torch.no_grad():
        found = network((test.images.float() / 255 - 0.5) / 0.5).argmax(1)
    expected = float((found == test.labels).float().mean())
    assert train_victim(recipe, image_set(), test, seed=3).score == pytest.approx(expected)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, float("nan")])
def test_a_clean_part_is_a_part(share: float) -> None:
    with pytest.raises(ValueError, match="a clean part is more than nothing and less than all"):
        CleanPart(share=share)


def test_a_mixed_set_has_clean_images_in_their_own_places() -> None:
    clean = image_set(count=20)
    released = replace(clean, images=clean.images + 1, sha256="released")
    mixed = CleanPart(share=0.2).of(released, clean, seed=4)
    same = (mixed.images == clean.images).flatten(1).all(1)
    assert int(same.sum()) == 4 and torch.equal(mixed.labels, clean.labels)
    assert torch.equal(mixed.images[~same], released.images[~same])
    again, other = (CleanPart(share=0.2).of(released, clean, seed=one) for one in (4, 5))
    assert torch.equal(again.images, mixed.images) and again.sha256 == mixed.sha256
    assert not torch.equal(other.images, mixed.images) and other.sha256 != mixed.sha256
    assert torch.equal(released.images, clean.images + 1), "the released images are not changed"


def test_a_part_alone_has_the_clean_images_that_the_mixed_set_has() -> None:
    clean = image_set(count=20)
    released = replace(clean, images=clean.images + 1, sha256="released")
    mixed = CleanPart(share=0.2).of(released, clean, seed=4)
    alone = CleanPart(share=0.2, alone=True).of(released, clean, seed=4)
    same = (mixed.images == clean.images).flatten(1).all(1)
    assert torch.equal(alone.images, clean.images[same]) and torch.equal(alone.labels, clean.labels[same])
    assert alone.sha256 not in (mixed.sha256, clean.sha256)
    other = CleanPart(share=0.2, alone=True).of(replace(released, sha256="another release"), clean, seed=4)
    assert other.sha256 == alone.sha256, "the release is not looked at"


def test_a_clean_part_needs_both_sides_of_the_same_samples() -> None:
    with pytest.raises(NotApplicableError, match=r"shape \(10, 1, 8, 8\), their originals \(12, 1, 8, 8\); a clean"):
        CleanPart(share=0.5).of(image_set(count=10), image_set(count=12), seed=0)
    other = replace(image_set(count=10), labels=torch.ones(10, dtype=torch.int64))
    with pytest.raises(NotApplicableError, match="released images have other labels than their originals"):
        CleanPart(share=0.5).of(other, image_set(count=10), seed=0)


def test_a_key_depends_on_what_was_learnt_before() -> None:
    recipe, one = VictimRecipe(), image_set()
    keys = {run_key(recipe, one, one, seed=0, start=start) for start in (None, image_set(seed=1), image_set(seed=2))}
    assert len(keys) == 3


def test_other_images_come_at_the_size_of_the_release(tmp_path: Path) -> None:
    other = write_npz(tmp_path / "other.npz", size=16, classes=3)
    seen = Pretraining(source=other).images_like(image_set())
    assert seen.images.shape == (24, 1, 8, 8) and seen.class_count == 3


def test_what_was_learnt_before_depends_on_the_size_that_it_was_looked_at(tmp_path: Path) -> None:
    start = Pretraining(source=write_npz(tmp_path / "other.npz", size=16))
    sizes = [8, 16, 24]
    sets = [replace(image_set(), images=torch.zeros(20, 1, size, size)) for size in sizes]
    assert len({start.images_like(one).sha256 for one in sets}) == 3
    assert start.images_like(sets[1]).sha256 == load_images(open_source(tmp_path / "other.npz")).sha256


def test_who_has_learnt_the_test_images_first_is_no_victim(tmp_path: Path) -> None:
    clean = write_npz(tmp_path / "clean.npz")
    with np.load(clean) as archive:
        np.savez(tmp_path / "other.npz", **{f"train_{one}": archive[f"test_{one}"] for one in ("images", "labels")})
    plain = VictimRecipe(name="plain", epochs=1, batch_size=8)
    started = replace(plain, name="started", start=Pretraining(source=tmp_path / "other.npz"))
    report = audit_release(clean, clean=clean, output=tmp_path / "audit", recipes=[plain, started], seeds=1)
    assert [one.recipe.name for one in report.not_applied] == ["started"]
    assert "most of the test images are among the images that it would learn first" in report.not_applied[0].reason


def test_other_images_of_another_kind_are_not_applicable(tmp_path: Path) -> None:
    other = write_npz(tmp_path / "colours.npz", channels=3)
    with pytest.raises(NotApplicableError, match=r"colours.npz: .*single_label, 3, 2.*single_label, 1, 2"):
        Pretraining(source=other).images_like(image_set())


def test_an_audit_of_pretrained_victims_and_clean_parts(tmp_path: Path) -> None:
    clean = write_npz(tmp_path / "clean.npz")
    other = write_npz(tmp_path / "other.npz", seed=9, classes=3)
    plain = VictimRecipe(name="plain", epochs=2, batch_size=8)
    victims = (
        plain,
        replace(plain, name="fine-tuned", start=Pretraining(source=other)),
        replace(plain, name="probe", start=Pretraining(source=other, only_last=True)),
        replace(plain, name="a third clean", clean_part=CleanPart(share=1 / 3), baseline=plain),
        replace(plain, name="that third alone", clean_part=CleanPart(share=1 / 3, alone=True), baseline=plain),
    )
    report = audit_release(clean, clean=clean, output=tmp_path / "audit", recipes=victims, seeds=1)
    first, *_, mixed, alone = report.outcomes
    assert [one.recipe.name for one in report.outcomes] == [one.name for one in victims]
    assert mixed.clean[0].score_curve == alone.clean[0].score_curve == first.clean[0].score_curve
    # Nothing is protected here, so a mixed set is the clean one.
    assert mixed.released[0].loss_curve == first.released[0].loss_curve
    assert alone.released[0].loss_curve != first.released[0].loss_curve
    again = audit_release(clean, clean=clean, output=tmp_path / "audit", recipes=victims, seeds=1)
    assert [one.released[0].seconds for one in again.outcomes] == [one.released[0].seconds for one in report.outcomes]


def test_pretraining_gives_the_same_start_to_clean_and_released_trainings(tmp_path: Path) -> None:
    clean = write_npz(tmp_path / "clean.npz")
    source = open_source(clean)
    train = load_images(source)
    recipe = VictimRecipe(epochs=1, batch_size=8)
    own = own_weights(recipe, train)
    one, other = (starting_weights(fit_victim(recipe, train, seed=0, device=CPU), own) for _ in range(2))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_what_was_learnt_before_is_kept_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clean, other = write_npz(tmp_path / "clean.npz"), write_npz(tmp_path / "other.npz", seed=9)
    victims = [VictimRecipe(name="fine-tuned", epochs=1, batch_size=8, start=Pretraining(source=other))]
    first = audit_release(clean, clean=clean, output=tmp_path / "one", recipes=victims, seeds=1, runs=tmp_path / "runs")
    for file in (tmp_path / "runs").glob("*.json"):
        file.unlink()
    monkeypatch.setattr("monai_unlearnable.audit.trainings.fit_victim", None)
    again = audit_release(clean, clean=clean, output=tmp_path / "two", recipes=victims, seeds=1, runs=tmp_path / "runs")
    assert again.outcomes[0].released[0].loss_curve == first.outcomes[0].released[0].loss_curve


def test_damaged_weights_are_not_loaded(tmp_path: Path) -> None:
    folder, key = RunFolder(tmp_path), "a" * 64
    assert folder.load_weights(key) is None
    folder.save_weights(key, {"one": torch.arange(3.0)})
    kept = folder.load_weights(key)
    assert kept is not None and kept["one"].tolist() == [0, 1, 2] and list(kept) == ["one"]
    assert folder.load_weights("a" * 63 + "b") is None  # of another key whose file has the same name
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert folder.load_weights(key) is None
    torch.save({"key": key, "one": print}, file)
    assert folder.load_weights(key) is None
