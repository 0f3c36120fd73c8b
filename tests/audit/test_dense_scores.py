from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monai_unlearnable.audit.dense_scores import DenseScores, mean_image_iou, score_masks, score_overlaps
from monai_unlearnable.audit.trivial import trivial_scores
from monai_unlearnable.errors import SourceError

Maps = NDArray[np.int64]


def _masks(seed: int, *, shape: tuple[int, ...], classes: int, shown: float = 0.6) -> tuple[Maps, Maps]:
    """Predicted and true maps ``shape``; of every structure and image some are missing."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(2):
        maps = generator.integers(0, classes, size=shape)
        for image in maps:
            for one in range(1, classes):
                if generator.random() > shown:
                    image[image == one] = 0
        found.append(maps)
    return found[0], found[1]


def _per_image(predicted: Maps, truth: Maps, classes: int) -> tuple[list[list[float]], list[list[float]]]:
    """IoU and Dice of every image and structure, NaN where nothing shows it; a slow loop."""
    ious: list[list[float]] = []
    dices: list[list[float]] = []
    for ours, theirs in zip(predicted, truth, strict=True):
        ious.append([])
        dices.append([])
        for one in range(1, classes):
            a, b = ours == one, theirs == one
            both, either = int((a & b).sum()), int((a | b).sum())
            ious[-1].append(both / either if either else math.nan)
            dices[-1].append(2 * both / (int(a.sum()) + int(b.sum())) if either else math.nan)
    return ious, dices


def _image_mean(rows: list[list[float]]) -> float:
    means = [np.mean([one for one in row if not math.isnan(one)]) for row in rows if not np.isnan(row).all()]
    return float(np.mean(means))


def _column(rows: list[list[float]], at: int) -> float | None:
    known = [row[at] for row in rows if not math.isnan(row[at])]
    return float(np.mean(known)) if known else None


def _edge(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Places of the pixels that have a neighbour (or the world beyond the picture) outside the mask."""
    found = []
    for place in np.argwhere(mask):
        for axis in range(mask.ndim):
            for step in (-1, 1):
                other = place.copy()
                other[axis] += step
                inside = 0 <= other[axis] < mask.shape[axis]
                if not inside or not mask[tuple(other)]:
                    found.append(tuple(place))
    return np.array(sorted(set(found)))


def _hausdorff95(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    ours, theirs = _edge(a), _edge(b)
    distances = np.sqrt(((ours[:, None] - theirs[None]) ** 2).sum(axis=-1))
    return max(float(np.percentile(distances.min(axis=axis), 95)) for axis in (0, 1))


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    classes=st.integers(2, 4),
    shape=st.sampled_from([(4, 5, 7), (3, 6, 6), (3, 3, 4, 5)]),
    dtype=st.sampled_from([torch.uint8, torch.int64]),
)
def test_every_score_is_that_of_a_slow_loop(
    seed: int, classes: int, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    predicted, truth = _masks(seed, shape=shape, classes=classes)
    ours = torch.from_numpy(predicted).to(dtype), torch.from_numpy(truth).to(dtype)
    if not predicted.any() and not truth.any():
        return
    found = score_masks(*ours, class_count=classes)
    ious, dices = _per_image(predicted, truth, classes)
    assert found.iou == pytest.approx(_image_mean(ious))
    assert found.dice == pytest.approx(_image_mean(dices))
    assert mean_image_iou(*ours, class_count=classes) == found.iou
    assert score_overlaps(*ours, class_count=classes) == (found.iou, found.dice)
    pooled: list[float] = []
    surfaces: list[float] = []
    for at, one in enumerate(found.structures):
        a, b = predicted == at + 1, truth == at + 1
        assert one.iou == pytest.approx(_column(ious, at))
        assert one.dice == pytest.approx(_column(dices, at))
        assert one.iou_pooled == (pytest.approx((a & b).sum() / (a | b).sum()) if (a | b).any() else None)
        assert one.images == sum(bool(mask.any()) for mask in b)
        distances = [_hausdorff95(x, y) for x, y in zip(a, b, strict=True) if x.any() and y.any()]
        assert one.found_images == len(distances)
        assert one.hausdorff95_px == (pytest.approx(np.mean(distances), rel=1e-5) if distances else None)
        pooled += [] if one.iou_pooled is None else [one.iou_pooled]
        surfaces += [] if one.hausdorff95_px is None else [one.hausdorff95_px]
    assert found.iou_pooled == pytest.approx(np.mean(pooled))
    assert found.hausdorff95_px == (pytest.approx(np.mean(surfaces)) if surfaces else None)


def test_a_structure_that_is_nowhere_is_no_merit_and_one_that_is_made_up_a_fault() -> None:
    truth = torch.tensor([[[0, 0], [1, 1]], [[0, 0], [0, 0]], [[0, 0], [0, 0]]])
    right = score_masks(truth, truth, class_count=3)
    assert (right.iou, right.structures[0].images) == (1.0, 1)
    assert dataclasses.astuple(right.structures[1]) == (None, None, None, None, 0, 0)
    made_up = truth.clone()
    made_up[1, 0, 0] = 2
    assert mean_image_iou(made_up, truth, class_count=3) == 0.5


def test_a_missed_structure_has_no_distance() -> None:
    truth = torch.ones(1, 3, 3, dtype=torch.long)
    found = score_masks(torch.zeros_like(truth), truth, class_count=2)
    assert (found.iou, found.dice, found.hausdorff95_px) == (0.0, 0.0, None)
    assert (found.structures[0].images, found.structures[0].found_images) == (1, 0)


def test_large_sets_are_scored_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    predicted, truth = map(torch.from_numpy, _masks(0, shape=(7, 5, 5), classes=3))
    whole = score_masks(predicted, truth, class_count=3)
    monkeypatch.setattr("monai_unlearnable.audit.dense_scores._BATCH_VALUES", 150)
    assert score_masks(predicted, truth, class_count=3) == whole


def test_masks_without_any_structure_are_refused() -> None:
    empty = torch.zeros(3, 4, 4, dtype=torch.long)
    with pytest.raises(SourceError, match="no mask and no prediction shows any structure"):
        mean_image_iou(empty, empty, class_count=2)
    with pytest.raises(SourceError, match="Give test images with structures"):
        trivial_scores(empty, ("background", "a"))


@pytest.mark.parametrize("shape", [(4, 6, 5), (3, 4, 3, 5)], ids=str)
def test_trivial_predictors_are_scored_as_masks_of_one_class(shape: tuple[int, ...]) -> None:
    _, truth = _masks(3, shape=shape, classes=3, shown=0.8)
    found = trivial_scores(torch.from_numpy(truth), ("background", "liver", "lesion"))
    assert [one.name for one in found] == ["all background", "all liver", "all lesion"]
    for number, one in enumerate(found):
        ious, dices = _per_image(np.full_like(truth, number), truth, 3)
        assert (one.iou, one.dice) == pytest.approx((_image_mean(ious), _image_mean(dices)))
    assert found[0].iou == 0.0


def test_scores_survive_json() -> None:
    predicted, truth = map(torch.from_numpy, _masks(1, shape=(3, 5, 5), classes=3))
    scores = score_masks(predicted, truth, class_count=3)
    assert DenseScores.from_json(json.loads(json.dumps(dataclasses.asdict(scores)))) == scores
