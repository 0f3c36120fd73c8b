"""robust.yaml says the same as the recipe and does the same."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from monai_unlearnable.release import verify_release
from monai_unlearnable.workflows import RobustErrorMinimizingRecipe, protect
from tests.bundles.running import BUNDLES, contents, make_workflow, recorded, run_bundle

CONFIGS = ("protect", "robust")
QUICK: dict[str, Any] = {
    f"recipe#{name}": value
    for name, value in {"min_rounds": 1, "max_rounds": 1, "steps": 2, "surrogate_epochs": 1}.items()
}
LEFT_OUT = {
    *("networks", "dense_networks", "dense_ways", "start", "countermeasures", "view_radius"),
    *("kept_patterns", "kept_share", "block_size_px", "low_pass_share"),
}


@pytest.mark.parametrize("name", ["classification", "segmentation", "volume"])
def test_defaults_are_those_of_the_recipe(name: str) -> None:
    parser, recipe = (
        make_workflow(*CONFIGS, bundle=BUNDLES / f"{name}_protection").parser,
        RobustErrorMinimizingRecipe(),
    )
    written = dict(parser["recipe"])
    assert written.pop("_target_") == "monai_unlearnable.workflows.RobustErrorMinimizingRecipe"
    for key, value in written.items():
        if isinstance(value, str):
            value = parser["region" if value == "@chosen_region" else value.removeprefix("@")]
        assert value == getattr(recipe, key), key
    dense = {"region", "dense_batch_size", "dense_stop_error", "dense_enough_loss"}
    other = dense if name == "classification" else {"class_wise", "surrogate_batch_size", "stop_error"}
    assert {one.name for one in fields(recipe)} - LEFT_OUT - other == set(written)


def test_same_seed_gives_the_files_of_the_recipe(npz: Path, tmp_path: Path) -> None:
    release, ledger = tmp_path / "release", tmp_path / "ledger"
    run_bundle(*CONFIGS, dataset=npz, output=release, ledger=ledger, seed=2**40 + 7, **QUICK)
    recipe = RobustErrorMinimizingRecipe(min_rounds=1, max_rounds=1, steps=2, surrogate_epochs=1)
    protect(npz, output=tmp_path / "package", ledger=tmp_path / "other", recipe=recipe, seed=2**40 + 7)
    assert contents(release) == contents(tmp_path / "package")
    assert recorded(ledger) == recorded(tmp_path / "other") and verify_release(release, ledger).held
