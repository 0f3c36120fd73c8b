"""Whole roads of every method on every kind of source, from files to proved and restored files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_unlearnable.perturbations import Stripes
from monai_unlearnable.sources import open_source
from monai_unlearnable.verbs.options import build_parser
from monai_unlearnable.verbs.protect import choose_recipe
from monai_unlearnable.workflows import ErrorMinimizingRecipe, SyntheticRecipe, TargetedAdversarialRecipe, protect
from tests.cli.running import Command, contents, write_pictures
from tests.small_data import class_images
from tests.sources.files import rgb16_png

PLACES = ("--output", "release", "--ledger", "ledger")
QUICK = {
    "error_minimizing": ErrorMinimizingRecipe(max_rounds=1, min_rounds=1, surrogate_epochs=1, steps=2),
    "targeted_adversarial": TargetedAdversarialRecipe(surrogate_epochs=1, steps=2),
}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let both methods with a surrogate take few steps, looking at small images."""
    monkeypatch.setattr("monai_unlearnable.workflows.fitting._COMMON_SIZE_PX", 12)
    own = choose_recipe
    monkeypatch.setattr(
        "monai_unlearnable.verbs.protect.choose_recipe",
        lambda options, parser: QUICK.get(options.perturbation) or own(options, parser),
    )


def _several_sizes() -> str:
    write_pictures(Path("sizes"))
    write_pictures(Path("sizes"), per_class=3, size_px=15)
    generator = np.random.default_rng(0)
    Image.fromarray(generator.integers(0, 256, (9, 17)).astype(np.uint8)).save("sizes/left/wide.jpeg", quality=95)
    return "sizes"


def _deep_grey() -> str:
    for number in range(6):
        image = np.random.default_rng(number).integers(900, 1800, (12, 12)).astype(np.uint16)
        path = Path("deep", "ab"[number % 2], f"{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return "deep"


def _deep_colour() -> str:
    for number in range(4):
        image = np.random.default_rng(number).integers(0, 65536, (12, 10, 3)).astype(np.uint16)
        path = Path("colour", "ab"[number % 2], f"{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rgb16_png(image))
    return "colour"


def _volumes() -> str:
    images, labels = class_images(per_class=3, size_px=10)
    volumes = np.repeat(images[:, None], 9, axis=1)
    np.savez("volumes.npz", train_images=volumes, train_labels=labels[:, None], extra=np.arange(3))
    return "volumes.npz"


def _multi_label() -> str:
    images, labels = class_images(per_class=4, size_px=12)
    many = np.stack([labels, 1 - labels, np.ones_like(labels)], axis=1).astype(np.uint8)
    np.savez("multi.npz", train_images=np.stack([images] * 3, axis=-1), train_labels=many)
    return "multi.npz"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "method",
    ["error_minimizing", "linear_error_minimizing", "targeted_adversarial", "synthetic", "autoregressive"],
)
@pytest.mark.parametrize("make", [_several_sizes, _deep_grey, _deep_colour, _volumes, _multi_label])
def test_every_method_on_every_kind(method: str, make: object, command: Command) -> None:
    source = make()  # type: ignore[operator]
    before = {key: value for key, value in contents(Path.cwd()).items() if key.startswith(source)}
    answer = command("protect", source, *PLACES, "--perturbation", method, "--json")
    report = answer.json
    assert answer.code == 0, answer.err
    assert report["held"] is True and report["method"] == method
    assert report["verification"]["pixels"] == report["verification"]["pixels_held"] > 0
    assert report["verification"]["largest_delta_levels"] >= 1
    restored = command("restore", "release", "--ledger", "ledger", "--output", "originals", "--json")
    assert restored.code == 0 and restored.json["held"] is True
    clean, back = open_source(source), open_source("originals")
    assert all(np.array_equal(clean.read(index), back.read(index)) for index in range(len(clean)))
    assert {key: value for key, value in contents(Path.cwd()).items() if key.startswith(source)} == before


def test_radius_of_each_deep_file_is_of_its_own_robust_range(synthetic: Command) -> None:
    report = synthetic(_deep_grey(), *PLACES, "--radius", "0.1", "--json").json
    source, radii = open_source("deep"), []
    for index in range(len(source)):
        low, high = np.percentile(source.read(index), [0.5, 99.5], method="inverted_cdf")
        radii.append(0.1 * (high - low))
    assert report["radii"]["levels"] == pytest.approx([min(radii), max(radii)])
    assert report["radii"]["range_shares"] == pytest.approx([0.1, 0.1])


def test_labels_beside_the_pictures_are_found(synthetic: Command) -> None:
    Path("images/labels.csv").write_text("file,label\nleft/000.png,x\nright/001.png,y\n")
    assert synthetic("images", *PLACES, "--json").json["images"] == 2
    assert Path("release/labels.csv").read_text() == "file,label\nleft/000.png,x\nright/001.png,y\n"


def test_labels_elsewhere(synthetic: Command, command: Command) -> None:
    Path("elsewhere.csv").write_text("file,label\nleft/000.png,x\nright/001.png,y\nleft/002.png,y\n")
    assert synthetic("images", *PLACES, "--labels", "elsewhere.csv", "--json").json["images"] == 3
    assert command("verify", "release").code == 0


def test_summary_for_people(synthetic: Command) -> None:
    answer = synthetic("images", *PLACES)
    assert "8 images protected with synthetic, radius 8/255 = 8 levels" in answer.out
    assert "verified: 8 files, 8 images: 1152 of 1152 pixels inside the budget" in answer.out
    assert "(keep private: it takes the deltas off)" in answer.out
    assert answer.err == ""  # stderr is no terminal here: no bars, and nothing else to say


def test_guessable_seed_is_warned_of(synthetic: Command, command: Command) -> None:
    answer = synthetic("images", *PLACES, "--seed", "7", "--json", "--quiet")
    assert answer.code == 0 and answer.json["held"] is True
    assert "warning: --seed 7: whoever guesses this seed can compute the synthetic deltas" in answer.err
    longer = synthetic("images", "--output", "b", "--ledger", "c", "--seed", str(2**61 + 12345))
    assert longer.code == 0 and longer.err == ""
    assert "12345" not in Path("b/manifest.json").read_text()


def test_threads_are_torchs_own_unless_given(synthetic: Command) -> None:
    torch.set_num_threads(1)
    assert synthetic("images", *PLACES).code == 0
    assert torch.get_num_threads() == 1
    assert synthetic("images", "--output", "b", "--ledger", "c", "--threads", "2").code == 0
    assert torch.get_num_threads() == 2


def test_stripes_are_the_default_of_the_command_and_of_the_call(command: Command, tmp_path: Path) -> None:
    seed, stripes = 2**50, SyntheticRecipe(patterns=Stripes(phases=2))
    assert command("protect", "images", *PLACES, "--seed", str(seed)).code == 0
    protect("images", output=tmp_path / "called", ledger=tmp_path / "ledger2", seed=seed)
    protect("images", output=tmp_path / "chosen", ledger=tmp_path / "ledger3", recipe=stripes, seed=seed)
    assert contents(tmp_path / "release") == contents(tmp_path / "called") == contents(tmp_path / "chosen")


def test_class_wise_error_minimizing_follows_the_literature(command: Command) -> None:
    words = ["protect", "images", *PLACES, "--class-wise", "--perturbation", "error_minimizing"]
    recipe = choose_recipe(build_parser().parse_args(words), build_parser())
    assert recipe == ErrorMinimizingRecipe(class_wise=True, steps=1, stop_error=0.1, max_rounds=30)
    report = command(*words, "--surrogate-size-px", "12", "--json").json
    assert report["held"] is True and report["surrogate_error"] <= 0.1


def test_audit_of_several_sizes_chooses_one(synthetic: Command, command: Command) -> None:
    assert synthetic(_several_sizes(), *PLACES).code == 0
    words = ("audit", "release", "--clean", "sizes", "--seeds", "1", "--epochs", "1")
    chosen = command(*words, "--output", "report", "--json")
    assert '"image_size_px": 24' in chosen.out
    assert "victims look at them at 24 px (--victim-size-px)" in chosen.err
    given = command(*words, "--output", "other", "--victim-size-px", "12", "--json")
    assert '"image_size_px": 12' in given.out and given.err == ""


def test_audit_of_one_size_keeps_it(synthetic: Command, command: Command) -> None:
    assert synthetic("set.npz", *PLACES).code == 0
    words = ("audit", "release", "--clean", "set.npz", "--output", "report", "--seeds", "1", "--epochs", "1")
    answer = command(*words)
    assert "small_resnet" in answer.out and "report: report/audit.html" in answer.out
    assert answer.code in (0, 1) and answer.err == ""
    assert '"image_size_px": null' in Path("report/audit.json").read_text()
    assert command(*words).code == answer.code  # once more over its own output, from finished trainings


def test_real_breast_ultrasound(shared_data: Path, synthetic: Command, command: Command) -> None:
    source = shared_data / "medmnist" / "breastmnist.npz"
    report = synthetic(source, *PLACES, "--json").json
    assert report["held"] is True and report["images"] == 546
    assert report["verification"]["pixels_held"] == 546 * 28 * 28
    assert command("restore", "release", "--ledger", "ledger", "--output", "originals").code == 0
    with (
        np.load(source) as clean,
        np.load("originals/breastmnist.npz") as back,
        np.load("release/breastmnist.npz") as r,
    ):
        assert all(np.array_equal(clean[name], back[name]) for name in clean.files)
        assert np.array_equal(clean["test_images"], r["test_images"])
        assert np.abs(clean["train_images"].astype(int) - r["train_images"]).max() == 8
