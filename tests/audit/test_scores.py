from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score

from monai_unlearnable.audit.scores import accuracy, balanced_accuracy, headline, macro_auroc, majority_score
from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources import Task


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 5), count=st.integers(2, 40))
def test_accuracies_are_those_of_scikit_learn(seed: int, classes: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    logits, labels = generator.normal(size=(count, classes)), generator.integers(0, classes, size=count)
    predicted = logits.argmax(axis=1)
    ours = torch.from_numpy(logits), torch.from_numpy(labels)
    assert accuracy(*ours) == pytest.approx(accuracy_score(labels, predicted))
    occurring = np.unique(labels)
    recalls = [(predicted[labels == one] == one).mean() for one in occurring]
    assert balanced_accuracy(*ours) == pytest.approx(np.mean(recalls))
    if set(predicted) <= set(occurring) and len(occurring) > 1:
        assert balanced_accuracy(*ours) == pytest.approx(balanced_accuracy_score(labels, predicted))


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), with_ties=st.booleans())
def test_macro_auroc_is_that_of_scikit_learn(seed: int, with_ties: bool) -> None:
    generator = np.random.default_rng(seed)
    logits, labels = generator.normal(size=(40, 3)), generator.integers(0, 2, size=(40, 3))
    labels[:2] = [[0, 0, 0], [1, 1, 1]]
    logits = np.round(logits) if with_ties else logits
    ours = macro_auroc(torch.from_numpy(logits), torch.from_numpy(labels).float())
    assert ours == pytest.approx(roc_auc_score(labels, logits, average="macro"))


def test_a_constant_column_is_left_out() -> None:
    labels = torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0]])
    assert macro_auroc(torch.tensor([[0.1, 5.0], [0.9, 1.0], [0.5, 2.0]]), labels) == 1.0


def test_labels_without_any_curve_are_refused() -> None:
    with pytest.raises(SourceError, match="none of the 2 label columns holds both 0 and 1"):
        macro_auroc(torch.zeros(3, 2), torch.ones(3, 2))


def test_headline_fits_the_task() -> None:
    logits = torch.tensor([[2.0, 1.0], [3.0, 5.0]])
    assert headline(logits, torch.tensor([0, 0]), Task.SINGLE_LABEL) == 0.5
    assert headline(logits, torch.tensor([[0.0, 1.0], [1.0, 0.0]]), Task.MULTI_LABEL) == 0.5


def test_majority_is_the_most_frequent_class_or_half() -> None:
    assert majority_score(np.array([2, 2, 0, 1]), Task.SINGLE_LABEL) == 0.5
    assert majority_score(np.array([[1, 1], [1, 0]]), Task.MULTI_LABEL) == 0.5
