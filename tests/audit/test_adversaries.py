"""Victims who take a countermeasure: what they see, what the report says of them, and where none applies."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monai_unlearnable.audit import Verdict, VictimRecipe, audit_release
from monai_unlearnable.audit.adversaries import COUNTERMEASURES, adversary_of, with_adversaries
from monai_unlearnable.audit.best_adversary import BestAdversary
from monai_unlearnable.audit.clean_parts import CleanPart
from monai_unlearnable.audit.loading import load_images
from monai_unlearnable.audit.outcomes import NotApplied, RecipeOutcome
from monai_unlearnable.audit.pairing import open_data
from monai_unlearnable.audit.pretraining import Pretraining
from monai_unlearnable.audit.report import AuditReport
from monai_unlearnable.audit.runs import RunFolder
from monai_unlearnable.audit.training import TrainingResult, train_victim
from monai_unlearnable.audit.trainings import Trainings
from monai_unlearnable.audit.wording import best_adversary_sentences, headline_sentence, overall_verdict
from monai_unlearnable.countermeasures import AdversarialSteps, BitDepth, Grey, JpegRoundTrip
from monai_unlearnable.errors import DivergedError, NotApplicableError, SourceError
from monai_unlearnable.sources import Task, open_source
from monai_unlearnable.sources.base import Source
from monai_unlearnable.types import StoredValues
from monai_unlearnable.verbs.audit_options import _COUNTERMEASURES
from monai_unlearnable.workflows import SyntheticRecipe, protect
from tests.audit.test_starts import image_set
from tests.audit.tiny import RECIPE, write_release, write_source
from tests.small_data import write_class_folders

RESIZED = replace(RECIPE, name="resized", image_size_px=12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("jpeg:75", {"countermeasure": "JpegRoundTrip", "quality": 75, "subsampling": None}),
        ("jpeg2000:20", {"countermeasure": "Jpeg2000RoundTrip", "ratio": 20.0}),
        ("bits:2", {"countermeasure": "BitDepth", "bits": 2}),
        ("grey", {"countermeasure": "Grey"}),
        ("blur:1.5", {"countermeasure": "Blurred", "sigma_px": 1.5}),
        ("median:2", {"countermeasure": "MedianFiltered", "radius_px": 2}),
        ("gamma:0.5", {"countermeasure": "GammaChanged", "gamma": 0.5}),
        ("low-resolution:0.5", {"countermeasure": "LowResolutionRoundTrip", "factor": 0.5}),
    ],
)
def test_pictures_are_written_and_described(text: str, expected: dict[str, Any]) -> None:
    victim = adversary_of(RECIPE, text)
    assert victim.name == f"{RECIPE.name}, {text}" and not victim.is_plain
    assert victim.describe() == RECIPE.describe() | {"name": victim.name, "pictures": [expected]}
    both = adversary_of(victim, "bits:3")
    assert [type(one) for one in both.pictures][-1] is BitDepth and len(both.pictures) == 2


def test_adversarial_training_is_a_share_of_the_window() -> None:
    victim = adversary_of(RECIPE, "adversarial:4/255", dense=True)
    assert victim.adversarial == AdversarialSteps(radius=8 / 255, steps=7, low=-1.0, high=1.0)
    assert adversary_of(RECIPE, "adversarial:0.5").adversarial == AdversarialSteps(radius=1, steps=10, low=-1, high=1)
    assert victim.describe()["adversarial"]["radius"] == pytest.approx(8 / 255) and RECIPE.is_plain


def test_the_command_line_knows_the_same_countermeasures() -> None:
    assert tuple(COUNTERMEASURES) == _COUNTERMEASURES


def test_the_readme_names_every_countermeasure(repository: Path) -> None:
    readme = (repository / "README.md").read_text(encoding="utf-8")
    assert not [one for one in COUNTERMEASURES if f"`{one}`" not in readme]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jpeg:x", "'jpeg:x': 'x' is no whole number. .jpeg:QUALITY: every picture goes through"),
        ("jpeg:0", "countermeasure 'jpeg:0': quality=0: from 1 to 100"),
        ("grey:1", "countermeasure 'grey:1' is not understood. Write one of: jpeg:QUALITY"),
        ("adversarial:2", "the number 2 is a share of the window, above 0 and at most 1"),
        (
            "adversarial:1/0",
            "'adversarial:1/0': '1/0' is no number or fraction. .adversarial:RADIUS: adversarial",
        ),
        ("adversarial", "countermeasure 'adversarial' is not understood. Write adversarial:RADIUS."),
        ("jpeg:", "countermeasure 'jpeg:' is not understood. Write jpeg:QUALITY."),
        ("denoiser:", "countermeasure 'denoiser:' is not understood. Write denoiser:SOURCE."),
        ("bits:" + "1" * 30, "its number is too long"),
        ("magic", "countermeasure 'magic' is not understood"),
    ],
)
def test_what_is_not_understood_says_why(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        adversary_of(RECIPE, text)


def test_images_undergo_it_before_anything_else(tmp_path: Path) -> None:
    source = open_source(write_source(tmp_path / "set.npz"))
    plain, changed = load_images(source), load_images(source, pictures=[BitDepth(1), JpegRoundTrip(30)])
    for before, after in zip(plain.images, changed.images, strict=True):
        expected = JpegRoundTrip(30)(BitDepth(1)(before.numpy()))
        assert torch.equal(after, torch.as_tensor(expected))
    assert plain.sha256 != changed.sha256


def test_adversarial_training_changes_the_victim_and_not_the_images(tmp_path: Path) -> None:
    images = load_images(open_source(write_source(tmp_path / "set.npz")))
    before = images.images.clone()
    plain = train_victim(RECIPE, images, images, seed=0)
    hard = train_victim(adversary_of(RECIPE, "adversarial:32/255"), images, images, seed=0)
    assert torch.equal(images.images, before)
    assert hard.loss_curve[0] > plain.loss_curve[0]
    again = train_victim(adversary_of(RECIPE, "adversarial:32/255"), images, images, seed=0)
    assert replace(again, seconds=0.0) == replace(hard, seconds=0.0)


def test_an_audit_with_countermeasures(tmp_path: Path) -> None:
    source = write_source(tmp_path / "set.npz")
    release = write_release(tmp_path / "release", source)
    recipes = [RECIPE, *(adversary_of(RECIPE, one) for one in ("bits:3", "grey"))]
    report = audit_release(release, clean=source, output=tmp_path / "out", recipes=recipes, seeds=1)
    assert [one.recipe.name for one in report.outcomes] == [one.name for one in recipes[:2]]
    assert [one.recipe.name for one in report.not_applied] == [recipes[2].name]
    content = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert content["not_applied"][0]["reason"] == "Grey: a picture of 1 channel is grey already."
    best = report.best_adversary
    assert best is not None and content["best_adversary"]["name"] == best.name
    page = (tmp_path / "out" / "audit.html").read_text()
    assert "The best adversary of all is" in page and "Not applicable: " in page


def test_the_same_in_other_words_counts_once_and_denoisers_of_one_name_are_numbered(tmp_path: Path) -> None:
    kinds = [
        "blur:1",
        "blur:1.0",
        "ueraser",
        "ueraser:5",
        "jpeg:075",
        "jpeg:75",
        "adversarial:2/255",
        "adversarial:4/510",
    ]
    found = with_adversaries([RECIPE], kinds, dense=False)
    assert [one.name for one in found[1:]] == [f"tiny, {one}" for one in kinds[::2]]
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        write_source(tmp_path / name / "set.npz")
    kinds = [f"denoiser:{tmp_path / name / 'set.npz'}" for name in ("x", "y", "x")]
    found = with_adversaries([RECIPE], kinds, dense=False)
    assert [one.name for one in found[1:]] == ["tiny, denoiser:set.npz", "tiny, denoiser:set.npz (2)"]


@pytest.mark.parametrize("kind", ["gamma:1", "blur:0.00001", "notch"])
def test_what_changes_nothing_is_not_survived(kind: str, tmp_path: Path) -> None:
    source = write_source(tmp_path / "set.npz")
    recipes = [RECIPE, adversary_of(RECIPE, kind)]
    report = audit_release(
        write_release(tmp_path / "release", source), clean=source, output=tmp_path / "o", recipes=recipes, seeds=1
    )
    (left_out,) = report.not_applied
    assert left_out.recipe is recipes[1] and len(report.outcomes) == 1
    wanted = "it finds nothing in the released images" if kind == "notch" else "it changes no pixel of the "
    assert left_out.reason.startswith(wanted)


def test_who_learns_the_originals_first_is_no_victim(tmp_path: Path) -> None:
    source = write_source(tmp_path / "set.npz")
    recipes = [
        RECIPE,
        adversary_of(RECIPE, "pretrained:all", other=Pretraining(source=source)),
        adversary_of(RECIPE, f"denoiser:{source}"),
    ]
    report = audit_release(
        write_release(tmp_path / "release", source), clean=source, output=tmp_path / "o", recipes=recipes, seeds=1
    )
    assert len(report.outcomes) == 1 and [one.recipe for one in report.not_applied] == recipes[1:]
    assert all("are those that the release was made from" in one.reason for one in report.not_applied)


@pytest.mark.parametrize("option", ["clean", "test"])
def test_a_release_is_no_clean_source(option: str, tmp_path: Path) -> None:
    source = write_class_folders(tmp_path / "images")
    release = tmp_path / "release"
    protect(source, output=release, ledger=tmp_path / "ledger", recipe=SyntheticRecipe(), radius="8/255")
    paths: dict[str, Any] = {"clean": source, "test": source} | {option: release}
    with pytest.raises(SourceError, match=rf"release: is a release .*; --{option} needs clean images"):
        open_data(release, **paths)


def test_a_clean_part_alone_is_looked_at_as_often_as_all_images() -> None:
    assert adversary_of(RECIPE, "clean-part-alone:0.2").epochs == 5 * RECIPE.epochs
    assert adversary_of(RECIPE, "clean-part:0.2").epochs == RECIPE.epochs
    with pytest.raises(NotApplicableError, match=r"0\.05 of 20 images are fewer than 2\."):
        CleanPart(share=0.05).of(image_set(), image_set(), seed=0)


def test_victims_who_see_the_same_read_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_source(tmp_path / "set.npz")
    data = open_data(write_release(tmp_path / "release", source), clean=source)
    trainings = Trainings(
        runs=RunFolder(tmp_path / "runs"), resume=True, device=torch.device("cpu"), progress=None, all_epochs=0
    )
    reads: list[int] = []
    read = type(data.clean).read

    def counted(self: Source, index: int) -> StoredValues:
        reads.append(index)
        return read(self, index)

    monkeypatch.setattr(type(data.clean), "read", counted)
    counts, outcomes = [], []
    for recipe in (RECIPE, adversary_of(RECIPE, "bits:3"), adversary_of(RECIPE, "adversarial:4/255"), RESIZED):
        before = len(reads)
        outcomes.append(trainings.outcome(recipe, data, (0, 1)))
        counts.append(len(reads) - before)
    once = counts[0]
    assert once > 0 and counts == [once, once, 0, once]
    alone = Trainings(
        runs=RunFolder(tmp_path / "again"), resume=True, device=torch.device("cpu"), progress=None, all_epochs=0
    )
    expected = alone.outcome(outcomes[2].recipe, data, (0, 1))
    assert [one.score for one in expected.released] == [one.score for one in outcomes[2].released]


def test_an_audit_of_nothing_but_what_does_not_apply_is_refused(tmp_path: Path) -> None:
    source = write_source(tmp_path / "set.npz")
    release = write_release(tmp_path / "release", source)
    with pytest.raises(NotApplicableError, match=r"no victim is left to be trained\. .*, grey: Grey: a picture of 1"):
        audit_release(release, clean=source, output=tmp_path / "out", recipes=[adversary_of(RECIPE, "grey")], seeds=1)


def test_one_victim_that_cannot_be_trained_does_not_lose_the_others(tmp_path: Path) -> None:
    source = write_source(tmp_path / "set.npz")
    release = write_release(tmp_path / "release", source)
    with np.load(release / source.name) as archive:
        arrays = dict(archive)
    arrays["train_labels"][0] = 1 - arrays["train_labels"][0]
    np.savez(release / source.name, **arrays)
    wild = replace(adversary_of(RECIPE, "adversarial:4/255"), name="wild", learning_rate=1e30)
    part = adversary_of(RECIPE, "clean-part:0.5")
    report = audit_release(release, clean=source, output=tmp_path / "out", recipes=[RECIPE, wild, part], seeds=1)
    assert [one.recipe.name for one in report.outcomes] == ["tiny"]
    reasons = {one.recipe.name: one.reason for one in report.not_applied}
    assert report.not_applied[0].diverged and "learning_rate" in reasons["wild"]
    page = (tmp_path / "out" / "audit.html").read_text()
    assert "Could not be trained: wild. the victim" in page and f"Not applicable: {part.name}" in page
    assert "released images have other labels than their originals" in reasons[part.name]
    assert "Every released image has the label of its original" in [one.name for one in report.checks if not one.held]
    with pytest.raises(DivergedError):
        audit_release(
            release, clean=source, output=tmp_path / "o", recipes=[replace(RECIPE, learning_rate=1e30)], seeds=1
        )


def _outcome(recipe: VictimRecipe, released: list[float], clean: list[float]) -> RecipeOutcome:
    def runs(scores: list[float]) -> tuple[TrainingResult, ...]:
        return tuple(TrainingResult(one, one, None, (1.0,), (one,), 1.0) for one in scores)

    return RecipeOutcome(recipe, Task.SINGLE_LABEL, 0.5, tuple(range(len(clean))), runs(released), runs(clean))


def _report(*outcomes: RecipeOutcome, not_applied: tuple[NotApplied, ...] = ()) -> AuditReport:
    nothing: Any = None
    return AuditReport(
        Task.SINGLE_LABEL, ("a", "b"), {}, "", nothing, outcomes, nothing, (), {}, not_applied=not_applied
    )


def test_the_best_adversary_is_the_highest_mean_of_those_who_learn() -> None:
    jpeg, grey = replace(RECIPE, name="j", pictures=(JpegRoundTrip(10),)), replace(RECIPE, name="g", pictures=(Grey(),))
    report = _report(
        _outcome(RECIPE, [0.4, 0.5], [0.9, 0.8]),
        _outcome(jpeg, [0.6, 0.7], [0.7, 0.9]),
        _outcome(grey, [0.5, 0.5], [0.5, 0.5]),
        not_applied=(NotApplied(replace(RECIPE, name="n"), "it is a volume."),),
    )
    best = report.best_adversary
    assert best is not None and report.outcomes[2].verdict is Verdict.NO_VERDICT
    assert (best.name, best.majority) == ("j", 0.5)
    assert [best.score, best.clean, best.plain] == pytest.approx([0.65, 0.8, 0.85])
    assert best.regained_share == pytest.approx((0.65 - 0.5) / (0.85 - 0.5))
    sentences = best_adversary_sentences(report)
    assert "It regains 43% of the clean gap, which is what plain training on the originals gains" in sentences[0]
    assert sentences[1:] == (
        "Says nothing: g. It learns nothing even from the originals, so its figure means nothing.",
        "Not applicable: n. it is a volume.",
    )


def test_who_learns_from_the_release_counts_whatever_the_clean_baseline_is() -> None:
    hard = replace(RECIPE, name="hard", adversarial=AdversarialSteps(radius=0.1))
    report = _report(_outcome(RECIPE, [0.4], [0.9]), _outcome(hard, [0.8], [0.5]))
    assert report.verdict is Verdict.NOT_PROTECTED and report.outcomes[1].verdict is Verdict.NOT_PROTECTED
    best = report.best_adversary
    assert best is not None and best.name == "hard" and best.regained_share == pytest.approx(0.3 / 0.4)


def test_who_learns_nothing_under_a_countermeasure_takes_nothing_from_what_others_say() -> None:
    hard = replace(RECIPE, name="hard", adversarial=AdversarialSteps(radius=0.1))
    idle = _outcome(hard, [0.54], [0.5])  # above the majority by less than the margin
    report = _report(_outcome(RECIPE, [0.4], [0.9]), idle)
    assert idle.verdict is Verdict.NO_VERDICT and report.held and overall_verdict(report)[0] is Verdict.PROTECTED
    assert "Says nothing: hard. It learns nothing" in best_adversary_sentences(report)[1]
    for others in (_outcome(RECIPE, [0.4], [0.5]), _outcome(replace(hard, name="both"), [0.5], [0.5])):
        assert _report(others, idle).verdict is Verdict.NO_VERDICT


def test_without_a_victim_that_learns_there_is_no_best_adversary() -> None:
    report = _report(_outcome(RECIPE, [0.5], [0.5]))
    assert report.best_adversary is None
    assert best_adversary_sentences(report) == (
        "No best adversary: no victim learned anything, from clean images either, so that none tells.",
        "Says nothing: tiny. It learns nothing even from the originals, so its figure means nothing.",
    )
    assert BestAdversary("a", 0.5, 0.6, 0.5, 0.5).regained_share is None


def test_a_share_below_nothing_stays_so_in_the_figures_and_is_nothing_in_words() -> None:
    report = _report(_outcome(RECIPE, [0.3], [0.9]))
    best = report.best_adversary
    assert best is not None and best.to_json()["regained_share"] == pytest.approx(-0.5)
    assert "It regains 0% of the clean gap" in best_adversary_sentences(report)[0]


def test_without_a_plain_clean_baseline_there_is_no_share() -> None:
    jpeg = replace(RECIPE, name="j", pictures=(JpegRoundTrip(10),))
    only = _report(_outcome(jpeg, [0.6], [0.8]))
    assert only.best_adversary is not None and only.best_adversary.plain is None
    why = "cannot be said: no victim without a countermeasure learned from the originals."
    assert why in best_adversary_sentences(only)[0]
    beaten = _report(_outcome(RECIPE, [0.5], [0.51]), _outcome(jpeg, [0.6], [0.8]))
    assert beaten.best_adversary is not None and beaten.best_adversary.to_json()["regained_share"] is None
    assert why in best_adversary_sentences(beaten)[0]


def test_who_is_trained_on_a_clean_part_alone_says_nothing_of_the_release() -> None:
    mixed, alone = (adversary_of(RECIPE, f"{kind}:0.2") for kind in ("clean-part", "clean-part-alone"))
    plain = _outcome(RECIPE, [0.3], [0.9])
    report = _report(plain, _outcome(mixed, [0.5], [0.9]), _outcome(alone, [0.8], [0.9]))
    assert [one.verdict for one in report.outcomes] == [Verdict.PROTECTED, Verdict.PROTECTED, Verdict.REFERENCE]
    assert report.held and overall_verdict(report)[0] is Verdict.PROTECTED
    best = report.best_adversary
    assert best is not None and best.name == mixed.name
    assert "trained on the released images answers 30.0%" in headline_sentence(plain)
    said = [headline_sentence(one) for one in report.outcomes[1:]]
    assert "network trained on the released images, 20% of them clean, answers 50.0%" in said[0]
    assert "network trained on 20% of the originals alone answers 80.0%" in said[1]
    assert not _report(_outcome(mixed, [0.6], [0.9]), _outcome(alone, [0.8], [0.9])).held
    only = _report(_outcome(alone, [0.4], [0.9]))
    assert not only.held and overall_verdict(only)[0] is Verdict.NO_VERDICT and only.best_adversary is None
