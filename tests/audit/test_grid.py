"""Victims by countermeasure: what is read from recipes, the heat map, and curves over a strength."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monai_unlearnable.audit import AuditReport, RecipeOutcome, TrainingResult, VictimRecipe
from monai_unlearnable.audit.adversaries import COUNTERMEASURES, adversary_of
from monai_unlearnable.audit.adversary_sections import heat_map, sweeps
from monai_unlearnable.audit.clean_parts import CleanPart
from monai_unlearnable.audit.grid import find_sweeps, grid_of
from monai_unlearnable.audit.outcomes import NotApplied
from monai_unlearnable.audit.pretraining import Pretraining
from monai_unlearnable.audit.taken import base_of, steps_of, steps_text
from monai_unlearnable.countermeasures import JpegRoundTrip, PictureTransform
from monai_unlearnable.sources import Task
from tests.audit.tiny import RECIPE

HOSTILE = "<b>&"


class MadeUpFilter(PictureTransform):
    """A countermeasure that the report knows nothing of."""

    def __init__(self) -> None:
        self.size_px, self.nothing = 3, None

    def change(self, levels: Any) -> Any:
        return levels


def _outcome(
    recipe: VictimRecipe, released: list[float], clean: list[float], *, majority: float = 0.5
) -> RecipeOutcome:
    def runs(scores: list[float]) -> tuple[TrainingResult, ...]:
        return tuple(TrainingResult(one, one, None, (1.0,), (one,), 1.0) for one in scores)

    return RecipeOutcome(recipe, Task.SINGLE_LABEL, majority, tuple(range(len(clean))), runs(released), runs(clean))


def _report(*outcomes: RecipeOutcome, not_applied: tuple[NotApplied, ...] = ()) -> AuditReport:
    nothing: Any = None
    return AuditReport(
        Task.SINGLE_LABEL, ("a", "b"), {}, "", nothing, outcomes, nothing, (), {}, not_applied=not_applied
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("jpeg:75", "JPEG, quality 75"),
        ("jpeg2000:20", "JPEG 2000, ratio 20.0"),
        ("bits:2", "fewer bits, bits 2"),
        ("grey", "no colours"),
        ("blur:1.5", "blur, sigma 1.5"),
        ("median:2", "median, radius 2"),
        ("gamma:0.5", "other contrast, gamma 0.5"),
        ("low-resolution:0.5", "low resolution, factor 0.5"),
        ("adversarial:4/255", "adversarial training, radius 4/255"),
        ("projection", "projection"),
        ("notch", "notch filter"),
        ("noise:8/255", "random numbers added, sigma 8/255"),
        ("affine", "affine moves"),
        ("cutout", "boxes hidden"),
        ("mixup", "images mixed"),
        ("cutmix", "boxes swapped"),
        ("early-stopping:0.1", "stopped early, share 0.1"),
        ("ueraser:3", "worst of several augmentations, count 3"),
    ],
)
def test_countermeasures_are_read_from_recipes_and_not_from_names(text: str, words: str) -> None:
    recipe = replace(adversary_of(RECIPE, text), name="any name")
    assert steps_text(steps_of(recipe)) == words
    assert base_of(recipe) == base_of(RECIPE)


NUMBERS = {
    **{"jpeg2000": "20", "low-resolution": "0.5", "adversarial": "4/255", "noise": "5/255", "gamma": "0.5"},
    **{"clean-part": "0.2", "clean-part-alone": "0.2", "early-stopping": "0.1"},
}
WORDED = {"pretrained", "denoiser"}
"""What follows their colon is no number."""


def test_every_countermeasure_with_a_number_has_an_axis_that_its_number_lies_on() -> None:
    kinds = {one.partition(":")[0] for one in COUNTERMEASURES if ":" in one} - {"ueraser"} - WORDED
    assert len(kinds) == 12
    for kind in kinds:
        number = NUMBERS.get(kind, "3")
        (step,) = steps_of(adversary_of(RECIPE, f"{kind}:{number}"))
        assert step.value == float(number.removesuffix("/255")), kind


def test_no_countermeasure_makes_another_victim() -> None:
    for written in COUNTERMEASURES:
        kind, colon, _ = written.partition(":")
        if kind == "denoiser":
            continue  # needs a source; see test_denoiser
        text = written if kind in WORDED else f"{kind}:{NUMBERS.get(kind, '3')}" if colon else kind
        recipe = adversary_of(RECIPE, text)
        assert base_of(recipe) == base_of(RECIPE) and len(steps_of(recipe)) == 1, written


def test_who_has_clean_images_or_a_pretrained_network_is_no_other_victim() -> None:
    part = replace(RECIPE, clean_part=CleanPart(share=0.2, alone=True))
    assert steps_text(steps_of(part)) == "a clean part alone, share 0.2" and steps_of(part)[0].value == 0.2
    started = replace(RECIPE, start=Pretraining(source=Path("x"), only_last=True))
    assert steps_text(steps_of(started)) == "pretrained, only last, rate share 1.0"
    assert base_of(part) == base_of(started) == base_of(RECIPE)


def test_an_unknown_countermeasure_is_told_in_the_words_of_its_class() -> None:
    (step,) = steps_of(replace(RECIPE, pictures=(MadeUpFilter(),)))
    assert step.text == "made up filter, size 3" and step.axis is None and step.value is None
    both = replace(adversary_of(RECIPE, "adversarial:2/255"), pictures=(MadeUpFilter(), JpegRoundTrip(5)))
    assert steps_text(steps_of(both)) == (
        "made up filter, size 3; then JPEG, quality 5; then adversarial training, radius 2/255"
    )


def test_the_grid_has_a_row_for_each_countermeasure_and_a_column_for_each_network() -> None:
    other = replace(RECIPE, name="other", epochs=9)
    outcomes = [
        _outcome(adversary_of(other, "jpeg:5"), [0.6], [0.7]),
        _outcome(RECIPE, [0.4, 0.6], [0.9, 0.9]),
        _outcome(adversary_of(RECIPE, "jpeg:5"), [0.7], [0.8]),
    ]
    grid = grid_of(outcomes, [NotApplied(adversary_of(RECIPE, "grey"), "grey already")])
    assert grid.rows == ("none", "JPEG, quality 5", "no colours")
    first, second = grid.columns
    assert (first.name, second.name) == ("other, jpeg:5", "tiny")
    assert first.plain is None and first.share(0.7) is None
    assert first.cells == (None, outcomes[0], None)
    assert second.cells[:2] == (outcomes[1], outcomes[2]) and isinstance(second.cells[2], NotApplied)
    assert [second.share(one) for one in (0.5, 0.7, 0.9, 0.3)] == pytest.approx([0.0, 0.5, 1.0, -0.5])


def test_without_a_gap_there_is_no_share() -> None:
    (column,) = grid_of([_outcome(RECIPE, [0.4], [0.5])]).columns
    assert column.plain is not None and column.share(0.6) is None


def _cells(page: str) -> list[tuple[str, str]]:
    """Colour and text of every coloured cell of the heat map."""
    table = page[page.index('class="heat"') :]
    found = re.findall(r'<td style="background: (#[0-9a-f]{6})">(.*?)</td>', table)
    return [(colour, re.sub("<.*?>", "", text)) for colour, text in found]


def test_the_heat_map_says_in_numbers_what_it_says_in_colours() -> None:
    named = replace(RECIPE, name=HOSTILE)
    jpeg = adversary_of(named, "jpeg:5")
    report = _report(
        _outcome(named, [0.3], [0.9]),
        _outcome(jpeg, [0.7], [0.95]),
        not_applied=(
            NotApplied(adversary_of(named, "grey"), "no"),
            NotApplied(adversary_of(named, "blur:1"), "no", diverged=True),
        ),
    )
    page = heat_map(report)
    white, half, orange = "#ffffff", "#f8d2ac", "#f2a65a"
    assert _cells(page) == [
        (white, "30.0% (0%)"),
        (orange, "90.0% (100%)"),
        (half, "70.0% (50%)"),
        (orange, "95.0% (112%)"),
    ]
    assert HOSTILE not in page and "&lt;b&gt;&amp;" in page
    assert '<td colspan="2">not applicable</td>' in page and '<td colspan="2">diverged</td>' in page
    assert '<th scope="row">JPEG, quality 5</th>' in page


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = ((one / 12.92) if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_text_stands_out_from_every_colour() -> None:
    """WCAG 2.1, success criterion 1.4.6: a contrast of 7 to 1."""
    outcomes = [_outcome(RECIPE, [0.5], [0.9])]
    outcomes += [_outcome(adversary_of(RECIPE, f"jpeg:{one}"), [0.5 + one / 50], [0.9]) for one in range(1, 20)]
    ink = _luminance("#1a1a1a") + 0.05
    assert all((_luminance(colour) + 0.05) / ink > 7 for colour, _ in _cells(heat_map(_report(*outcomes))))


def test_an_audit_without_countermeasures_has_no_heat_map() -> None:
    assert heat_map(_report(_outcome(RECIPE, [0.5], [0.9]))) == ""


def test_a_victim_that_learned_nothing_gets_no_colour() -> None:
    page = heat_map(_report(_outcome(RECIPE, [0.5], [0.5]), _outcome(adversary_of(RECIPE, "jpeg:5"), [0.6], [0.7])))
    assert _cells(page) == []
    assert "No percentages for tiny: there is no clean baseline without a countermeasure that learned." in page


def test_what_means_nothing_has_no_colour_and_a_gap_that_nobody_learned_no_percentage() -> None:
    plain, blind = _outcome(RECIPE, [0.5], [0.9]), _outcome(adversary_of(RECIPE, "jpeg:5"), [0.52], [0.51])
    page = heat_map(_report(plain, blind))
    assert _cells(page) == [("#ffffff", "50.0% (0%)"), ("#f2a65a", "90.0% (100%)")]
    assert "<td>52.0% (means nothing)</td><td>51.0% (not learned)</td>" in page
    barely = _outcome(RECIPE, [0.5], [0.51])
    assert grid_of([barely]).columns[0].share(0.6) is None


def test_a_clean_part_and_the_same_part_alone_are_two_curves() -> None:
    kinds = ("clean-part", "clean-part-alone")
    outcomes = [_outcome(adversary_of(RECIPE, f"{kind}:{one}"), [0.6], [0.9]) for kind in kinds for one in (0.1, 0.5)]
    found = find_sweeps([_outcome(RECIPE, [0.5], [0.9]), *outcomes])
    assert [(one.axis.title, one.values) for one in found] == [
        ("share of images that is clean", (0.0, 0.1, 0.5)),
        ("share of images, clean, without the others", (0.1, 0.5)),  # of no image there is no victim
    ]


def test_a_curve_needs_two_strengths_and_begins_where_nothing_is_done() -> None:
    one, two = (_outcome(adversary_of(RECIPE, f"adversarial:{radius}/255"), [0.6], [0.8]) for radius in (8, 2))
    plain = _outcome(RECIPE, [0.5], [0.9])
    assert find_sweeps([plain, one]) == ()
    (found,) = find_sweeps([one, plain, two])
    assert (found.victim, found.values) == ("tiny", (0.0, 2.0, 8.0))
    assert found.outcomes == (plain, two, one)
    (without,) = find_sweeps([one, two])
    assert without.values == (2.0, 8.0)


def test_curves_keep_apart_what_is_not_the_same() -> None:
    slow = replace(RECIPE, name="slow", epochs=9)
    outcomes = [
        *(_outcome(adversary_of(base, f"jpeg:{one}"), [0.6], [0.8]) for base in (RECIPE, slow) for one in (90, 10)),
        _outcome(replace(RECIPE, name="full", pictures=(JpegRoundTrip(50, subsampling=0),)), [0.6], [0.8]),
        _outcome(adversary_of(adversary_of(RECIPE, "jpeg:20"), "bits:2"), [0.6], [0.8]),
        _outcome(RECIPE, [0.5], [0.9]),
    ]
    found = find_sweeps(outcomes)
    assert [(one.victim, one.axis.title, one.values) for one in found] == [
        ("tiny", "JPEG quality", (10.0, 90.0)),
        ("slow, jpeg:10", "JPEG quality", (10.0, 90.0)),
    ]


def test_curves_are_drawn_as_vectors_and_told_in_words() -> None:
    named = replace(RECIPE, name=HOSTILE)
    outcomes = [_outcome(adversary_of(named, f"jpeg:{one}"), [0.6, 0.7], [0.8, 0.8]) for one in (90, 10)]
    page = sweeps(_report(_outcome(named, [0.5], [0.9]), *outcomes))
    (uri,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]*)"', page)
    drawn = base64.b64decode(uri).decode()
    assert "<svg" in drawn and "<script" not in drawn
    assert "10: released 65.0%, clean 80.0%; 90: released 65.0%, clean 80.0%. Majority class 50.0%." in page
    assert HOSTILE not in page
    assert page == sweeps(_report(_outcome(named, [0.5], [0.9]), *outcomes))
    assert sweeps(_report(outcomes[0])) == ""
