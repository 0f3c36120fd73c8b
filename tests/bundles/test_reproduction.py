"""Rows of published figures are kept only where settings and victims are exactly the same; what they lack is added."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monai_unlearnable.audit import VictimRecipe
from monai_unlearnable.audit.adversaries import adversary_of
from monai_unlearnable.audit.extras import Extra
from monai_unlearnable.audit.outcomes import NotApplied
from monai_unlearnable.networks import small_densenet
from monai_unlearnable.workflows import SyntheticRecipe
from tests.audit.tiny import RECIPE, write_source

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
    experiment = experiment_of(reproduction)
    kept = reproduction.published(experiment, figures)
    assert kept is not None and kept["audit"]["recipes"][0]["recipe"]["name"] == "net"
    assert reproduction.missing_victims(experiment, kept["audit"]) == ()


@pytest.mark.parametrize("changed", [{"radius": "4/255"}, {"recipe": SyntheticRecipe(faint_share=0.5)}])
def test_other_settings_are_computed_anew(reproduction: Any, figures: Path, changed: dict[str, Any]) -> None:
    assert reproduction.published(experiment_of(reproduction, **changed), figures) is None


def test_victims_who_are_set_up_otherwise_and_new_ones_are_missing(reproduction: Any, figures: Path) -> None:
    longer, new = replace(GREY, epochs=3), replace(PLAIN, name="net, new")
    experiment = experiment_of(reproduction, victims=(PLAIN, longer, new))
    kept = reproduction.published(experiment, figures)
    assert reproduction.missing_victims(experiment, kept["audit"]) == (longer, new)
    use = experiment_of(reproduction, extras=(Extra.AUTHORISED_USE,))
    assert reproduction.missing_victims(use, kept["audit"]) == use.victims


def test_only_missing_victims_are_trained_and_put_in_their_places(reproduction: Any, tmp_path: Path) -> None:
    plain = replace(RECIPE, name="net")
    victims = (plain, adversary_of(plain, "bits:3"), adversary_of(plain, "jpeg:50"), adversary_of(plain, "grey"))
    data = reproduction.DataSet(clean=write_source(tmp_path / "set.npz"))
    first = experiment_of(reproduction, victims=(plain, victims[2], replace(victims[1], epochs=1)))
    work = tmp_path / "work"
    old = reproduction.perform(first, data, work, 1)
    trained = len(list((work / "trainings").glob("*.json")))
    (work / first.label / "result.json").unlink()
    found = reproduction.perform(experiment_of(reproduction, victims=victims), data, work, 1, kept=old)
    audit = found["audit"]
    assert [one["recipe"]["name"] for one in audit["recipes"]] == [one.name for one in victims[:3]]
    assert [one["recipe"]["name"] for one in audit["not_applied"]] == ["net, grey"]
    assert audit["recipes"][2] == old["audit"]["recipes"][1], "what is kept stays as it was"
    assert audit["recipes"][1]["recipe"]["epochs"] == plain.epochs and "held" not in audit
    assert len(list((work / "trainings").glob("*.json"))) == trained + 2
    kept = reproduction.perform(experiment_of(reproduction, victims=victims), data, work, 1)
    assert kept == found
    old["audit"]["recipes"][0]["runs"] = []
    other = reproduction.merged(experiment_of(reproduction, victims=victims), old["audit"], audit)
    assert [one["runs"] == [] for one in other["recipes"]] == [True, False, False], "plain victims are not replaced"


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
