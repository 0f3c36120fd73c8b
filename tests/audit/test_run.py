from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from monai_unlearnable.audit import AuditReport, Verdict, VictimRecipe, audit_release
from monai_unlearnable.audit.report import validate_report
from monai_unlearnable.errors import ReleaseError
from tests.audit.tiny import RECIPE, halves, write_folders, write_manifest, write_release, write_source


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_source(tmp_path / "set.npz")


@pytest.fixture
def release(tmp_path: Path, source: Path) -> Path:
    return write_release(tmp_path / "release", source)


def _audit(release: Path, clean: Path, output: Path, **options: Any) -> AuditReport:
    return audit_release(release, clean=clean, output=output, **{"recipes": (RECIPE,), "seeds": 2, **options})


def _scores(report: AuditReport) -> list[tuple[float, ...]]:
    return [run.score_curve for one in report.outcomes for run in (*one.released, *one.clean)]


def test_a_release_that_misleads_every_victim_is_protected(release: Path, source: Path, tmp_path: Path) -> None:
    report = _audit(release, source, tmp_path / "out")
    outcome = report.outcomes[0]
    assert report.held
    assert outcome.verdict is Verdict.PROTECTED
    assert outcome.majority == pytest.approx(2 / 3)
    assert all(one.score < 0.1 for one in outcome.released)
    assert all(one.score > 0.9 for one in outcome.clean)
    assert len(list((tmp_path / "out" / "runs").glob("*.json"))) == 4
    written = json.loads((tmp_path / "out" / "audit.json").read_text())
    validate_report(written)
    assert written["recipes"][0]["verdict"] == "protected"
    assert written["counts"] == {"released": 60, "clean": 60, "trained_on": 60, "tested_on": 30}
    assert written["fidelity"]["max_abs_levels"]["maximum"] == 60


def test_a_release_that_hides_nothing_is_not_protected(source: Path, tmp_path: Path) -> None:
    report = _audit(write_release(tmp_path / "release", source, swapped=False), source, tmp_path / "out")
    assert report.outcomes[0].verdict is Verdict.NOT_PROTECTED
    assert all(one.held for one in report.checks)
    assert not report.held


def test_a_victim_that_cannot_learn_gives_no_verdict(release: Path, source: Path, tmp_path: Path) -> None:
    idle = replace(RECIPE, learning_rate=1e-9, epochs=1)
    report = _audit(release, source, tmp_path / "out", recipes=(idle,))
    assert report.outcomes[0].verdict is Verdict.NO_VERDICT
    assert not report.held
    assert "its figure means nothing" in report.checks[-1].detail
    page = (tmp_path / "out" / "audit.html").read_text()
    assert "No verdict" in page and "its figure means nothing" in page
    assert "No best adversary: no victim learned anything" in page
    assert report.to_json()["best_adversary"] is None


def test_inputs_are_only_read(release: Path, source: Path, tmp_path: Path) -> None:
    files = [source, *release.iterdir()]
    before = [(one.read_bytes(), one.stat().st_mtime_ns) for one in files]
    _audit(release, source, tmp_path / "out", seeds=1)
    assert [(one.read_bytes(), one.stat().st_mtime_ns) for one in files] == before
    assert list(release.iterdir()) == files[1:]


def test_a_second_audit_trains_nothing(release: Path, source: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    first = _audit(release, source, tmp_path / "out", progress=lambda *one: told.append(one))
    assert told[-1] == ("tiny, released files, seed 1", 24, 24)
    times = {one: one.stat().st_mtime_ns for one in (tmp_path / "out" / "runs").iterdir()}
    second = _audit(release, source, tmp_path / "out")
    assert _scores(first) == _scores(second)
    assert {one: one.stat().st_mtime_ns for one in (tmp_path / "out" / "runs").iterdir()} == times


def test_without_resume_everything_is_trained_again_with_the_same_result(
    release: Path, source: Path, tmp_path: Path
) -> None:
    first = _audit(release, source, tmp_path / "out", seeds=1)
    times = {one: one.stat().st_mtime_ns for one in (tmp_path / "out" / "runs").iterdir()}
    again = _audit(release, source, tmp_path / "out", seeds=1, resume=False)
    assert _scores(first) == _scores(again)
    assert all(one.stat().st_mtime_ns > time for one, time in times.items())


def test_changed_data_are_trained_anew_but_the_clean_baseline_is_kept(
    release: Path, source: Path, tmp_path: Path
) -> None:
    _audit(release, source, tmp_path / "out", seeds=1)
    write_release(release, source, swapped=False)
    report = _audit(release, source, tmp_path / "out", seeds=1)
    assert report.outcomes[0].verdict is Verdict.NOT_PROTECTED
    assert len(list((tmp_path / "out" / "runs").glob("*.json"))) == 3


def test_a_damaged_run_file_is_trained_again(release: Path, source: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=2)
    first = _audit(release, source, tmp_path / "out", seeds=2, recipes=(recipe,))
    files = sorted((tmp_path / "out" / "runs").iterdir())
    whole = [one.read_text() for one in files]
    other_key = whole[3].replace('"key": "', '"key": "0')
    for one, damage in zip(files, ("", '{"key": 1, "result": {}}', "[]", other_key), strict=True):
        one.write_text(damage)
    assert _scores(_audit(release, source, tmp_path / "out", seeds=2, recipes=(recipe,))) == _scores(first)
    assert all(
        json.loads(one.read_text())["key"] == json.loads(text)["key"] for one, text in zip(files, whole, strict=True)
    )


def test_another_recipe_or_seed_is_another_training(release: Path, source: Path, tmp_path: Path) -> None:
    _audit(release, source, tmp_path / "out", seeds=1)
    _audit(release, source, tmp_path / "out", seeds=1, first_seed=7)
    _audit(release, source, tmp_path / "out", seeds=1, recipes=(replace(RECIPE, epochs=5),))
    assert len(list((tmp_path / "out" / "runs").glob("*.json"))) == 6


def test_audits_can_share_their_trainings(release: Path, source: Path, tmp_path: Path) -> None:
    _audit(release, source, tmp_path / "one", seeds=1, runs=tmp_path / "shared")
    _audit(release, source, tmp_path / "two", seeds=1, runs=tmp_path / "shared")
    assert len(list((tmp_path / "shared").glob("*.json"))) == 2
    assert not (tmp_path / "two" / "runs").exists()


def test_an_output_of_something_else_is_refused(release: Path, source: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "thesis.txt").write_text("mine")
    with pytest.raises(ReleaseError, match="is not empty and no audit wrote it"):
        _audit(release, source, output)
    with pytest.raises(ReleaseError, match="is a file"):
        _audit(release, source, output / "thesis.txt")
    assert [one.name for one in output.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("inside", ["", "audit"])
def test_nothing_is_written_into_a_release(release: Path, source: Path, tmp_path: Path, inside: str) -> None:
    with pytest.raises(ReleaseError, match="which an audit only reads"):
        _audit(release, source, release / inside)
    with pytest.raises(ReleaseError, match="which an audit only reads"):
        _audit(release, source, tmp_path / "out", runs=release / inside)
    assert [one.name for one in release.iterdir()] == ["set.npz"]


@pytest.mark.parametrize("recipes", [(), (RECIPE, RECIPE)])
def test_recipes_need_different_names(
    release: Path, source: Path, tmp_path: Path, recipes: tuple[VictimRecipe, ...]
) -> None:
    with pytest.raises(ValueError, match="at least one victim, and different names"):
        _audit(release, source, tmp_path / "out", recipes=recipes)
    with pytest.raises(ValueError, match="seeds=0"):
        _audit(release, source, tmp_path / "out", seeds=0)


def test_a_folder_is_audited_on_a_hold_out(tmp_path: Path) -> None:
    clean = write_folders(tmp_path / "clean", suffix=".bmp")
    release = write_folders(tmp_path / "release", swapped=True)
    write_manifest(release, files=[{"source_format": "jpeg"}, {"source_format": "png"}], method="<b>bold</b>")
    report = _audit(release, clean, tmp_path / "out", seeds=1)
    assert report.counts == {"released": 60, "clean": 60, "trained_on": 48, "tested_on": 12}
    assert report.outcomes[0].verdict is Verdict.PROTECTED
    assert report.facts.jpeg_sources == 1
    assert report.facts.method == "<b>bold</b>"
    page = (tmp_path / "out" / "audit.html").read_text()
    assert "1 released files were made from JPEG files" in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "<b>bold" not in page


def test_multi_label_releases_are_judged_by_their_auroc(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {}
    for seed, (split, count) in enumerate((("train", 60), ("test", 30))):
        images, labels = halves(count, seed=seed)
        arrays |= {f"{split}_images": images, f"{split}_labels": np.stack([labels, 1 - labels], axis=1)}
    np.savez(tmp_path / "set.npz", **arrays)
    swapped, _ = halves(60, seed=0, swapped=True)
    (tmp_path / "release").mkdir()
    np.savez(tmp_path / "release" / "set.npz", **{**arrays, "train_images": swapped})
    report = _audit(tmp_path / "release", tmp_path / "set.npz", tmp_path / "out", seeds=1)
    outcome = report.outcomes[0]
    assert (outcome.majority, outcome.limit, outcome.verdict) == (0.5, 0.6, Verdict.PROTECTED)
    assert outcome.clean[0].score > 0.9 > 0.1 > outcome.released[0].score
    assert "macro AUROC" in (tmp_path / "out" / "audit.html").read_text()
    assert report.to_json()["headline"] == "macro_auroc"


def _failed(report: AuditReport) -> list[str]:
    return [one.name for one in report.checks if not one.held]


def test_a_broken_writer_shows_up_in_the_checks(source: Path, tmp_path: Path) -> None:
    with np.load(source) as archive:
        arrays = dict(archive)
    broken = {
        "has the label": {"train_labels": 1 - arrays["train_labels"]},
        "byte-identical": {"test_images": arrays["test_images"] + np.uint8(1)},
        "differs from its original": {"train_images": arrays["train_images"]},
        "same images": {name: arrays[name][:50] for name in ("train_images", "train_labels")},
        "size and the bit depth": {"train_images": arrays["train_images"].astype(np.uint16) + np.uint16(1)},
    }
    for number, (words, changes) in enumerate(broken.items()):
        release = tmp_path / f"release {number}"
        release.mkdir()
        np.savez(release / "set.npz", **{**arrays, "train_images": arrays["train_images"] + np.uint8(1), **changes})
        report = _audit(release, source, tmp_path / f"out {number}", seeds=1, recipes=(replace(RECIPE, epochs=1),))
        assert any(words in one for one in _failed(report)), words
        assert not report.held


def test_a_delta_beyond_the_radius_fails_a_check(release: Path, source: Path, tmp_path: Path) -> None:
    write_manifest(release)
    assert _audit(release, source, tmp_path / "out", seeds=1).held
    write_manifest(release, budgets=[{"norm": "linf", "radius_levels": 59.0}])
    report = _audit(release, source, tmp_path / "out", seeds=1)
    assert _failed(report) == ["No pixel differs by more than the radius in the manifest"]
    assert "Checks failed: no verdict can be relied on" in (tmp_path / "out" / "audit.html").read_text()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"budgets": 3, "files": {}, "method": ["x"]}', "[" * 100_000])
def test_a_hostile_manifest_is_ignored(release: Path, source: Path, tmp_path: Path, text: str) -> None:
    (release / "manifest.json").write_text(text)
    report = _audit(release, source, tmp_path / "out", seeds=1, recipes=(replace(RECIPE, epochs=1),))
    assert report.facts.method is None
    assert report.facts.radius_levels is None


def test_the_schema_refuses_what_is_no_report(release: Path, source: Path, tmp_path: Path) -> None:
    content = _audit(release, source, tmp_path / "out", seeds=1).to_json()
    validate_report(content)
    wrongs: tuple[dict[str, Any], ...] = ({"held": 1}, {"schema_version": 1}, {"recipes": []}, {"surplus": 0})
    for wrong in wrongs:
        with pytest.raises(jsonschema.ValidationError):
            validate_report({**content, **wrong})


def test_breastmnist_can_be_audited(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "medmnist" / "breastmnist.npz"
    release = tmp_path / "release"
    release.mkdir()
    shutil.copyfile(source, release / source.name)
    report = audit_release(
        release, clean=source, output=tmp_path / "out", seeds=1, recipes=(VictimRecipe(epochs=1, image_size_px=12),)
    )
    assert report.outcomes[0].majority == pytest.approx(114 / 156)
    assert _scores(report)[0] == _scores(report)[1]
    assert not report.held
