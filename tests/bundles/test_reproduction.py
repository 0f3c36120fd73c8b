"""Rows of published figures are kept only where settings and victims are exactly the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monai_unlearnable.audit import VictimRecipe
from monai_unlearnable.audit.outcomes import NotApplied
from monai_unlearnable.networks import small_densenet
from monai_unlearnable.workflows import SyntheticRecipe

PLAIN = VictimRecipe(name="net", network=small_densenet)
GREY = replace(PLAIN, name="net, grey")


@pytest.fixture
def reproduction(bundle_script: Callable[[str], Any]) -> Any:
    return bundle_script("reproduction")


def experiment_of(reproduction: Any, **options: Any) -> Any:
    settings = {"dataset": "set", "radius": "8/255", "recipe": SyntheticRecipe(), "victims": (PLAIN, GREY)}
    return reproduction.Experiment(**(settings | options))


@pytest.fixture
def figures(reproduction: Any, tmp_path: Path) -> Path:
    row = {
        "experiment": experiment_of(reproduction).label,
        "settings": SyntheticRecipe().describe(),
        "audit": {
            "recipes": [{"recipe": PLAIN.describe()}],
            "not_applied": [NotApplied(GREY, "the images are grey already").to_json()],
        },
    }
    file = tmp_path / "results.json"
    file.write_text(json.dumps([row]))
    return file


def test_a_row_whose_victim_could_not_apply_its_countermeasure_is_kept(reproduction: Any, figures: Path) -> None:
    kept = reproduction.published(experiment_of(reproduction), figures)
    assert kept is not None and kept["audit"]["recipes"][0]["recipe"]["name"] == "net"


@pytest.mark.parametrize(
    "changed",
    [
        {"radius": "4/255"},
        {"recipe": SyntheticRecipe(faint_share=0.5)},
        {"victims": (PLAIN,)},
        {"victims": (PLAIN, replace(GREY, epochs=3))},
    ],
)
def test_other_settings_are_computed_anew(reproduction: Any, figures: Path, changed: dict[str, Any]) -> None:
    assert reproduction.published(experiment_of(reproduction, **changed), figures) is None


def test_nothing_is_kept_without_a_file(reproduction: Any, tmp_path: Path) -> None:
    assert reproduction.published(experiment_of(reproduction), tmp_path / "none.json") is None


@pytest.mark.parametrize("curves", [True, False])
def test_rows_that_are_kept_are_written_as_they_were(reproduction: Any, tmp_path: Path, curves: bool) -> None:
    run = {"score": 0.5, "loss_curve": [0.123456], "score_curve": [0.5], "predictions": [[1]]}
    file = tmp_path / "results.json"
    reproduction.write_results([{"audit": {"recipes": [{"runs": [run], "overlays": []}]}}], file, curves=curves)
    first = json.loads(file.read_text())
    kept = {"score": 0.5} | ({"loss_curve": [0.1235], "score_curve": [0.5]} if curves else {})
    assert first == [{"audit": {"recipes": [{"runs": [kept]}]}}]
    reproduction.write_results(first, file, curves=curves)
    assert json.loads(file.read_text()) == first


def test_a_data_set_is_written_once_and_begun_anew_where_it_was_not_finished(reproduction: Any, tmp_path: Path) -> None:
    root, begun = tmp_path / "set", []

    def write(root: Path) -> None:
        begun.append(root)
        (root / "train").mkdir(parents=True)
        if len(begun) == 1:
            raise OSError("disk full")
        (root / "test").mkdir()

    with pytest.raises(OSError, match="disk full"):
        reproduction.train_and_test(root, write)
    for _ in range(2):
        data = reproduction.train_and_test(root, write)
        assert (data.clean, data.test) == (root / "train", root / "test")
    assert begun == [root, root]
