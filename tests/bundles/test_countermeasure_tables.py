"""Tables of countermeasures say what the runs say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from monai_unlearnable.audit import VictimRecipe
from monai_unlearnable.audit.outcomes import NotApplied
from monai_unlearnable.networks import small_densenet
from tests.bundles.running import BUNDLES

NOT_APPLIED = NotApplied(VictimRecipe(name="net, grey", network=small_densenet), "the images are grey already")


@pytest.fixture
def tables(bundle_script: Callable[[str], Any]) -> Any:
    return bundle_script("countermeasure_tables")


@pytest.fixture
def read(bundle_script: Callable[[str], Any]) -> Any:
    return bundle_script("countermeasure_results")


EXTRAS = {
    "authorised_use": [{"on_released_mean": 0.81, "on_clean_mean": 0.82, "agreement_mean": 0.95}],
    "membership": [{"mean_auroc": {"trained_on_released_seen_released": 0.61, "trained_on_clean_seen_clean": 0.7}}],
    "detector": {
        "released": [{"accuracy_mean": 0.6, "chance_mean": 0.5}, {"accuracy_mean": 0.9, "chance_mean": 0.5}],
        "classes": [{"accuracy_mean": 1.0, "chance_mean": 0.73}],
    },
}


def victim(kind: str, released: float, clean: float, *, peak: float | None = None) -> dict[str, Any]:
    runs = [
        {"trained_on": on, "score": mean + step, "peak": max(mean if peak is None else peak, mean) + step}
        for on, mean in (("released", released), ("clean", clean))
        for step in (-0.01, 0.0, 0.01)
    ]
    return {
        "recipe": {"name": f"net, {kind}" if kind else "net"},
        "majority": 0.5,
        "released": {"mean": released},
        "clean": {"mean": clean},
        "runs": runs,
    }


def result(method: str, *victims: dict[str, Any], radius: str = "8/255", variant: str = "") -> dict[str, Any]:
    fidelity = {"psnr_db": {"median": 30.0}, "ssim": {"median": 0.9}}
    return {
        "dataset": "set",
        "radius": radius,
        "method": method,
        "variant": variant,
        "protect_seconds": 3.0,
        "pixels": 10,
        "pixels_in_budget": 10,
        "images": 2,
        "images_restored_bit_for_bit": 2,
        "audit": {
            "task": "single_label",
            "recipes": list(victims),
            "not_applied": [NOT_APPLIED.to_json()],
            "fidelity": fidelity,
            **EXTRAS,
        },
    }


ONE = result(
    "one",
    victim("", 0.4, 0.9),
    victim("blur:1", 0.6, 0.8, peak=0.7),
    victim("notch", 0.95, 0.9),
    victim("pretrained:all", 0.85, 0.9),
    victim("clean-part:0.2", 0.7, 0.9),
    victim("clean-part-alone:0.2", 0.88, 0.9),
    variant="countermeasures",
)


def test_shares_of_the_clean_gap(read: Any) -> None:
    # The gap is 0.9 - 0.5, whatever a countermeasure takes from clean victims.
    assert read.regained(ONE) == (pytest.approx(0.1 / 0.4), "blur:1")
    assert read.regained(ONE, ("pretrained",)) == (pytest.approx(0.35 / 0.4), "pretrained:all")
    assert read.regained(ONE, ("clean-part:",)) == (pytest.approx(0.2 / 0.4), "clean-part:0.2")
    assert read.regained(ONE, (), "peak") == (pytest.approx(0.2 / 0.4), "blur:1")


def test_who_learns_nothing_from_clean_files_either_does_not_count(read: Any, tables: Any) -> None:
    hard = victim("adversarial:8/255", 0.54, 0.5)
    one = result("one", victim("", 0.4, 0.9), hard, variant="countermeasures")
    assert read.regained(one) == (pytest.approx(-0.1 / 0.4), "none")
    assert "| adversarial:8/255 | 0.500 | 0.540, learns nothing |" in tables.tables([one]).splitlines()
    leak = result("one", victim("", 0.4, 0.9), victim("adversarial:8/255", 0.8, 0.5), variant="countermeasures")
    assert read.regained(leak) == (pytest.approx(0.3 / 0.4), "adversarial:8/255")


def test_a_row_for_each_countermeasure_and_a_column_for_each_method(tables: Any) -> None:
    second = (victim("", 0.46, 0.9), victim("grey", 0.3, 0.7))
    other = result("two", *second, variant="one phase, countermeasures")
    lines = tables.tables([ONE, other]).splitlines()
    assert lines[0] == "### set, 8/255"
    assert lines[2] == "| countermeasure | clean files | one | two, one phase |"
    assert "| none | 0.900 | 0.400 | 0.460 |" in lines
    assert "| blur:1 | 0.800 | 0.600 | not computed |" in lines
    assert "| grey | 0.700 | not applicable | 0.300 |" in lines
    assert "| grey |  | not applicable |" in tables.tables([ONE]).splitlines(), "said also where no other method has it"
    assert any(line.startswith("| **largest share") and "25% (blur:1) | -10% (none)" in line for line in lines)
    assert "Majority class: 0.500." in lines
    tail = [
        line.split(" | | ")[1]
        for line in lines
        if line.startswith(("| authorised", "| memb", "| released f", "| classes"))
    ]
    assert tail == [
        "0.810 (0.820), 95% alike | 0.810 (0.820), 95% alike |",
        "0.61 (0.70) | 0.61 (0.70) |",
        "0.90 (0.50) | 0.90 (0.50) |",
        "1.00 (0.73) | 1.00 (0.73) |",
    ]
    assert "inside the integer budget: 20 of 20" in lines[-1]


def test_masks_are_told_from_a_blind_answer_and_need_no_extras(tables: Any) -> None:
    one = result("one", victim("", 0.4, 0.9))
    one["audit"] = {key: value for key, value in one["audit"].items() if key not in EXTRAS} | {"task": "segmentation"}
    text = tables.tables([one])
    assert "IoU of the best blind answer: 0.500." in text and "authorised use" not in text


def test_radii_are_in_order_and_shares_that_nobody_computed_are_left_out(tables: Any) -> None:
    rows = [result("one", victim("", score, 0.9), radius=radius) for radius, score in (("8/255", 0.4), ("2/255", 0.8))]
    text = tables.tables(rows)
    by_radius = text[text.index("### set, one, by radius") :].splitlines()
    assert by_radius[4] == "| 2/255 | 30.0, 0.900 | 0.800 | 75% (none) |"
    assert by_radius[5] == "| 8/255 | 30.0, 0.900 | 0.400 | -25% (none) |"
    assert "pretrained" not in text, "nobody computed it"


def test_a_share_that_only_another_method_has_is_not_computed(tables: Any) -> None:
    text = tables.tables([ONE, result("two", victim("", 0.46, 0.9))])
    assert "| the same, pretrained | | 87% (pretrained:all) | not computed |" in text


def test_what_changes_nothing_has_no_share(tables: Any) -> None:
    one = result("one", victim("", 0.4, 0.9), variant="countermeasures")
    one["audit"]["not_applied"].append({"recipe": {"name": "net, notch"}, "reason": "it finds nothing"})
    two = result("two", victim("", 0.4, 0.9), victim("notch", 0.6, 0.9), variant="countermeasures")
    assert "| the same, who knows of the stripes | | not applicable | 25% (notch) |" in tables.tables([one, two])


def test_a_victims_own_name_may_have_a_comma(tables: Any) -> None:
    one = result("one", victim("", 0.4, 0.9), victim("blur:1", 0.6, 0.8))
    for other in one["audit"]["recipes"]:
        other["recipe"]["name"] = other["recipe"]["name"].replace("net", "net, flips alone")
    lines = tables.tables([one]).splitlines()
    assert "| none | 0.900 | 0.400 |" in lines and "| blur:1 | 0.800 | 0.600 |" in lines


def test_methods_stand_beside_each_other_where_several_were_tried(tables: Any) -> None:
    other = {"dataset": "other set"}
    rows = [ONE, result("two", victim("", 0.46, 0.9)), result("two", victim("", 0.48, 0.9), radius="2/255")]
    alone = {**result("two", victim("", 0.5, 0.9)), **other}
    assert "other set" not in tables.overview([*rows, alone]), "nothing to compare"
    lines = tables.overview([*rows, {**result("three", victim("", 0.6, 0.8)), **other}, alone]).splitlines()
    assert lines == [
        "| largest share of the clean gap regained | set, 8/255 | other set, 8/255 |",
        "|---|---|---|",
        "| one | 25% (blur:1) | not computed |",
        "| two | -10% (none) | 0% (none) |",
        "| three | not computed | 33% (none) |",
        "| *clean files, without looking* | 0.900, 0.500 | 0.800, 0.500 |",
    ]


def test_the_readme_shows_what_the_bundles_have_published(tables: Any) -> None:
    readme = (BUNDLES.parent / "README.md").read_text()
    assert f"<!-- countermeasures -->\n{tables.overview(tables.published_suites(BUNDLES))}\n<!-- end of" in readme
