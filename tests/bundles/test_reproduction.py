"""Rows of published figures are kept only where settings and victims are exactly the same."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monai_unlearnable.audit import VictimRecipe
from monai_unlearnable.audit.outcomes import NotApplied
from monai_unlearnable.networks import small_densenet
from monai_unlearnable.workflows import SyntheticRecipe

BUNDLES = Path(__file__).parents[2] / "bundles"
PLAIN = VictimRecipe(name="net", network=small_densenet)
GREY = replace(PLAIN, name="net, grey")


@pytest.fixture
def reproduction(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BUNDLES))
    monkeypatch.delitem(sys.modules, "reproduction", raising=False)
    return importlib.import_module("reproduction")


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
