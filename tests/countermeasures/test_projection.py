"""What a linear network reads is taken off, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_unlearnable.countermeasures import OrthogonalProjection
from monai_unlearnable.errors import NotApplicableError


def patterned(count: int, *, strength: float, seed: int = 0, space: tuple[int, ...] = (8, 8)) -> tuple[Tensor, Tensor]:
    """Random images of three classes, each with a fixed pattern of its class."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    images = random.normal(128, 12, (count, 1, *space))
    patterns = np.random.default_rng(99).choice([-1.0, 1.0], (3, 1, *space))
    return torch.from_numpy(images + strength * patterns[labels]).float(), torch.from_numpy(labels)


def linear_accuracy(train: Tensor, labels: Tensor, test: Tensor, truth: Tensor) -> float:
    """Fit class indicators by ridge regression and score them."""
    flat, other = (np.c_[one.flatten(1).numpy() - 128, np.ones(len(one))] for one in (train, test))
    wanted = np.eye(3)[labels.numpy()]
    weights = np.linalg.solve(flat.T @ flat + 10 * np.eye(flat.shape[1]), flat.T @ wanted)
    return float(((other @ weights).argmax(1) == truth.numpy()).mean())


def distance_of_classes(images: Tensor, labels: Tensor) -> float:
    means = torch.stack([images[labels == number].mean(0).flatten() for number in range(3)])
    return float(torch.cdist(means, means).max())


@pytest.mark.parametrize("space", [(8, 8), (4, 5, 3)])
def test_patterns_of_classes_are_taken_off(space: tuple[int, ...]) -> None:
    images, labels = patterned(1200, strength=8.0, space=space)
    projection = OrthogonalProjection.fit(images, labels)
    cleaned = torch.stack([torch.as_tensor(projection(one)) for one in images])
    fresh, truth = patterned(400, strength=8.0, seed=1, space=space)
    seen = torch.stack([torch.as_tensor(projection(one)) for one in fresh])
    assert linear_accuracy(images, labels, fresh, truth) > 0.95
    assert linear_accuracy(cleaned, labels, seen, truth) < 0.8
    assert distance_of_classes(seen, truth) < 0.4 * distance_of_classes(fresh, truth)
    change = (cleaned - images).square().mean().sqrt()
    assert 0.5 < float(change) < 12, "about as much as the patterns are"


def test_nothing_is_left_in_the_directions_and_the_rest_stays() -> None:
    images, labels = patterned(100, strength=4.0)
    projection = OrthogonalProjection.fit(images, labels, epochs=3)
    directions = projection.directions
    np.testing.assert_allclose(directions.T @ directions, np.eye(3), atol=1e-5)
    image = images[0].numpy()
    found = projection(image)
    left = found.ravel() - image.mean()
    np.testing.assert_allclose(directions.T @ left, 0, atol=2e-3)
    orthogonal = image.ravel() - image.mean() - directions @ (directions.T @ (image.ravel() - image.mean()))
    np.testing.assert_allclose(left, orthogonal, atol=2e-3)
    whole = images[0].round().clamp(0, 255).to(torch.uint8)
    assert projection(whole).dtype == torch.uint8


def test_the_same_seed_gives_the_same_and_other_shapes_are_refused() -> None:
    images, labels = patterned(50, strength=4.0)
    one, again, other = (OrthogonalProjection.fit(images, labels, epochs=1, seed=seed) for seed in (0, 0, 1))
    assert (one.directions == again.directions).all() and not (one.directions == other.directions).all()
    assert one.describe() == {"countermeasure": "OrthogonalProjection", "directions": 3}
    with pytest.raises(
        NotApplicableError, match=r"an image of shape \(1, 9, 8\), fitted to images of shape \(1, 8, 8\)"
    ):
        one(np.zeros((1, 9, 8)))
    with pytest.raises(NotApplicableError, match=r"labels of shape \(50, 2\); needed is one class index"):
        OrthogonalProjection.fit(images, torch.zeros(50, 2))
    with pytest.raises(NotApplicableError, match="of two classes or more"):
        OrthogonalProjection.fit(images, torch.zeros(50, dtype=torch.int64))
