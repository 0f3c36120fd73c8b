"""What every budget keeps to, whatever its norm."""

from __future__ import annotations

import itertools
import json
import math
from abc import ABC, abstractmethod
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from monai_unlearnable.budgets import Budget, L2Budget, LinfBudget, to_levels
from monai_unlearnable.errors import BudgetError, DivergedError
from tests.contracts.properties import PROPERTY

SHAPES = st.sampled_from([(1, 1, 1, 1), (3, 1, 5, 4), (2, 3, 4, 4), (2, 1, 3, 4, 5)])
RADII = st.sampled_from([1.0, 1.5, 2.0, 8.0, 8.6, 20.0, 41.3, 300.0])


def draw(seed: int, shape: tuple[int, ...], *, size: float = 60.0) -> tuple[Tensor, Tensor]:
    """Return a delta that is too large and an image of whole levels that touches both ends of its range."""
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, shape).astype(np.float32)
    image[generator.random(shape) < 0.2] = 0
    image[generator.random(shape) < 0.2] = 255
    return torch.from_numpy(generator.normal(0, size, shape).astype(np.float32)), torch.from_numpy(image)


class BudgetContract(ABC):
    """Subclass it for a budget, and say how long a delta is by NumPy alone."""

    @abstractmethod
    def make(self, *, radius_levels: float, low_level: float = 0.0, high_level: float = 255.0) -> Budget:
        """Return a budget."""

    @abstractmethod
    def length(self, delta: NDArray[np.float64]) -> float:
        """Return the norm of one delta."""

    @abstractmethod
    def is_inside(self, levels: list[int], radius: Fraction) -> bool:
        """Say by integer arithmetic whether a delta in whole levels is inside the ball."""

    @abstractmethod
    def uniform_share(self, delta: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
        """Turn deltas ``(n, ...)`` drawn uniformly in the ball into numbers that are uniform in [0, 1]."""

    @PROPERTY
    @given(seed=st.integers(0, 999), shape=SHAPES)
    def test_norm_is_numpys(self, seed: int, shape: tuple[int, ...]) -> None:
        delta, _ = draw(seed, shape)
        expected = [self.length(one) for one in delta.double().numpy()]
        np.testing.assert_allclose(self.make(radius_levels=8).norm(delta).numpy(), expected, rtol=1e-6)

    @PROPERTY
    @given(seed=st.integers(0, 999), shape=SHAPES, radius=RADII)
    def test_projection_is_inside_and_idempotent(self, seed: int, shape: tuple[int, ...], radius: float) -> None:
        budget = self.make(radius_levels=radius)
        delta, image = draw(seed, shape)
        projected = budget.project(delta, image)
        assert projected.shape == delta.shape
        assert bool(budget.contains(projected, image).all())
        assert all(self.length(one) <= radius * (1 + 1e-6) for one in projected.double().numpy())
        assert float((image + projected).min()) >= 0
        assert float((image + projected).max()) <= 255
        torch.testing.assert_close(budget.project(projected, image), projected, rtol=1e-6, atol=0)

    @PROPERTY
    @given(seed=st.integers(0, 999), shape=SHAPES)
    def test_projection_leaves_what_is_inside(self, seed: int, shape: tuple[int, ...]) -> None:
        budget = self.make(radius_levels=300)
        delta, image = draw(seed, shape, size=1.0)
        inside = torch.clamp(delta, -image, 255 - image)
        assert torch.equal(budget.project(inside, image), inside)

    def test_radius_zero_gives_delta_zero(self) -> None:
        budget = self.make(radius_levels=0)
        delta, image = draw(0, (2, 1, 4, 4))
        for zero in (budget.project(delta, image), budget.random(image), to_levels(delta, image, budget)):
            assert not bool(zero.any())

    @pytest.mark.parametrize(
        ("radius", "text"),
        [
            (0.5, r"radius_levels=0\.5: smaller than one level"),
            (0.999, r"radius_levels=0\.999: smaller than one level"),
            (-1.0, r"radius_levels=-1\.0: a radius is a finite number"),
            (math.nan, r"radius_levels=nan: a radius is a finite number"),
            (math.inf, r"radius_levels=inf: a radius is a finite number"),
        ],
    )
    def test_refuses_a_radius(self, radius: float, text: str) -> None:
        with pytest.raises(BudgetError, match=text):
            self.make(radius_levels=radius)

    @pytest.mark.parametrize("high", [0.0, -1.0, math.nan])
    def test_refuses_an_empty_range(self, high: float) -> None:
        with pytest.raises(BudgetError, match=r"range \[0, .*\] is empty"):
            self.make(radius_levels=8, high_level=high)

    @PROPERTY
    @given(seed=st.integers(0, 999), shape=SHAPES, radius=RADII, size=st.sampled_from([0.3, 3.0, 60.0, 1e6]))
    def test_levels_are_whole_and_inside_exactly(
        self, seed: int, shape: tuple[int, ...], radius: float, size: float
    ) -> None:
        delta, image = draw(seed, shape, size=size)
        levels = to_levels(delta, image, self.make(radius_levels=radius))
        assert levels.dtype == delta.dtype
        assert torch.equal(levels, levels.round())
        assert not bool((levels.signbit() & (levels == 0)).any()), "-0.0 has other bytes than 0.0"
        assert int((image + levels).min()) >= 0
        assert int((image + levels).max()) <= 255
        for one in levels.flatten(1).long().tolist():
            assert self.is_inside(one, Fraction(radius))
        assert torch.equal(to_levels(levels, image, self.make(radius_levels=radius)), levels)

    @PROPERTY
    @given(seed=st.integers(0, 999), radius=RADII)
    def test_levels_without_an_image_are_inside_the_ball(self, seed: int, radius: float) -> None:
        delta, _ = draw(seed, (2, 1, 4, 4))
        levels = to_levels(delta, None, self.make(radius_levels=radius))
        assert torch.equal(levels, levels.round())
        assert all(self.is_inside(one, Fraction(radius)) for one in levels.flatten(1).long().tolist())

    @PROPERTY
    @given(seed=st.integers(0, 999), radius=RADII)
    def test_levels_grow_with_the_delta(self, seed: int, radius: float) -> None:
        delta, image = draw(seed, (1, 1, 4, 4))
        budget = self.make(radius_levels=radius)
        grown = [to_levels(scale * delta, image, budget).abs() for scale in (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)]
        for smaller, larger in itertools.pairwise(grown):
            assert bool((smaller <= larger).all())

    @PROPERTY
    @given(seed=st.integers(0, 999), radius=RADII)
    def test_levels_of_one_image_ignore_its_neighbours(self, seed: int, radius: float) -> None:
        delta, image = draw(seed, (3, 1, 4, 4))
        budget = self.make(radius_levels=radius)
        alone = torch.cat([to_levels(delta[i : i + 1], image[i : i + 1], budget) for i in range(3)])
        assert torch.equal(to_levels(delta, image, budget), alone)

    def test_levels_keep_to_a_range_between_two_levels(self) -> None:
        budget = self.make(radius_levels=8, low_level=0.5, high_level=254.5)
        image = torch.tensor([[[[1.0, 254.0]]]])
        assert not bool(to_levels(torch.tensor([[[[-3.0, 3.0]]]]), image, budget).any())

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    def test_levels_refuse_what_is_not_finite(self, bad: float) -> None:
        delta = torch.zeros(2, 1, 2, 2)
        delta[1, 0, 0, 0] = bad
        with pytest.raises(DivergedError, match="NaN or infinite"):
            to_levels(delta, torch.full_like(delta, 100), self.make(radius_levels=8))

    @PROPERTY
    @given(seed=st.integers(0, 999), scale=st.sampled_from([1e-30, 1e-12, 1.0, 1e12, 1e30]))
    def test_steepest_has_norm_one_and_is_steepest(self, seed: int, scale: float) -> None:
        budget = self.make(radius_levels=8)
        gradient, _ = draw(seed, (2, 1, 3, 3), size=scale)
        step = budget.steepest(gradient)
        torch.testing.assert_close(budget.norm(step), torch.ones(2), rtol=1e-5, atol=0)
        others = torch.randn(200, 1, 3, 3)
        others = others / budget.norm(others).reshape(-1, 1, 1, 1)
        unit = (gradient / gradient.abs().max()).flatten(1)
        along, best_of_others = (unit * step.flatten(1)).sum(1), (unit @ others.flatten(1).T).amax(1)
        assert bool((along * (1 + 1e-5) >= best_of_others).all())

    def test_steepest_of_no_gradient_is_no_step(self) -> None:
        assert not bool(self.make(radius_levels=8).steepest(torch.zeros(2, 1, 3, 3)).any())

    @PROPERTY
    @given(seed=st.integers(0, 999), shape=SHAPES)
    def test_random_is_inside_and_seeded(self, seed: int, shape: tuple[int, ...]) -> None:
        budget = self.make(radius_levels=8)
        image = torch.full(shape, 100.0)
        first, second = (budget.random(image, generator=torch.Generator().manual_seed(seed)) for _ in range(2))
        assert torch.equal(first, second)
        assert first.shape == image.shape
        assert bool((budget.norm(first) <= 8 * (1 + 1e-6)).all())

    def test_random_is_uniform(self) -> None:
        delta = self.make(radius_levels=8).random(torch.zeros(4000, 1, 1, 3)).double().numpy()
        share = np.sort(self.uniform_share(delta, 8.0).ravel())
        expected = (np.arange(len(share)) + 0.5) / len(share)
        assert np.abs(share - expected).max() < 1.63 / math.sqrt(len(share))  # Kolmogorov-Smirnov at 1 %
        assert np.abs(delta.mean(axis=0)).max() < 0.4

    def test_contains_says_no(self) -> None:
        budget = self.make(radius_levels=8)
        image = torch.tensor([100.0, 100.0, 1.0, 254.0, 100.0]).reshape(5, 1, 1, 1)
        delta = torch.tensor([8.0, 8.1, -2.0, 2.0, math.nan]).reshape(5, 1, 1, 1)
        assert budget.contains(delta, image).tolist() == [True, False, False, False, False]

    def test_description_is_json(self) -> None:
        budget = self.make(radius_levels=8, high_level=4095)
        described = json.loads(json.dumps(budget.describe()))
        assert described == budget.describe()
        assert described["radius_levels"] == 8.0
        assert described["high_level"] == 4095.0

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (math.nan, "sample 'b': holds NaN or infinite values"),
            (math.inf, "sample 'b': holds NaN or infinite values"),
            (256.0, r"sample 'b': values 100 to 256 leave the range 0 to 255"),
            (-1.0, r"sample 'b': values -1 to 100 leave the range"),
            (0.5, r"sample 'b': values 0\.5 to 100 are not all whole levels"),
        ],
    )
    def test_refuses_images(self, value: float, text: str) -> None:
        image = torch.full((3, 1, 2, 2), 100.0)
        image[1, 0, 1, 1] = value
        with pytest.raises(BudgetError, match=text):
            self.make(radius_levels=8).require_images(image, ["a", "b", "c"])

    def test_accepts_images_that_fill_the_range(self) -> None:
        self.make(radius_levels=8).require_images(torch.tensor([[[[0.0, 255.0]]]]), ["a"])

    def test_is_a_value(self) -> None:
        assert self.make(radius_levels=8) == self.make(radius_levels=8)
        assert self.make(radius_levels=8) != self.make(radius_levels=9)
        with pytest.raises(AttributeError):
            self.make(radius_levels=8).radius_levels = 9  # type: ignore[misc]


class TestLinfBudget(BudgetContract):
    def make(self, *, radius_levels: float, low_level: float = 0.0, high_level: float = 255.0) -> Budget:
        return LinfBudget(radius_levels=radius_levels, low_level=low_level, high_level=high_level)

    def length(self, delta: NDArray[np.float64]) -> float:
        return float(np.abs(delta).max())

    def is_inside(self, levels: list[int], radius: Fraction) -> bool:
        return max(abs(level) for level in levels) <= radius

    def uniform_share(self, delta: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
        return (delta / radius + 1) / 2


class TestL2Budget(BudgetContract):
    def make(self, *, radius_levels: float, low_level: float = 0.0, high_level: float = 255.0) -> Budget:
        return L2Budget(radius_levels=radius_levels, low_level=low_level, high_level=high_level)

    def length(self, delta: NDArray[np.float64]) -> float:
        return float(np.sqrt((delta**2).sum()))

    def is_inside(self, levels: list[int], radius: Fraction) -> bool:
        return sum(level * level for level in levels) <= radius**2

    def uniform_share(self, delta: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
        length: NDArray[np.float64] = np.sqrt((delta.reshape(len(delta), -1) ** 2).sum(axis=1))
        share: NDArray[np.float64] = (length / radius) ** delta[0].size
        return share
