from __future__ import annotations

import json
from pathlib import Path

import pytest

from monai_unlearnable.errors import LedgerError
from monai_unlearnable.release import hold_ledger
from monai_unlearnable.workflows.settings import describe_differences, find_differences, take_up


def test_same_settings_differ_in_nothing() -> None:
    settings = {"a": 1, "shape": (1, 2), "deep": {"b": None}}
    assert find_differences(json.loads(json.dumps(settings)), settings) == []


def test_each_difference_is_named_with_both_values() -> None:
    kept = {"steps": 20, "gone": 1, "deep": {"a": "x", "same": 0}, "flat": {"b": 1}}
    given = {"steps": 5, "new": [1], "deep": {"a": "y", "same": 0}, "flat": 3}
    assert find_differences(kept, given) == [
        "deep.a is 'x' there and 'y' here",
        "flat is {'b': 1} there and 3 here",
        "steps is 20 there and 5 here",
        "gone is 1 there and not set here",
        "new is not set there and [1] here",
    ]


def test_seed_and_hashes_are_not_shown() -> None:
    found = find_differences({"seed": 4711, "data_sha256": "abc"}, {"seed": 4712, "data_sha256": "abd"})
    assert found == ["the images or labels are others", "the seed is another one"]


def test_many_differences_are_counted() -> None:
    assert describe_differences([str(number) for number in range(8)]) == "0; 1; 2; 3; 4; 5; and 2 more"
    assert describe_differences(["a"]) == "a"


def test_new_run_draws_a_seed_that_is_hard_to_guess(tmp_path: Path) -> None:
    drawn = {take_up(tmp_path / "ledger", {}, None)[0] for _ in range(5)}
    assert len(drawn) == 5 and max(drawn) > 2**50
    assert take_up(tmp_path / "ledger", {}, 3) == (3, False)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    places = {"source": tmp_path / "source", "release": tmp_path / "release"}
    with hold_ledger(tmp_path / "ledger", **places, configuration={"seed": 9, "steps": 2}):
        return tmp_path / "ledger"


def test_unfinished_run_is_taken_up(ledger: Path) -> None:
    assert take_up(ledger, {"steps": 2}, None) == (9, True)
    assert take_up(ledger, {"steps": 2}, 9) == (9, True)
    with pytest.raises(LedgerError, match=r"other settings: steps is 2 there and 3 here. Use the same settings"):
        take_up(ledger, {"steps": 3}, None)
    with pytest.raises(LedgerError, match="the seed is another one"):
        take_up(ledger, {"steps": 2}, 8)


@pytest.mark.parametrize("seed", ['"nine"', "null", "1.5"])
def test_damaged_seed_is_named(seed: str, ledger: Path) -> None:
    path = ledger / "ledger.json"
    path.write_text(path.read_text().replace('"seed": 9', f'"seed": {seed}'))
    with pytest.raises(LedgerError, match="its seed is no whole number"):
        take_up(ledger, {"steps": 2}, None)
