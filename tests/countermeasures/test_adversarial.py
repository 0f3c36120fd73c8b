"""Projected gradient descent on images, against a slow implementation of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from monai_unlearnable.countermeasures import AdversarialSteps


def slow_steps(
    image: np.ndarray, weights: np.ndarray, sign: float, *, radius: float, norm: str, steps: int, size: float
) -> np.ndarray:
    """Climb the loss ``log(1 + exp(-sign * <w, x>))`` of one image, with its gradient by hand."""
    found = image.copy()
    for _ in range(steps):
        margin = sign * float((weights * found).sum())
        gradient = -sign * weights / (1 + np.exp(margin))
        move = np.sign(gradient) if norm == "linf" else gradient / np.sqrt((gradient**2).sum())
        delta = found + size * move - image
        if norm == "linf":
            delta = np.minimum(np.maximum(delta, -radius), radius)
        else:
            delta = delta * min(1.0, radius / np.sqrt((delta**2).sum()))
        found = np.clip(image + delta, -1, 1)
    return found


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("space", [(5, 4), (3, 4, 2)])
def test_steps_are_those_of_a_slow_implementation(norm: str, space: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    images, weights = random.uniform(-1, 1, (4, 2, *space)), random.normal(size=(2, *space))
    signs = np.array([1.0, -1.0, 1.0, -1.0])
    radius = 0.05 if norm == "linf" else 0.7
    steps = AdversarialSteps(
        radius=radius, norm=norm, steps=7, step_size=radius / 3, random_start=False, low=-1, high=1
    )

    def loss(seen: Tensor) -> Tensor:
        margins = torch.as_tensor(signs) * (seen * torch.as_tensor(weights)).flatten(1).sum(1)
        return nn.functional.softplus(-margins).mean()

    found = steps(torch.as_tensor(images), loss).numpy()
    for number in range(4):
        expected = slow_steps(
            images[number], weights, signs[number], radius=radius, norm=norm, steps=7, size=radius / 3
        )
        np.testing.assert_allclose(found[number], expected, atol=1e-6)


@settings(max_examples=40)
@given(
    norm=st.sampled_from(["linf", "l2"]),
    radius=st.floats(0.01, 3),
    share=st.floats(0, 1),
    space=st.lists(st.integers(1, 5), min_size=2, max_size=3),
    seed=st.integers(0, 99),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_images_stay_in_the_ball_and_in_their_range(
    norm: str, radius: float, share: float, space: list[int], seed: int, dtype: torch.dtype
) -> None:
    generator = torch.Generator().manual_seed(seed)
    images = (2.4 * torch.rand(3, 1, *space, generator=generator) - 1.2).to(dtype)
    before = images.clone()
    steps = AdversarialSteps(radius=radius, norm=norm, steps=3, low=-1, high=1)
    found = steps(images, lambda seen: seen.square().sum(), share_of_radius=share, generator=generator)
    assert torch.equal(images, before) and found.dtype == dtype and not found.requires_grad
    delta = (found - images).flatten(1)
    far = delta.abs().amax(1) if norm == "linf" else delta.double().square().sum(1).sqrt()
    assert float(far.max()) <= share * radius + 1e-5
    inside = images.abs() <= 1
    assert bool((found[inside].abs() <= 1).all())
    assert bool((found[~inside].abs() <= images[~inside].abs()).all()), "what is outside does not go further out"


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_random_start_fills_the_ball_and_follows_from_its_generator(norm: str) -> None:
    steps = AdversarialSteps(radius=1.0, norm=norm, steps=1, step_size=1e-9)
    images = torch.zeros(400, 1, 2, 2)

    def start(seed: int) -> Tensor:
        return steps(images, lambda seen: seen.sum(), generator=torch.Generator().manual_seed(seed))

    one = start(3)
    assert torch.equal(one, start(3)) and not torch.equal(one, start(4))
    far = one.flatten(1).abs().amax(1) if norm == "linf" else one.flatten(1).norm(dim=1)
    # Of a ball in 4 dimensions the share 0.8 ** 4 is nearer to the middle than 0.8.
    assert abs(float((far < 0.8).float().mean()) - 0.8**4) < 0.08
    assert float(one.mean().abs()) < 0.05


def test_what_raises_the_loss_is_found() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3))
    images, labels = torch.rand(6, 1, 8, 8), torch.arange(6) % 3
    losses = [
        float(nn.functional.cross_entropy(network(seen), labels).detach())
        for seen in (
            images,
            *(
                AdversarialSteps(radius=radius, random_start=False)(
                    images, lambda seen: nn.functional.cross_entropy(network(seen), labels)
                )
                for radius in (0.02, 0.1)
            ),
        )
    ]
    assert losses == sorted(losses) and losses[2] > losses[0] + 0.1


@pytest.mark.parametrize(
    ("settings_", "text"),
    [
        ({"radius": 0}, "radius=0: must be positive and finite"),
        ({"radius": float("nan")}, "radius=nan: must be positive"),
        ({"radius": 1, "norm": "l1"}, "norm='l1': choose one of linf, l2"),
        ({"radius": 1, "steps": 0}, "steps=0: at least 1"),
        ({"radius": 1, "step_size": -1}, "step_size=-1: must be positive"),
        ({"radius": 1, "low": 1, "high": 0}, "low=1, high=0: there is no value between"),
    ],
)
def test_refuses_settings(settings_: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        AdversarialSteps(**settings_)


def test_whole_numbers_have_no_gradient() -> None:
    with pytest.raises(ValueError, match=r"images of type torch\.uint8 have no gradient"):
        AdversarialSteps(radius=1)(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), lambda seen: seen.sum())
