"""Small networks that look for what was added: patterns that they must see, and what is not there."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from monai_unlearnable.audit import audit_release, detections
from monai_unlearnable.audit.detections import detect_in
from monai_unlearnable.audit.detector import Detection, LookResult, LookRun, detect
from monai_unlearnable.audit.detector_views import (
    PairViews,
    fine_detail,
    frame_of,
    patches_of,
    read_pairs,
    small_pictures,
)
from monai_unlearnable.audit.extra_wording import detector_sentences
from monai_unlearnable.audit.pairing import AuditData, open_data
from monai_unlearnable.audit.report import validate_report
from monai_unlearnable.audit.runs import RunFolder
from monai_unlearnable.errors import SourceError
from tests.audit.discs import audit_data
from tests.audit.tiny import RECIPE, write_folders, write_release, write_source


def _box_mean(images: NDArray[np.float64], *, reach: int, dims: int) -> NDArray[np.float64]:
    """Mean of the ``2 * reach + 1`` values around each along the last axes, edges repeated; a slow sum of shifts."""
    padded = np.pad(images, [(0, 0)] * (images.ndim - dims) + [(reach, reach)] * dims, mode="edge")
    shifts = np.ndindex(*[2 * reach + 1] * dims)
    space = images.shape[images.ndim - dims :]
    parts = []
    for one in shifts:
        index: tuple[Any, ...] = (..., *(slice(at, at + size) for at, size in zip(one, space, strict=True)))
        parts.append(padded[index])
    mean: NDArray[np.float64] = np.mean(parts, axis=0)
    return mean


def _views(deltas: Tensor, *, labels: Tensor | None = None, seed: int = 0) -> PairViews:
    """Smooth images and the same with deltas ``(n, 1, *space)``."""
    random = np.random.default_rng(seed)
    smooth = _box_mean(random.normal(size=tuple(deltas.shape)), reach=2, dims=deltas.ndim - 2)
    clean = torch.from_numpy(0.3 * smooth / smooth.std()).float()
    return PairViews(tuple(clean + deltas), tuple(clean), tuple(deltas), labels, "")


def _checks(count: int, size_px: int, *, dims: int = 2) -> Tensor:
    signs = 1.0 - 2.0 * (np.indices((size_px,) * dims).sum(axis=0) % 2)
    return torch.from_numpy(signs).float().expand(count, 1, *signs.shape).clone()


def _by_look(results: tuple[LookResult, ...]) -> dict[tuple[str, str], LookResult]:
    return {(one.look, one.network): one for one in results}


def test_nothing_added_is_seen_by_nobody() -> None:
    found = detect(_views(torch.zeros(16, 1, 8, 8), labels=torch.arange(16) % 2), seeds=(0,))
    assert [one.auroc for one in found.released] == [0.5] * 4
    assert [one.accuracy for one in found.released] == [0.5] * 4
    for run in (run for one in found.classes for run in one.runs):
        assert run.accuracy in (run.chance, 1 - run.chance)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_pattern_of_each_class_is_seen_and_says_the_class(dims: int) -> None:
    labels = torch.arange(64) % 2
    size = 12 if dims == 2 else 8
    signs = (2.0 * labels - 1).reshape(-1, *[1] * (dims + 1))
    found = detect(_views(0.1 * signs * _checks(64, size, dims=dims), labels=labels), seeds=(0,))
    released = _by_look(found.released)
    assert (released["fine detail", "two layers"].auroc or 0) > 0.95
    assert all(one.accuracy == 1.0 for one in found.classes)
    assert all(0.5 <= one.chance < 0.7 for one in found.classes)


def test_what_resizing_hides_is_seen_at_native_size() -> None:
    found = _by_look(detect(_views(0.03 * _checks(16, 64)), seeds=(0,)).released)
    assert (found["fine detail", "two layers"].auroc or 0) > 0.95
    assert (found["small pictures", "linear"].auroc or 1) < 0.75


def test_what_is_coarse_is_seen_in_small_pictures() -> None:
    wave = torch.sin(torch.arange(48) * 2 * np.pi / 24).reshape(1, 1, 48, 1).expand(24, 1, 48, 48)
    found = _by_look(detect(_views(0.2 * wave), seeds=(0,)).released)
    assert (found["small pictures", "linear"].auroc or 0) > 0.95
    assert (found["fine detail", "two layers"].auroc or 1) < 0.75


def test_deltas_that_know_nothing_of_labels_do_not_say_them() -> None:
    random = torch.randn(160, 1, 6, 6, generator=torch.Generator().manual_seed(5))
    found = detect(_views(random, labels=torch.arange(160) % 2), seeds=(0,))
    assert all(0.3 < one.accuracy < 0.7 for one in found.classes)


def test_the_same_seed_sees_the_same_and_leaves_the_generator_alone() -> None:
    views = _views(0.02 * _checks(12, 8))
    state = torch.random.get_rng_state()
    first = detect(views, seeds=(3,))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert detect(views, seeds=(3,)) == first


@settings(max_examples=15)
@given(space=st.lists(st.integers(1, 9), min_size=2, max_size=3), seed=st.integers(0, 99))
def test_fine_detail_is_what_the_mean_around_leaves(space: list[int], seed: int) -> None:
    images = np.random.default_rng(seed).normal(size=(2, 1, *space))
    mean = _box_mean(images, reach=1, dims=len(space))
    assert np.allclose(fine_detail(torch.from_numpy(images)).numpy(), images - mean)


def test_patches_lie_in_their_images_and_at_one_place_without_a_generator() -> None:
    images = [torch.arange(1.0 * one * two).reshape(1, one, two) for one, two in ((9, 7), (6, 8))]
    frame = frame_of(images)
    cut = patches_of(images, frame, count=3, generator=torch.Generator().manual_seed(0))
    assert cut.shape == (6, 1, 6, 6)
    for image, patches in zip(images, cut.split(3), strict=True):
        assert all(set(one.flatten().tolist()) <= set(image.flatten().tolist()) for one in patches)
    middle = patches_of(images, frame, count=1, generator=None)
    assert torch.equal(middle[0, 0], images[0][0, :6, :6]) and torch.equal(middle[1, 0], images[1][0, :6, :6])
    lower = patches_of([images[0][:, :, :6]], frame_of([torch.zeros(1, 9, 6)]), count=1, generator=None)
    assert torch.equal(lower[0, 0], images[0][0, 1:7, :6])
    assert small_pictures([torch.zeros(1, 9, 7)] * 2, frame_of([torch.zeros(1, 9, 7)] * 2)).shape == (2, 1, 9, 7)
    assert small_pictures(images, frame).shape == (2, 1, 32, 32)


@pytest.mark.parametrize(
    ("spaces", "side_px", "small", "whole"),
    [
        (((9, 7), (6, 8)), 6, False, False),
        (((9, 7), (9, 7)), 7, True, False),
        (((7, 7), (7, 7)), 7, True, True),
        (((90, 70),), 32, False, False),
        (((20, 20, 20),), 16, False, False),
    ],
)
def test_a_frame_is_of_all_images(spaces: tuple[tuple[int, ...]], side_px: int, small: bool, whole: bool) -> None:
    frame = frame_of([torch.zeros(1, *one) for one in spaces])
    assert (frame.side_px, frame.small, frame.whole) == (side_px, small, whole)


@pytest.mark.parametrize(
    "spaces",
    [
        [(24, 24, 9 + at) for at in range(8)],  # volumes of fewer slices than a patch has
        [(28 + at, 40) for at in range(8)],
        [(12, 12)] * 7 + [(12, 14)],  # small ones of one size, but for one
    ],
)
def test_images_of_several_sizes_are_looked_at_alike_in_both_halves(spaces: list[tuple[int, ...]]) -> None:
    random = torch.Generator().manual_seed(0)
    clean = tuple(torch.randn(1, *one, generator=random) for one in spaces)
    deltas = tuple(torch.randn(one.shape, generator=random) for one in clean)
    released = tuple(one + delta for one, delta in zip(clean, deltas, strict=True))
    found = detect(PairViews(released, clean, deltas, torch.arange(8) % 2, ""), seeds=(0,))
    assert len(found.released) == len(found.classes) == 4


def test_pairs_are_read_as_victims_see_them(tmp_path: Path) -> None:
    source = write_source(tmp_path / "set.npz")
    data = open_data(write_release(tmp_path / "release", source), clean=source)
    views = read_pairs(data, data.pairs[:3], labelled=True)
    for at, (one, other) in enumerate(data.pairs[:3]):
        released, clean = data.release.read(one).astype(float), data.clean.read(other).astype(float)
        assert np.allclose(views.released[at], released / 255 * 2 - 1, atol=1e-6)
        assert np.allclose(views.clean[at], clean / 255 * 2 - 1, atol=1e-6)
        assert np.allclose(views.deltas[at], (released - clean) / 255, atol=1e-6)
    assert views.labels is not None and views.labels.tolist() == [0, 1, 1]
    assert views.sha256 != read_pairs(data, data.pairs[:3], labelled=False).sha256


def test_an_audit_says_what_was_seen_and_looks_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(detections, "detect", partial(detect, seeds=(1,)))
    source = write_source(tmp_path / "set.npz")
    release = write_release(tmp_path / "release", source)
    options: Any = {"recipes": (RECIPE,), "seeds": 1, "extras": ["detector"]}
    report = audit_release(release, clean=source, output=tmp_path / "out", **options)
    content = json.loads((tmp_path / "out" / "audit.json").read_text())
    validate_report(content)
    found = report.extras.detector
    assert found is not None and found.pairs == 60 and content["detector"] == found.to_json()
    page = (tmp_path / "out" / "audit.html").read_text()
    assert "Can it be seen" in page and "Classes by deltas alone: a linear network is right about 100.0%" in page
    (kept,) = [one for one in (tmp_path / "out" / "runs").iterdir() if "looked_for" in one.read_text()]
    time, whole = kept.stat().st_mtime_ns, json.loads(kept.read_text())
    again = audit_release(release, clean=source, output=tmp_path / "out", **options)
    assert again.extras == report.extras and kept.stat().st_mtime_ns == time
    wrongs: tuple[dict[str, Any], ...] = ({"pairs": "60"}, {"released": [{}]}, {"surplus": 1})
    for wrong in wrongs:
        kept.write_text(json.dumps({**whole, "result": {**whole["result"], **wrong}}))
        data = open_data(release, clean=source)
        runs = RunFolder(tmp_path / "out" / "runs")
        assert detect_in(data, runs=runs, resume=True).pairs == 60
        assert json.loads(kept.read_text())["result"].keys() == whole["result"].keys()
    places: tuple[dict[str, Any], ...] = ({"pairs": 3}, {"released": []}, {"classes": [{}]})
    for place in places:
        with pytest.raises(jsonschema.ValidationError):
            validate_report({**content, "detector": {**content["detector"], **place}})


def test_masks_are_no_classes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(detections, "detect", partial(detect, seeds=(1,)))
    data: AuditData = audit_data(count=8)
    found = detect_in(data, runs=RunFolder(tmp_path), resume=False)
    assert found.classes == () and len(found.released) == 4
    assert len(detector_sentences(found)) == 1


def test_too_few_pairs_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    clean = write_folders(tmp_path / "clean")
    for one in clean.glob("*/*"):
        if int(one.stem) >= 7:
            one.unlink()
    with pytest.raises(SourceError, match=r"7 released images have the shape of their originals; .* 8 are needed"):
        audit_release(clean, clean=clean, output=tmp_path / "out", extras=["detector"])
    assert not (tmp_path / "out").exists()


def test_sentences_name_the_best_network() -> None:
    def look(name: str, network: str, accuracy: float, auroc: float | None) -> LookResult:
        return LookResult(name, network, (LookRun(0, accuracy, auroc, 0.5), LookRun(1, accuracy, auroc, 0.7)))

    found = Detection(
        20,
        (look("small pictures", "linear", 0.9, 0.6), look("fine detail", "two layers", 0.8, 0.95)),
        (look("small pictures", "linear", 0.7, None), look("fine detail", "two layers", 0.99, None)),
    )
    seen, classes = detector_sentences(found)
    assert (
        "the best of 2 small networks" in seen and "AUROC of 0.950 and is right about 80.0% (two layers, fine" in seen
    )
    assert "linear network is right about 70.0% and one of two layers about 99.0%" in classes
    assert classes.endswith("always giving the most frequent class is right for 60.0%.")
