"""The configurations say the same as the package's recipes, and do the same."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from monai.bundle import ConfigWorkflow
from PIL import Image

from monai_unlearnable.perturbations import PatternFamily, Stripes
from monai_unlearnable.release import Failure, VerifyReport, verify_release
from monai_unlearnable.sources import Task
from monai_unlearnable.workflows import (
    ErrorMinimizingRecipe,
    Recipe,
    SyntheticRecipe,
    TargetedAdversarialRecipe,
    protect,
)
from monai_unlearnable.workflows.recipes import SurrogateRecipe
from tests.bundles.running import BUNDLE, contents, make_workflow, recorded, run_bundle, write_multi_label_npz
from tests.small_data import write_class_folders

METHODS: list[tuple[tuple[str, ...], Recipe]] = [
    (("protect",), ErrorMinimizingRecipe()),
    (("protect", "targeted"), TargetedAdversarialRecipe()),
    (("protect", "synthetic"), SyntheticRecipe()),
]
NAMES = [recipe.name for _, recipe in METHODS]
# Where each field of a recipe stands in the configuration.
SURROGATE_PLACES = {
    "class_wise": "class_wise",
    "batch_size": "data_loader#batch_size",
    "largest_patch_values": "largest_patch_values",
    "surrogate_size_px": "surrogate_size_px",
    "channels_last": "surrogate#channels_last",
    "learning_rate": "optimizer#lr",
    "momentum": "optimizer#momentum",
    "weight_decay": "optimizer#weight_decay",
    "surrogate_batch_size": "surrogate_loader#batch_size",
    "steps": "perturbation#steps",
    "step_share": "perturbation#step_share",
}
PLACES: dict[str, dict[str, str]] = {
    "error_minimizing": SURROGATE_PLACES
    | {
        "max_rounds": "engine#max_epochs",
        "min_rounds": "handlers#2#min_epochs",
        "surrogate_epochs": "handlers#1#epochs",
        "stop_error": "handlers#2#error",
        "start": "start#patterns",
        "faint_share": "faint_share",
    },
    "targeted_adversarial": SURROGATE_PLACES
    | {"surrogate_epochs": "handlers#0#epochs", "restarts": "perturbation#restarts"},
    "synthetic": {
        "class_wise": "class_wise",
        "batch_size": "data_loader#batch_size",
        "largest_patch_values": "largest_patch_values",
        "patterns": "perturbation#patterns",
        "faint_share": "faint_share",
    },
}
MINIMIZING: dict[str, Any] = {"engine#max_epochs": 2, "perturbation#steps": 2, "handlers#1#epochs": 1}
QUICK: dict[str, tuple[Recipe, dict[str, Any]]] = {
    "error_minimizing": (ErrorMinimizingRecipe(max_rounds=2, steps=2, surrogate_epochs=1), MINIMIZING),
    "targeted_adversarial": (
        TargetedAdversarialRecipe(surrogate_epochs=2, steps=2, restarts=2),
        {"handlers#0#epochs": 2, "perturbation#steps": 2, "perturbation#restarts": 2},
    ),
    "synthetic": (SyntheticRecipe(faint_share=0.5), {"faint_share": 0.5}),
}


def stripes(written: dict[str, Any]) -> Stripes:
    assert written.pop("_target_") == "monai_unlearnable.perturbations.Stripes"
    assert written.pop("view_px") == "@pattern_size_px"
    return Stripes(**written)


def assert_same(
    tmp_path: Path, source: Path, configs: tuple[str, ...], recipe: Recipe, overrides: dict[str, Any]
) -> None:
    bundle, package = tmp_path / "bundle", tmp_path / "package"
    run_bundle(*configs, dataset=source, output=bundle, ledger=tmp_path / "ledger", seed=2**40 + 7, **overrides)
    protect(source, output=package, ledger=tmp_path / "package_ledger", recipe=recipe, seed=2**40 + 7)
    assert contents(bundle) == contents(package)
    assert recorded(tmp_path / "ledger")["method"] == recipe.name
    assert verify_release(bundle, tmp_path / "ledger").held


@pytest.mark.parametrize(("configs", "recipe"), METHODS, ids=NAMES)
def test_defaults_are_those_of_the_recipe(configs: tuple[str, ...], recipe: Recipe) -> None:
    parser = make_workflow(*configs).parser
    places, recipe = PLACES[recipe.name], recipe.for_task(Task.SINGLE_LABEL)
    of_masks = {one.name for one in fields(recipe) if one.name.startswith("dense_")}  # this bundle's labels are classes
    of_masks.add("region")
    shaped = {"kept_patterns", "kept_share", "block_size_px", "low_pass_share", "channel_signs"}
    left_out = {"networks", *shaped} | {"faint_share"} - set(places)
    assert {one.name for one in fields(recipe)} - left_out - of_masks == set(places)
    for name, place in places.items():
        pattern = isinstance(getattr(recipe, name), PatternFamily)
        assert (stripes(parser[place]) if pattern else parser[place]) == getattr(recipe, name), name
    if isinstance(recipe, SurrogateRecipe):
        assert [one["_target_"] for one in parser["networks"]] == recipe.describe()["networks"]


@pytest.mark.parametrize(("configs", "recipe"), METHODS, ids=NAMES)
def test_same_seed_gives_the_files_of_the_recipe(
    tmp_path: Path, npz: Path, configs: tuple[str, ...], recipe: Recipe
) -> None:
    assert_same(tmp_path, npz, configs, recipe, {})


@pytest.mark.parametrize(("configs", "recipe"), METHODS, ids=NAMES)
def test_labels_in_the_source_decide_for_multi_label(tmp_path: Path, configs: tuple[str, ...], recipe: Recipe) -> None:
    source = write_multi_label_npz(tmp_path / "multi.npz")
    recipe, overrides = QUICK[recipe.name]
    assert_same(tmp_path, source, configs, recipe, overrides)


def test_class_folders_and_class_wise_deltas(tmp_path: Path, folders: Path) -> None:
    recipe, overrides = QUICK["error_minimizing"]
    assert_same(tmp_path, folders, ("protect",), replace(recipe, class_wise=True), overrides | {"class_wise": True})


def test_deltas_may_start_from_zero(tmp_path: Path, npz: Path) -> None:
    recipe, overrides = QUICK["error_minimizing"]
    assert isinstance(recipe, ErrorMinimizingRecipe)
    assert_same(tmp_path, npz, ("protect",), replace(recipe, start=None), overrides | {"handlers#0#_disabled_": True})


def test_pictures_of_several_sizes_are_seen_at_one(tmp_path: Path) -> None:
    source = write_class_folders(tmp_path / "pictures", per_class=2)
    for path in sorted(source.rglob("*.png"))[::2]:
        Image.fromarray(np.asarray(Image.open(path))[:20]).save(path)
    assert_same(tmp_path, source, ("protect",), *QUICK["error_minimizing"])
    assert recorded(tmp_path / "ledger")["settings"]["seen_size_px"] == 32


def test_patterns_of_pictures_of_several_sizes_are_drawn_at_one(tmp_path: Path) -> None:
    source = write_class_folders(tmp_path / "pictures", per_class=2)
    for path in sorted(source.rglob("*.png"))[::2]:
        Image.fromarray(np.asarray(Image.open(path))[:20]).save(path)
    assert_same(tmp_path, source, ("protect", "synthetic"), SyntheticRecipe(), {})
    assert recorded(tmp_path / "ledger")["settings"]["pattern_size_px"] == 16


def test_csv_of_labels(tmp_path: Path, folders: Path) -> None:
    files = sorted(path.relative_to(folders).as_posix() for path in folders.rglob("*.png"))
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label\n" + "".join(f"{name},{name.split('/')[0]}\n" for name in files))
    release = tmp_path / "release"
    run_bundle("protect", "synthetic", dataset=folders, labels=labels, output=release, ledger=tmp_path / "ledger")
    assert {"labels.csv", "manifest.json", *files} == set(contents(release))


def test_ledger_holds_what_was_overridden(tmp_path: Path, npz: Path) -> None:
    ledger = tmp_path / "ledger"
    run_bundle(
        "protect",
        dataset=npz,
        output=tmp_path / "release",
        ledger=ledger,
        radius="40 levels",
        norm="$budgets.L2Budget",
        **MINIMIZING | {"optimizer#nesterov": True},
    )
    configuration = recorded(ledger)
    settings = configuration["settings"]
    assert settings["perturbation"]["steps"] == 2
    assert settings["engine"]["max_epochs"] == 2
    assert settings["optimizer"]["nesterov"] is True
    assert settings["networks"][0]["_target_"] == "monai_unlearnable.networks.small_resnet"
    assert (configuration["budget"]["norm"], configuration["budget"]["radius_levels"]) == ("l2", 40)
    assert not {"dataset", "output", "ledger", "seed", "device"} & set(settings)


def test_ledger_holds_only_what_was_used(tmp_path: Path, npz: Path) -> None:
    run_bundle("protect", "synthetic", dataset=npz, output=tmp_path / "release", ledger=tmp_path / "ledger")
    settings = recorded(tmp_path / "ledger")["settings"]
    assert settings["faint_share"] == 0.25
    assert not {"network_def", "optimizer", "surrogate_trainer"} & set(settings)


def test_interrupted_run_goes_on_to_the_same_files(tmp_path: Path, npz: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BUNDLE)  # MONAI does so only in `run`
    places = {"output": tmp_path / "release", "ledger": tmp_path / "ledger"}
    texts: dict[str, Any] = {name: str(path) for name, path in places.items()}
    broken = make_workflow("protect", dataset=str(npz), seed=3, **texts, **MINIMIZING)
    engine, save = (broken.parser.get_parsed_content(name) for name in ("engine", "save"))
    engine.state.max_epochs = 1
    engine.run()  # one pass of two, then the process "dies"
    assert save.directory.is_dir()
    broken.parser.get_parsed_content("protection").close()

    run_bundle("protect", dataset=npz, seed=3, **places, **MINIMIZING)
    whole = tmp_path / "whole"
    run_bundle("protect", dataset=npz, seed=3, output=whole, ledger=tmp_path / "whole_ledger", **MINIMIZING)
    assert contents(places["output"]) == contents(whole)


def test_exit_status_says_that_a_release_does_not_hold(
    tmp_path: Path, npz: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(release: Path, ledger: Path, **_: Any) -> VerifyReport:
        return VerifyReport("owner", 1, 8, 10, 9, 12, (Failure("small.npz", "12 levels exceed 8"),))

    monkeypatch.setattr("monai_unlearnable.workflows.run.verify_release", failing)
    with pytest.raises(SystemExit) as stop:
        run_bundle("protect", "synthetic", dataset=npz, output=tmp_path / "release", ledger=tmp_path / "ledger")
    assert stop.value.code == 1
    assert "NOT VERIFIED" in capsys.readouterr().out


def test_misspelt_argument_of_a_section_is_refused(tmp_path: Path, npz: Path) -> None:
    overrides: dict[str, Any] = {"perturbation#stepps": 3}
    with pytest.raises(RuntimeError) as caught:
        run_bundle("protect", dataset=npz, output=tmp_path / "release", ledger=tmp_path / "ledger", **overrides)
    causes = [str(caught.value), str(caught.value.__cause__), str(getattr(caught.value.__cause__, "__cause__", ""))]
    assert any("stepps" in text for text in causes)
    assert not (tmp_path / "release").exists()


def test_workflow_is_monais_own() -> None:
    assert type(make_workflow("protect")) is ConfigWorkflow


def test_lists_names_and_files_left_out(tmp_path: Path, folders: Path) -> None:
    items = [
        {"image": path.relative_to(folders).as_posix(), "label": path.parent.name}
        for path in sorted(folders.rglob("*.png"))
    ]
    broken = folders / items[0]["image"]
    broken.write_bytes(broken.read_bytes()[:40])
    labels = tmp_path / "list.json"
    labels.write_text(json.dumps({"fold0": items, "test": []}))
    release, ledger = tmp_path / "release", tmp_path / "ledger"
    options: dict[str, Any] = {"labels": labels, "section": "fold0", "on_error": "skip", "rename": True}
    with pytest.raises(SystemExit) as stop:
        run_bundle("protect", "synthetic", dataset=folders, output=release, ledger=ledger, **options)
    assert stop.value.code == 1
    names = {f"image-{number:06d}.png" for number in range(1, len(items))}
    assert set(contents(release)) == names | {"manifest.json", "datalist.json"}
    assert set(recorded(ledger)["skipped"]) == {items[0]["image"]}
    assert recorded(ledger)["release"]["rename"] is True
    assert verify_release(release, ledger).held
