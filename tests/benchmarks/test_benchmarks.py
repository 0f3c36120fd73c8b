"""The benchmarks run and their results are whole; how fast anything is, is no test."""

from __future__ import annotations

import copy
import json
import platform
import tempfile
from pathlib import Path

import jsonschema
import pytest
import torch

from tests.benchmarks import engine
from tests.benchmarks.measure import Ratio, Size
from tests.benchmarks.run import main
from tests.benchmarks.schema import validate

pytestmark = pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader")


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("benchmarks")
    assert main(["--quick", "--output", str(folder)]) == 0
    return folder / "benchmarks.json"


def test_results_are_whole(output: Path) -> None:
    results = json.loads(output.read_text(encoding="utf-8"))
    validate(results)
    assert results["quick"] is True
    ratios = {one["name"]: one["goal"] for one in results["ratios"]}
    assert ratios["engine / bare loop"] == 1.10
    assert ratios["delta step / forward and input gradient"] == 1.15
    assert ratios["linear_error_minimizing / error_minimizing: time"] == 0.05
    assert ratios["linear_error_minimizing / (error_minimizing + 0.15): accuracy"] == 1.0
    assert ratios["DICOM series: release / rewrite"] == 1.3
    assert ratios["gzipped NIfTI, writing: peak memory / 2 GiB"] == 1.0
    assert len(ratios) == 7 + 20 + 6 + 2 + 2 + 2
    assert [path.name for path in output.parent.iterdir()] == ["benchmarks.json"]


def test_results_name_no_machine(output: Path) -> None:
    text = output.read_text(encoding="utf-8")
    assert platform.node() not in text
    assert tempfile.gettempdir() not in text


@pytest.mark.parametrize(
    ("field", "value"), [("median", -1.0), ("median", float("nan")), ("repeats", 0), ("unit", ""), ("min", 1e9)]
)
def test_broken_results_are_refused(output: Path, field: str, value: object) -> None:
    results = json.loads(output.read_text(encoding="utf-8"))
    broken = copy.deepcopy(results)
    broken["rows"][0][field] = value
    with pytest.raises((jsonschema.ValidationError, ValueError)):
        validate(broken)


@pytest.mark.parametrize(("values", "met"), [((1.0, 1.1, 5.0), True), ((1.0, 1.2, 1.2), False)])
def test_the_median_is_judged(values: tuple[float, ...], met: bool) -> None:
    assert Ratio(name="a", values=values, goal=1.1).to_json()["met"] is met


def test_the_engine_is_compared_with_equal_deltas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_bare", lambda data, size: torch.zeros_like(data.image))
    with pytest.raises(AssertionError, match="engine and bare loop differ in"):
        engine.run(Size.small())
