"""The class with the faint pattern: the rarest, and of equally rare ones the one that images tell worst."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestCentroid

from monai_unlearnable.sources import open_source
from monai_unlearnable.workflows.faint import faint_class, recall_of_nearest_mean
from tests.bundles.running import write_multi_label_npz


def write_set(path: Path, labels: list[int], *, mixed: int) -> Path:
    """Write flat images of a level for each class; every second image of class ``mixed`` looks like another class."""
    levels = np.array([(40 + 60 * label) if label != mixed or at % 2 else 250 for at, label in enumerate(labels)])
    images = np.broadcast_to(levels[:, None, None], (len(labels), 12, 12)).astype(np.uint8)
    arrays = {f"{part}_images": images for part in ("train", "val", "test")}
    columns = np.array(labels, dtype=np.uint8)[:, None]
    np.savez(path, allow_pickle=False, **arrays, **{f"{part}_labels": columns for part in ("train", "val", "test")})
    return path


@pytest.mark.parametrize(
    ("labels", "mixed", "expected"),
    [
        ([0] * 8 + [1] * 4 + [2] * 8, 0, 1),  # the rarest, however well its images tell it
        ([0, 1, 2] * 8, 1, 1),
        ([0, 1, 2] * 8, 0, 0),
        ([0, 1, 2] * 8, -1, 2),  # the last of equals
        ([0, 1, 2] * 10 + [1], 1, 1),  # a tenth more is about as rare
        ([0, 1, 2] * 10 + [1, 1], 1, 2),
    ],
)
def test_choice(tmp_path: Path, labels: list[int], mixed: int, expected: int) -> None:
    assert faint_class(open_source(write_set(tmp_path / "a.npz", labels, mixed=mixed))) == expected


@given(st.integers(0, 2**32), st.integers(2, 5))
def test_recall_is_that_of_a_nearest_centroid(seed: int, classes: int) -> None:
    random = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), random.integers(0, classes, 20)])
    vectors = random.normal(size=(len(labels), 3)) + labels[:, None]
    guessed = NearestCentroid().fit(vectors, labels).predict(vectors)
    expected = [float((guessed[labels == at] == at).mean()) for at in range(classes)]
    found = recall_of_nearest_mean(torch.as_tensor(vectors), torch.as_tensor(labels))
    np.testing.assert_allclose(found.numpy(), expected)


def test_refuses_several_labels(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no one class"):
        faint_class(open_source(write_multi_label_npz(tmp_path / "multi.npz")))
