"""What a model of clean images says of released ones: scores and agreement against oracles."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from monai_unlearnable.audit.authorised_use import AuthorisedUse, UseScores, compare_answers
from monai_unlearnable.audit.extra_wording import use_sentence
from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources import Task


@settings(max_examples=20)
@given(count=st.integers(2, 30), classes=st.integers(2, 5), seed=st.integers(0, 1000))
def test_single_labels_are_compared_image_by_image(count: int, classes: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    clean, released = random.normal(size=(2, count, classes)).astype(np.float32)
    labels = random.integers(0, classes, size=count)
    found = compare_answers(
        torch.from_numpy(clean),
        torch.from_numpy(released),
        torch.from_numpy(labels),
        task=Task.SINGLE_LABEL,
        class_count=classes,
        majority=0.25,
    )
    right = [
        [int(np.argmax(row)) == label for row, label in zip(one, labels, strict=True)] for one in (clean, released)
    ]
    same = [int(np.argmax(one)) == int(np.argmax(two)) for one, two in zip(clean, released, strict=True)]
    assert (found.on_clean, found.on_released) == pytest.approx((np.mean(right[0]), np.mean(right[1])))
    assert found.agreement == pytest.approx(np.mean(same))
    assert (found.majority, found.images) == (0.25, count)


def test_several_labels_agree_label_by_label_at_one_half() -> None:
    random = np.random.default_rng(3)
    clean, released = random.normal(size=(2, 40, 3))
    labels = (random.random((40, 3)) > 0.5).astype(np.float32)
    found = compare_answers(
        torch.from_numpy(clean),
        torch.from_numpy(released),
        torch.from_numpy(labels),
        task=Task.MULTI_LABEL,
        class_count=3,
        majority=0.5,
    )
    assert found.on_released == pytest.approx(roc_auc_score(labels, released, average="macro"))
    probabilities = [1 / (1 + np.exp(-one)) for one in (clean, released)]
    assert found.agreement == pytest.approx(np.mean((probabilities[0] > 0.5) == (probabilities[1] > 0.5)))


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def test_masks_agree_by_the_dice_of_both_predictions() -> None:
    random = np.random.default_rng(1)
    clean, released, truth = random.integers(0, 2, size=(3, 6, 9, 7)).astype(np.uint8)
    found = compare_answers(
        *(torch.from_numpy(one) for one in (clean, released, truth)),
        task=Task.SEGMENTATION,
        class_count=2,
        majority=0.1,
    )
    pairs = zip(clean.astype(bool), released.astype(bool), strict=True)
    assert found.agreement == pytest.approx(np.mean([_dice(one, two) for one, two in pairs]))
    shared = [(a & b).sum() / (a | b).sum() for a, b in zip(released, truth, strict=True)]
    assert found.on_released == pytest.approx(np.mean(shared))


def test_predictions_of_nothing_have_no_agreement() -> None:
    empty, truth = torch.zeros(2, 4, 4, dtype=torch.uint8), torch.ones(2, 4, 4, dtype=torch.uint8)
    found = compare_answers(empty, empty, truth, task=Task.SEGMENTATION, class_count=2, majority=0.0)
    assert found.agreement is None and found.on_clean == 0.0
    with pytest.raises(SourceError, match="there is nothing to score"):
        compare_answers(empty, empty, empty, task=Task.SEGMENTATION, class_count=2, majority=0.0)
    use = AuthorisedUse("v", Task.SEGMENTATION, (0,), (found,))
    assert use.agreement is None and not use.learned
    assert "Dice of both predictions: none (nothing is predicted)." in use_sentence(use)


@pytest.mark.parametrize(("on_clean", "learned"), [(0.74, False), (0.76, True)])
def test_who_learned_too_little_says_so(on_clean: float, learned: bool) -> None:
    use = AuthorisedUse("v", Task.SINGLE_LABEL, (0,), (UseScores(on_clean, 0.7, 0.9, 0.7, 40),))
    assert use.to_json()["learned"] is learned
    sentence = use_sentence(use)
    assert ("It learned too little for that to mean anything." in sentence) is not learned
    assert f"has accuracy {on_clean:.1%} on other originals and 70.0% on their released files" in sentence
    assert "images with the same answer: 90.0%." in sentence
