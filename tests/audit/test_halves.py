"""Victims of one half: which half, what is kept, what an audit says, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch

from monai_unlearnable.audit import AuditReport, audit_release, run
from monai_unlearnable.audit.adversaries import adversary_of
from monai_unlearnable.audit.extras import Extra, extra_epochs
from monai_unlearnable.audit.halves import half_of, load_halves, train_half
from monai_unlearnable.audit.pairing import AuditData, open_data
from monai_unlearnable.audit.report import validate_report
from monai_unlearnable.audit.runs import RunFolder
from monai_unlearnable.errors import SourceError
from monai_unlearnable.verbs.audit_options import _EXTRAS
from tests.audit.discs import RECIPE as DENSE
from tests.audit.discs import audit_data
from tests.audit.tiny import RECIPE, SIZE_PX, halves, write_release, write_source

BOTH = ("authorised-use", "membership")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_source(tmp_path / "set.npz")


@pytest.fixture
def release(tmp_path: Path, source: Path) -> Path:
    return write_release(tmp_path / "release", source)


def _audit(release: Path, clean: Path, output: Path, **options: Any) -> AuditReport:
    return audit_release(release, clean=clean, output=output, **{"recipes": (RECIPE,), "seeds": 2, **options})


def test_halves_share_no_image_and_have_the_same_classes(release: Path, source: Path) -> None:
    data = open_data(release, clean=source)
    even, odd = half_of(data, seed=0), half_of(data, seed=1)
    assert (even.trained, even.others) == (odd.others, odd.trained) and half_of(data, seed=4) == even
    assert set(even.trained) | set(even.others) == set(data.train_pairs)
    assert not set(even.trained) & set(even.others)
    counts = [np.bincount(data.clean.labels[[one for _, one in part]]) for part in (even.trained, even.others)]
    assert counts[0].tolist() == counts[1].tolist() == [10, 20]


def test_a_model_of_clean_images_is_misled_by_files_that_mislead(release: Path, source: Path, tmp_path: Path) -> None:
    report = _audit(release, source, tmp_path / "out", extras=BOTH)
    assert report.extras.authorised_use is not None
    (use,) = report.extras.authorised_use
    assert use.learned and all(one.on_clean > 0.9 > 0.1 > one.on_released for one in use.runs)
    assert all(one.agreement is not None and one.agreement < 0.1 and one.images == 30 for one in use.runs)
    content = json.loads((tmp_path / "out" / "audit.json").read_text())
    validate_report(content)
    assert content["authorised_use"][0]["runs"][1]["seed"] == 1
    assert [one["trained_on"] for one in content["membership"][0]["runs"]] == ["clean", "clean", "released", "released"]
    page = (tmp_path / "out" / "audit.html").read_text()
    for words in ("Authorised use: a tiny network of clean images has accuracy", "Membership: who has a tiny network"):
        assert words in page, words


def test_files_that_change_a_level_leave_a_model_of_clean_images_as_it_was(source: Path, tmp_path: Path) -> None:
    release = write_release(tmp_path / "release", source, swapped=False)
    report = _audit(release, source, tmp_path / "out", extras=["authorised-use"], seeds=1)
    assert report.extras.membership is None and report.extras.authorised_use is not None
    (one,) = report.extras.authorised_use[0].runs
    assert one.agreement == 1.0 and one.on_clean == one.on_released > 0.9
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 3


def test_a_model_that_knows_its_images_by_heart_gives_them_away(tmp_path: Path) -> None:
    """Labels that no image shows can only be learnt by heart: a wide linear network does that."""
    random = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for split, count in (("train", 40), ("test", 8)):
        arrays[f"{split}_images"] = random.integers(0, 255, size=(count, SIZE_PX, SIZE_PX)).astype(np.uint8)
        arrays[f"{split}_labels"] = (np.arange(count) % 2)[:, None].astype(np.uint8)
    np.savez(tmp_path / "set.npz", **arrays)
    (tmp_path / "release").mkdir()
    np.savez(tmp_path / "release" / "set.npz", **arrays)

    def network(*, spatial_dims: int, in_channels: int, num_classes: int) -> torch.nn.Module:
        return torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(in_channels * SIZE_PX**spatial_dims, num_classes)
        )

    data = open_data(tmp_path / "release", clean=tmp_path / "set.npz")
    recipe = replace(RECIPE, network=network, epochs=30, learning_rate=0.01)
    sets = load_halves(data, recipe, half_of(data, seed=0))
    options: Any = {"runs": RunFolder(tmp_path / "runs"), "resume": True, "device": torch.device("cpu"), "seed": 0}
    found = train_half(recipe, sets, trained_on="clean", **options)
    assert found.membership.seen_clean.auroc > 0.95
    assert found.membership.seen_clean == found.membership.seen_released
    assert 0.2 < found.use.on_clean < 0.8 and found.use.agreement == 1.0


def test_what_a_half_said_is_used_again_and_damaged_files_are_not(release: Path, source: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    first = _audit(release, source, tmp_path / "out", extras=BOTH, progress=lambda *one: told.append(one))
    epochs = RECIPE.epochs
    assert told[-1] == ("tiny, half of the released files, seed 1", 8 * epochs, 8 * epochs)
    assert extra_epochs((Extra.MEMBERSHIP,), (RECIPE, adversary_of(RECIPE, "bits:3")), seeds=2) == 4 * epochs
    files = {one: one.stat().st_mtime_ns for one in (tmp_path / "out" / "runs").iterdir()}
    assert len(files) == 8
    again = _audit(release, source, tmp_path / "out", extras=BOTH)
    assert again.extras == first.extras
    assert {one: one.stat().st_mtime_ns for one in files} == files
    halved = [one for one in files if "half of" in one.read_text()]
    assert len(halved) == 4
    content = json.loads(halved[0].read_text())
    whole = halved[0].read_text()
    no_number = whole.replace(f'"on_clean": {content["result"]["use"]["on_clean"]!r}', '"on_clean": NaN')
    assert no_number != whole
    for damage in ("", json.dumps({**content, "result": {"use": {}}}), json.dumps({**content, "result": 3}), no_number):
        halved[0].write_text(damage)
        assert _audit(release, source, tmp_path / "out", extras=BOTH).extras == first.extras
        assert json.loads(halved[0].read_text()) == content


def test_the_plain_audit_looks_at_nothing_else(release: Path, source: Path, tmp_path: Path) -> None:
    report = _audit(release, source, tmp_path / "out", seeds=1)
    assert report.to_json()["authorised_use"] is None and report.to_json()["membership"] is None
    page = (tmp_path / "out" / "audit.html").read_text()
    assert "Authorised use" not in page and "Membership" not in page


def test_what_cannot_be_looked_at_is_refused_before_anything_is_trained(
    release: Path, source: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="'magic' is not a valid Extra"):
        _audit(release, source, tmp_path / "out", extras=["magic"])
    jpeg = adversary_of(RECIPE, "jpeg:5")
    with pytest.raises(ValueError, match="asked of victims without a countermeasure, and there is none; add one"):
        _audit(release, source, tmp_path / "out", recipes=[jpeg], extras=BOTH)
    assert not (tmp_path / "out").exists()


def test_the_command_line_knows_the_same_extras() -> None:
    assert tuple(one.value for one in Extra) == _EXTRAS


def test_too_few_images_to_halve_are_refused(source: Path, tmp_path: Path) -> None:
    arrays: dict[str, Any] = {}
    for seed, split in enumerate(("train", "test")):
        images, labels = halves(3, seed=seed)
        arrays |= {f"{split}_images": images, f"{split}_labels": labels}
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        np.savez(tmp_path / folder / "set.npz", **arrays)
    with pytest.raises(SourceError, match=r"set\.npz: 3 images to train on cannot be halved: each half needs two"):
        _audit(tmp_path / "a", tmp_path / "b" / "set.npz", tmp_path / "out", extras=["membership"])
    assert not (tmp_path / "out").exists()


def test_masks_can_be_asked_for_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data: AuditData = audit_data()
    monkeypatch.setattr(run, "open_data", lambda *_, **__: data)
    report = audit_release(
        "r", clean="c", output=tmp_path, recipes=(replace(DENSE, epochs=8),), seeds=1, extras=["membership", *BOTH]
    )
    assert report.extras.authorised_use is not None and report.extras.membership is not None
    (one,) = report.extras.authorised_use[0].runs
    # Discs that were bright are dark in the release: who looks for bright ones finds nothing there.
    assert one.on_clean > 0.4 > 0.1 > one.on_released
    assert one.agreement is None or one.agreement < 0.1
    assert 0 < one.majority < 0.3 and one.images == 12
    assert "Dice of both predictions" in (tmp_path / "audit.html").read_text()


def test_the_schema_knows_what_was_found(release: Path, source: Path, tmp_path: Path) -> None:
    content = _audit(release, source, tmp_path / "out", extras=BOTH, seeds=1).to_json()
    use, membership = content["authorised_use"][0], content["membership"][0]
    wrongs: list[dict[str, Any]] = [
        {"authorised_use": []},
        {"authorised_use": [{**use, "surplus": 1}]},
        {"authorised_use": [{**use, "runs": [{**use["runs"][0], "agreement": 2}]}]},
        {"membership": [{**membership, "runs": []}]},
        {"membership": [{**membership, "mean_auroc": {}}]},
    ]
    for wrong in wrongs:
        with pytest.raises(jsonschema.ValidationError):
            validate_report({**content, **wrong})
