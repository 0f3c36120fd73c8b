from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from monai_unlearnable.audit import AuditReport, Verdict, audit_release, run
from monai_unlearnable.audit.pairing import AuditData
from monai_unlearnable.audit.report import validate_report
from monai_unlearnable.audit.runs import RunFolder
from monai_unlearnable.audit.wording import notes
from tests.audit.discs import RECIPE, audit_data

Audit = Callable[..., AuditReport]


@pytest.fixture(scope="module")
def patch() -> Any:
    with pytest.MonkeyPatch.context() as found:
        yield found


@pytest.fixture(scope="module")
def audit(patch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """Audit data in memory."""

    def _audit(data: AuditData, output: Path | None = None, **options: Any) -> AuditReport:
        patch.setattr(run, "open_data", lambda *_, **__: data)
        where = tmp_path_factory.mktemp("audit") if output is None else output
        return audit_release("r", clean="c", output=where, **{"recipes": (RECIPE,), "seeds": 1, **options})

    return _audit


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def protected(audit: Audit, output: Path) -> AuditReport:
    return audit(audit_data(), output)


@pytest.fixture(scope="module")
def page(protected: AuditReport, output: Path) -> str:
    return (output / "audit.html").read_text(encoding="utf-8")


def test_a_release_that_misleads_every_victim_is_protected(protected: AuditReport, output: Path) -> None:
    (outcome,) = protected.outcomes
    assert protected.held
    assert outcome.verdict is Verdict.PROTECTED
    assert outcome.released[0].score < 0.05
    assert outcome.clean[0].score > 0.4
    content = json.loads((output / "audit.json").read_text())
    validate_report(content)
    assert (content["task"], content["headline"], content["schema_version"]) == ("segmentation", "mean_iou", 6)
    assert "zlib" not in json.dumps(content)


def test_what_a_victim_scores_is_its_own_dense_score(protected: AuditReport) -> None:
    for one in (*protected.outcomes[0].released, *protected.outcomes[0].clean):
        assert one.dense is not None
        assert one.score == pytest.approx(one.dense.iou)
        assert len(one.dense.structures) == 1
        assert one.dense.structures[0].images == 8
        assert len(one.predictions) == 4


def test_the_majority_is_the_best_of_the_trivial_predictors(protected: AuditReport) -> None:
    (outcome,) = protected.outcomes
    shares = [float(mask.mean()) for mask in audit_data().test.masks]  # type: ignore[attr-defined]
    assert [one.name for one in outcome.trivial] == ["all background", "all disc"]
    assert [one.iou for one in outcome.trivial] == pytest.approx([0.0, np.mean(shares)])
    assert outcome.majority == pytest.approx(np.mean(shares))


def test_a_release_that_hides_nothing_is_not_protected(audit: Audit) -> None:
    report = audit(audit_data(decoyed=False))
    assert report.outcomes[0].verdict is Verdict.NOT_PROTECTED
    assert all(one.held for one in report.checks)


def test_a_victim_that_cannot_learn_gives_no_verdict(audit: Audit, tmp_path: Path) -> None:
    idle = replace(RECIPE, learning_rate=1e-9, epochs=1)
    report = audit(audit_data(), tmp_path, recipes=(idle,))
    assert report.outcomes[0].verdict is Verdict.NO_VERDICT
    assert re.search(r"best trivial predictor 0\.1\d\d; this victim learns nothing", report.checks[-1].detail)


def test_volumes_can_be_audited(audit: Audit, tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=3, image_size_px=16, augment=True)
    report = audit(audit_data(dims=3, count=12, tested=2), tmp_path, recipes=(recipe,))
    assert report.outcomes[0].released[0].predictions[0].shape == (16, 16, 16)
    assert "across axis 1 of the file" in (tmp_path / "audit.html").read_text()


def test_a_second_audit_trains_nothing_and_draws_the_same(
    audit: Audit, protected: AuditReport, page: str, output: Path
) -> None:
    files = {one: one.stat().st_mtime_ns for one in (output / "runs").iterdir()}
    again = audit(audit_data(), output)
    assert {one: one.stat().st_mtime_ns for one in (output / "runs").iterdir()} == files
    assert again.outcomes == protected.outcomes
    assert re.findall("<img[^>]*>", (output / "audit.html").read_text()) == re.findall("<img[^>]*>", page)


def test_a_damaged_run_is_not_loaded(protected: AuditReport, output: Path) -> None:
    path = next(iter((output / "runs").iterdir()))
    content = json.loads(path.read_text())
    folder = RunFolder(path.parent)
    assert folder.load(content["key"]) is not None
    result, whole = content["result"], path.read_text()
    wrongs: list[dict[str, Any]] = [
        {"dense": {**result["dense"], "surplus": 1}},
        {"dense": 3},
        {"predictions": [{"shape": [2, 2], "zlib_base64": "AAAA"}]},
        {"predictions": [{"shape": [10**9], "zlib_base64": result["predictions"][0]["zlib_base64"]}]},
        {"predictions": 7},
    ]
    for wrong in wrongs:
        path.write_text(json.dumps({**content, "result": {**result, **wrong}}))
        assert folder.load(content["key"]) is None, wrong
    path.write_text(whole)


def test_the_page_has_tables_overlays_and_the_rule(page: str) -> None:
    for words in (
        "outlines clean test images with a mean IoU of",
        "Protected means at most 0.15.",
        "What they found, structure by structure",
        "<td>disc</td><td>clean originals</td>",
        "95 % Hausdorff (px)",
        "<td>all background</td><td>0.000</td><td>0.000</td>",
        "Best trivial predictor",
        "at most 0.15. There is no verdict when the clean baseline&#x27;s is below 0.30, or not 0.05 above",
        "trained on released",
        "Masks are released as they are",
    ):
        assert words in page, words
    assert "ajority" not in page
    assert "without looking, more than" not in page
    assert page.count('class="triple four"') == 4
    assert page.count("<img") == 3 + 4 * 4 + 1


def test_a_changed_mask_fails_a_check(audit: Audit, tmp_path: Path) -> None:
    data = audit_data(decoyed=False, count=8, tested=2)
    masks = data.release.masks  # type: ignore[attr-defined]
    masks[3] = np.roll(masks[3], 1, axis=0)
    report = audit(data, tmp_path, recipes=(replace(RECIPE, epochs=1),))
    (failed,) = [one for one in report.checks if not one.held and "label" in one.name]
    assert failed.detail == "8 compared, 1 differ, such as '003.png'"


def test_the_schema_refuses_what_is_no_report(protected: AuditReport) -> None:
    content = protected.to_json()
    recipe = content["recipes"][0]
    for wrong in ({"trivial": 0}, {"trivial": [{"name": "x"}]}, {"runs": [{**recipe["runs"][0], "dense": {}}] * 2}):
        with pytest.raises(jsonschema.ValidationError):
            validate_report({**content, "recipes": [{**recipe, **wrong}]})


def test_a_structure_that_fills_the_images_gets_a_note(protected: AuditReport) -> None:
    (outcome,) = protected.outcomes
    large = replace(outcome, trivial=(outcome.trivial[0], replace(outcome.trivial[1], iou=0.2)), majority=0.2)
    found = notes(replace(protected, outcomes=(large,)))
    assert any("“all disc” gets 0.200 without looking, more than the limit of 0.15" in one for one in found)


@pytest.mark.parametrize(
    ("released", "clean", "trivial", "expected"),
    [
        (0.15, 0.30, 0.25, Verdict.PROTECTED),
        (0.16, 0.30, 0.25, Verdict.NOT_PROTECTED),
        (0.15, 0.29, 0.10, Verdict.NO_VERDICT),
        (0.15, 0.34, 0.30, Verdict.NO_VERDICT),
        (0.15, 0.36, 0.30, Verdict.PROTECTED),
    ],
)
def test_the_verdict_follows_its_limits(
    protected: AuditReport, released: float, clean: float, trivial: float, expected: Verdict
) -> None:
    (one,) = protected.outcomes
    outcome = replace(
        one,
        majority=trivial,
        released=(replace(one.released[0], score=released),),
        clean=(replace(one.clean[0], score=clean),),
    )
    assert outcome.verdict is expected
