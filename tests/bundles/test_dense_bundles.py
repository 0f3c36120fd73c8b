"""The bundles for images with masks say the same as the package's recipes, and do the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import verify_metadata, verify_net_in_out
from monai.transforms import Compose, RandFlipd, Zoomd
from PIL import Image

from monai_unlearnable.audit.victims import DENSE_RECIPE
from monai_unlearnable.dense_networks import small_unet
from monai_unlearnable.perturbations import ContourBand, DenseObjective, Stripes
from monai_unlearnable.release import verify_release
from monai_unlearnable.surrogates import usual_ways
from monai_unlearnable.workflows import (
    ErrorMinimizingRecipe,
    GeneratorRecipe,
    Recipe,
    SyntheticRecipe,
    TargetedAdversarialRecipe,
    protect,
)
from tests.bundles.running import BUNDLES, contents, make_workflow, run_bundle
from tests.workflows.test_dense_road import pictures, volumes

BUNDLE = BUNDLES / "segmentation_protection"
VOLUMES = BUNDLES / "volume_protection"
UNUSED_READER = "ignore:NvImgCodecPydicomReader:UserWarning"
CASES: dict[str, tuple[tuple[str, ...], Recipe, dict[str, Any]]] = {
    "error_minimizing": (
        ("protect",),
        ErrorMinimizingRecipe(max_rounds=2, surrogate_epochs=1, steps=2, surrogate_size_px=16),
        {"engine#max_epochs": 2, "perturbation#steps": 2, "handlers#1#epochs": 1, "surrogate_size_px": 16},
    ),
    "targeted_adversarial": (
        ("protect", "targeted"),
        TargetedAdversarialRecipe(surrogate_epochs=1, steps=2, surrogate_size_px=16),
        {"handlers#0#epochs": 1, "perturbation#steps": 2, "surrogate_size_px": 16},
    ),
    "synthetic": (("protect", "synthetic"), SyntheticRecipe(), {}),
    "generator": (
        ("protect", "generator"),
        GeneratorRecipe(epochs=2, surrogate_steps=1, surrogate_size_px=16),
        {"recipe#epochs": 2, "recipe#surrogate_steps": 1, "surrogate_size_px": 16},
    ),
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return pictures(tmp_path / "source")


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("region", [None, "contour:2"])
def test_same_seed_gives_the_files_of_the_recipe(name: str, region: str | None, source: Path, tmp_path: Path) -> None:
    configs, recipe, overrides = CASES[name]
    places = {"dataset": source, "output": tmp_path / "bundle", "ledger": tmp_path / "ledger", "seed": 2**40 + 7}
    run_bundle(*configs, bundle=BUNDLE, **places, region=region, **overrides)
    chosen = None if region is None else ContourBand(inside_px=2, outside_px=2)
    recipe = replace(recipe, region=chosen)
    protect(source, output=tmp_path / "package", ledger=tmp_path / "other", recipe=recipe, seed=2**40 + 7)
    assert contents(tmp_path / "bundle") == contents(tmp_path / "package")
    assert verify_release(tmp_path / "bundle", tmp_path / "ledger").held


def test_small_pictures_of_one_size_are_seen_whole(tmp_path: Path) -> None:
    source = pictures(tmp_path / "source", sizes=[(40, 36)] * 4)
    places = {"dataset": source, "output": tmp_path / "bundle", "ledger": tmp_path / "ledger", "seed": 9}
    run_bundle("protect", bundle=BUNDLE, **places, **VOLUME_CASES["voxel by voxel"][2])
    for name, recipe in (("package", WHOLE), ("usual", replace(WHOLE, dense_ways=partial(usual_ways)))):
        protect(source, output=tmp_path / name, ledger=tmp_path / f"{name} ledger", recipe=recipe, seed=9)
    assert contents(tmp_path / "bundle") == contents(tmp_path / "package") != contents(tmp_path / "usual")


def _own_ways(*, spatial_dims: int) -> Compose:
    return Compose([RandFlipd("image", prob=0.5, spatial_axis=0), Zoomd("image", zoom=0.5, keep_size=False)])


OWN_WAYS = {
    "_target_": "Compose",
    "transforms": [
        {"_target_": "RandFlipd", "keys": "image", "prob": 0.5, "spatial_axis": 0},
        {"_target_": "Zoomd", "keys": "image", "zoom": 0.5, "keep_size": False},
    ],
}


@pytest.mark.parametrize(
    ("override", "ways"), [({"ways": None}, None), ({"ways#chain": OWN_WAYS}, _own_ways)], ids=["none", "own"]
)
def test_how_readers_load_images_can_be_said(
    override: dict[str, Any], ways: Callable[..., Compose] | None, source: Path, tmp_path: Path
) -> None:
    _, recipe, overrides = CASES["error_minimizing"]
    assert isinstance(recipe, ErrorMinimizingRecipe)
    released = {}
    for name, chosen in (("usual", usual_ways), ("chosen", ways)):
        output, ledger = tmp_path / name, tmp_path / f"{name} ledger"
        protect(source, output=output, ledger=ledger, recipe=replace(recipe, dense_ways=chosen), seed=9)
        released[name] = contents(output)
    places: dict[str, Any] = {"dataset": source, "output": tmp_path / "bundle", "ledger": tmp_path / "ledger"}
    run_bundle("protect", bundle=BUNDLE, **places, seed=9, **overrides, **override)
    pictures_of = {name: {k: v for k, v in one.items() if k.endswith(".png")} for name, one in released.items()}
    assert {k: v for k, v in contents(tmp_path / "bundle").items() if k.endswith(".png")} == pictures_of["chosen"]
    assert pictures_of["chosen"] != pictures_of["usual"]


WHOLE = ErrorMinimizingRecipe(max_rounds=1, surrogate_epochs=1, steps=1)
VOLUME_CASES: dict[str, Any] = CASES | {
    "voxel by voxel": (
        ("protect",),
        WHOLE,
        {"engine#max_epochs": 1, "perturbation#steps": 1, "handlers#1#epochs": 1},
    )
}


@pytest.mark.parametrize("name", VOLUME_CASES)
def test_volumes_too(name: str, tmp_path: Path) -> None:
    configs, recipe, overrides = VOLUME_CASES[name]
    source = volumes(tmp_path / "source")
    places = {"dataset": source, "output": tmp_path / "bundle", "ledger": tmp_path / "ledger", "seed": 2**40 + 7}
    run_bundle(*configs, bundle=VOLUMES, **places, **overrides)
    protect(source, output=tmp_path / "package", ledger=tmp_path / "other", recipe=recipe, seed=2**40 + 7)
    assert contents(tmp_path / "bundle") == contents(tmp_path / "package")


@pytest.mark.parametrize("bundle", [BUNDLE, VOLUMES], ids=["pictures", "volumes"])
def test_defaults_are_those_of_the_recipe(bundle: Path) -> None:
    parser, recipe = make_workflow("protect", bundle=bundle).parser, ErrorMinimizingRecipe()
    said = {
        "data_loader#batch_size": recipe.batch_size,
        "largest_patch_values": recipe.largest_patch_values,
        "surrogate_size_px": recipe.surrogate_size_px,
        "surrogate#channels_last": recipe.channels_last,
        "optimizer#lr": recipe.learning_rate,
        "optimizer#momentum": recipe.momentum,
        "optimizer#weight_decay": recipe.weight_decay,
        "surrogate_loader#batch_size": recipe.dense_batch_size,
        "perturbation#steps": recipe.steps,
        "perturbation#step_share": recipe.step_share,
        "perturbation#enough_loss": recipe.dense_enough_loss,
        "engine#max_epochs": recipe.max_rounds,
        "handlers#1#epochs": recipe.surrogate_epochs,
        "handlers#2#error": recipe.dense_stop_error,
        "handlers#2#min_epochs": recipe.min_rounds,
        "faint_share": recipe.faint_share,
        "region": recipe.region,
    }
    assert {place: parser[place] for place in said} == said
    assert [parser["network_def"]["_target_"]] == recipe.describe()["dense_networks"]
    assert parser.get_parsed_content("objective") == DenseObjective()
    assert recipe.start == Stripes()
    targeted, own = make_workflow("protect", "targeted", bundle=bundle).parser, TargetedAdversarialRecipe()
    assert (targeted["handlers#0#epochs"], targeted["perturbation#steps"]) == (own.surrogate_epochs, own.steps)
    assert targeted["perturbation#restarts"] == own.restarts and targeted["surrogate_loader#clean"]


def test_audit(source: Path, tmp_path: Path) -> None:
    victims = make_workflow("audit", bundle=BUNDLE).parser.get_parsed_content("victims")
    assert victims == [replace(DENSE_RECIPE, image_size_px=128)]
    protect(source, output=tmp_path / "release", ledger=tmp_path / "ledger", recipe=SyntheticRecipe(), seed=5)
    overrides = {"victims#0#epochs": 1, "victims#0#batch_size": 2, "seeds": 1, "image_size_px": 32}
    with pytest.raises(SystemExit, match="1"):  # nothing is learnt in an epoch, so there is no verdict
        run_bundle(
            "audit",
            bundle=BUNDLE,
            dataset=source,
            release=tmp_path / "release",
            output=tmp_path / "report",
            **overrides,
        )
    report = json.loads((tmp_path / "report/audit.json").read_text(encoding="utf-8"))
    assert report["task"] == "segmentation" and report["recipes"][0]["recipe"]["epochs"] == 1


@pytest.mark.filterwarnings(UNUSED_READER)
@pytest.mark.parametrize("more", [(), ("adversarial_training",)], ids=["plain", "adversarial"])
def test_train_then_run(more: tuple[str, ...], source: Path, tmp_path: Path) -> None:
    victim, predictions = tmp_path / "victim", tmp_path / "predictions"
    short: dict[str, Any] = {"train#trainer#max_epochs": 2, "image_size_px": [32, 24]}
    run_bundle("train", *more, bundle=BUNDLE, dataset_dir=source, test_dir=source, output_dir=victim, **short)
    run_bundle(
        "inference",
        bundle=BUNDLE,
        dataset_dir=source / "images",
        checkpoint=victim / "model.pt",
        output_dir=predictions,
        image_size_px=[32, 24],
    )
    network = small_unet(spatial_dims=2, in_channels=3, num_classes=2)
    network.load_state_dict(torch.load(victim / "model.pt", weights_only=True))
    found = sorted(predictions.rglob("*.png"))
    assert [path.stem.removesuffix("_mask") for path in found] == [
        path.stem for path in sorted((source / "images").iterdir())
    ]
    for path in found:
        mask = np.asarray(Image.open(path))
        assert mask.shape == (32, 24) and set(np.unique(mask)) <= {0, 1}


@pytest.mark.filterwarnings(UNUSED_READER)
def test_train_then_run_on_volumes(tmp_path: Path) -> None:
    source, victim, predictions = volumes(tmp_path / "source"), tmp_path / "victim", tmp_path / "predictions"
    short: dict[str, Any] = {"train#trainer#max_epochs": 1, "image_size_px": [16, 16, 16]}
    configs = ("train", "adversarial_training")
    run_bundle(*configs, bundle=VOLUMES, dataset_dir=source, test_dir=source, output_dir=victim, **short)
    places = {"dataset_dir": source / "images", "checkpoint": victim / "model.pt", "output_dir": predictions}
    run_bundle("inference", bundle=VOLUMES, **places, pattern="*.nii", image_size_px=[16, 16, 16])
    found = sorted(predictions.rglob("*.nii.gz"))
    assert len(found) == 4
    for path, volume in zip(found, sorted((source / "images").iterdir()), strict=True):
        mask, image = (nib.Nifti1Image.from_filename(one) for one in (path, volume))
        assert mask.shape == image.shape and np.allclose(mask.affine, image.affine)
        assert set(np.unique(mask.get_fdata())) <= {0, 1, 2}


@pytest.mark.parametrize("bundle", [BUNDLE, VOLUMES], ids=["pictures", "volumes"])
def test_metadata_fits_our_schema_and_the_network(bundle: Path) -> None:
    schema, metadata = bundle / "docs/metadata.schema.json", str(bundle / "configs/metadata.json")
    sha256 = hashlib.sha256(schema.read_bytes()).hexdigest()
    verify_metadata(meta_file=metadata, filepath=schema, hash_val=sha256, hash_type="sha256")
    for name in ("train", "inference"):
        config = str(bundle / f"configs/{name}.yaml")
        verify_net_in_out("network_def", meta_file=metadata, config_file=config, device="cpu")


@pytest.mark.filterwarnings(UNUSED_READER)
def test_properties_that_monai_asks_for(source: Path) -> None:
    train = make_workflow("train", bundle=BUNDLE, workflow_type="train", dataset_dir=str(source), test_dir=str(source))
    assert train.check_properties() == []
    inference = make_workflow("inference", bundle=BUNDLE, workflow_type="infer", dataset_dir=str(source / "images"))
    inference.parser["handlers"] = []  # no weights here
    inference.initialize()
    assert inference.check_properties() == []
