"""Sets of countermeasures, and victims who need other images."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_unlearnable.audit import audit_release
from monai_unlearnable.audit.adversaries import adversary_of, with_adversaries
from monai_unlearnable.audit.pretraining import Pretraining
from monai_unlearnable.audit.suites import SUITES
from monai_unlearnable.verbs.audit_options import _SUITES
from tests.audit.test_starts import write_npz
from tests.audit.tiny import RECIPE


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("name", SUITES)
def test_a_suite_is_made_of_known_countermeasures_that_differ(name: str, dense: bool) -> None:
    victims = with_adversaries([RECIPE], SUITES[name], dense=dense)
    assert victims[0] is RECIPE and len({one.name for one in victims}) == len(SUITES[name]) + 1
    assert len({str(one.describe()) for one in victims}) == len(victims)


def test_a_larger_suite_holds_the_smaller_ones() -> None:
    quick, standard, full = (set(SUITES[name]) for name in ("quick", "standard", "full"))
    assert quick < standard < full and tuple(SUITES) == _SUITES


def test_the_standard_suite_is_what_published_methods_fail_at() -> None:
    wanted = {f"jpeg:{one}" for one in (90, 75, 50, 30, 10)} | {f"adversarial:{one}/255" for one in (2, 4, 8)}
    assert wanted | {"ueraser", "projection", "pretrained:all", "low-resolution:0.5"} <= set(SUITES["standard"])


def test_pretrained_victims_and_clean_parts_are_written(tmp_path: Path) -> None:
    other = Pretraining(source=tmp_path / "other.npz")
    both = adversary_of(RECIPE, "pretrained:all", other=other), adversary_of(RECIPE, "pretrained:last", other=other)
    assert [one.start for one in both] == [other, Pretraining(source=other.source, only_last=True)]
    assert str(tmp_path) not in str([one.describe() for one in both]), "a report says nothing of where files lie"
    mixed, alone = (adversary_of(RECIPE, f"{kind}:0.2") for kind in ("clean-part", "clean-part-alone"))
    assert mixed.baseline is RECIPE and alone.baseline is RECIPE and not mixed.is_plain
    assert (mixed.clean_part, alone.clean_part) == (mixed.clean_part, alone.clean_part)
    assert [one.describe()["clean_part"] for one in (mixed, alone)] == [
        {"share": 0.2, "alone": False},
        {"share": 0.2, "alone": True},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pretrained", "'pretrained' is not understood. Write pretrained:all or pretrained:last."),
        ("pretrained:first", "'pretrained:first' is not understood"),
        ("clean-part:1", r"countermeasure 'clean-part:1': share=1\.0: a clean part is more than nothing"),
        ("clean-part:x", "countermeasure 'clean-part:x': 'x' is no number"),
        ("clean-part", "countermeasure 'clean-part' is not understood. Write clean-part:SHARE"),
        ("early-stopping:1", r"share=1\.0: a part to stop by is more than nothing and less than all; say 0\.1"),
        ("early-stopping:0", r"share=0\.0: a part to stop by"),
        ("early-stopping:x", "'x' is no number"),
        ("early-stopping", "is not understood. Write early-stopping:SHARE"),
    ],
)
def test_what_is_not_understood_says_why(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        adversary_of(RECIPE, text)


def test_a_pretrained_victim_without_other_images_is_named_and_never_passed(tmp_path: Path) -> None:
    clean = write_npz(tmp_path / "clean.npz")
    victims = with_adversaries([RECIPE], ["pretrained:all"], dense=False)
    report = audit_release(clean, clean=clean, output=tmp_path / "audit", recipes=victims, seeds=1)
    assert [one.recipe.name for one in report.outcomes] == [RECIPE.name]
    (left,) = report.not_applied
    assert left.recipe.name == victims[1].name
    assert left.reason == "there are no other images to learn from first; name some (--other-images)."
