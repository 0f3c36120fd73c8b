"""The audit's configuration against the package's own call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monai_unlearnable.audit import VictimRecipe, audit_release
from monai_unlearnable.audit.adversaries import adversary_of
from monai_unlearnable.audit.suites import SUITES
from monai_unlearnable.networks import standard_densenet121
from monai_unlearnable.workflows import SyntheticRecipe, protect
from tests.bundles.running import make_workflow, run_bundle


@pytest.fixture
def release(tmp_path: Path, npz: Path) -> Path:
    protect(npz, output=tmp_path / "release", ledger=tmp_path / "ledger", recipe=SyntheticRecipe(), seed=5)
    return tmp_path / "release"


def scores(folder: Path) -> list[tuple[str, float, list[float]]]:
    report = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
    return [(run["trained_on"], run["score"], run["loss_curve"]) for run in report["recipes"][0]["runs"]]


def test_default_victim_is_the_packages() -> None:
    victims = make_workflow("audit").parser.get_parsed_content("victims")
    assert victims == [VictimRecipe()]
    assert make_workflow("audit").parser["seeds"] == 3


def test_audit_as_the_package_does(tmp_path: Path, npz: Path, release: Path) -> None:
    overrides: dict[str, Any] = {"victims#0#epochs": 2, "seeds": 1, "first_seed": 3}
    try:
        run_bundle("audit", dataset=npz, release=release, output=tmp_path / "report", **overrides)
        status = 0
    except SystemExit as stop:
        assert isinstance(stop.code, int)
        status = stop.code
    other = tmp_path / "other"
    report = audit_release(release, clean=npz, output=other, recipes=[VictimRecipe(epochs=2)], seeds=1, first_seed=3)
    assert scores(tmp_path / "report") == scores(other)
    assert status == (0 if report.held else 1)


def test_second_family_is_added() -> None:
    victims = make_workflow("audit", "second_family").parser.get_parsed_content("victims")
    assert victims == [
        VictimRecipe(),
        VictimRecipe(name="densenet121", network=standard_densenet121, image_size_px=32),
    ]


def test_countermeasures_are_more_victims() -> None:
    parser = make_workflow("audit").parser
    parser["countermeasures"] = ["grey", "jpeg:50"]
    recipes = parser.get_parsed_content("report#recipes")
    expected = (VictimRecipe(), *(adversary_of(VictimRecipe(), one) for one in ("grey", "jpeg:50")))
    assert [one.describe() for one in recipes] == [one.describe() for one in expected]


def test_a_suite_comes_before_single_countermeasures_and_knows_other_images() -> None:
    parser = make_workflow("audit").parser
    parser["suite"], parser["countermeasures"], parser["other_images"] = "standard", ["bits:2"], "other.npz"
    names = [one.name.removeprefix("small_resnet, ") for one in parser.get_parsed_content("report#recipes")]
    assert names == ["small_resnet", *SUITES["standard"], "bits:2"]
    starts = [one.start for one in parser.get_parsed_content("report#recipes") if one.start is not None]
    assert [str(one.source) for one in starts] == ["other.npz"]
