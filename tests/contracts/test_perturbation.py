"""What every perturbation keeps to, whichever delta it chooses."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter

import pytest
import torch
from monai.engines.utils import IterationEvents
from torch import Tensor

from monai_unlearnable.budgets import Budget, L2Budget, LinfBudget
from monai_unlearnable.errors import BudgetError, DivergedError
from monai_unlearnable.perturbations import (
    Autoregressive,
    Blocks,
    ErrorMinimizing,
    GeneratedDeltas,
    LinearErrorMinimizing,
    NextClassTarget,
    Perturbation,
    PerturbationBatch,
    RobustErrorMinimizing,
    Stripes,
    Synthetic,
    TargetedAdversarial,
)
from tests.contracts.toys import CLASSES, linear_surrogate, make_batch, one_layer_generator

SHAPES = [(5, 1, 8, 8), (5, 3, 8, 9), (5, 1, 7, 8, 9)]
BUDGETS: list[Budget] = [LinfBudget(radius_levels=8), LinfBudget(radius_levels=2.5), L2Budget(radius_levels=60)]
LABEL = torch.tensor([0, 1, 2, 1, 0])


class PerturbationContract(ABC):
    """Subclass it for a perturbation."""

    draws_by_row = False
    """Whether a delta starts at random, so that it depends on its place in the batch."""
    differs_by_image = False
    """Whether a delta depends on its image's id, so that one that images share is that of none of them."""

    @abstractmethod
    def make(self, budget: Budget, *, seed: int = 0) -> Perturbation:
        """Return the method for three classes."""

    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    @pytest.mark.parametrize("budget", BUDGETS, ids=str)
    def test_stays_in_its_budget(self, shape: tuple[int, ...], budget: Budget) -> None:
        batch = make_batch(shape, LABEL)
        delta = self.make(budget).improve(batch, surrogate=linear_surrogate(shape))
        assert delta.shape == batch.delta.shape
        assert delta.dtype == torch.float32
        assert not delta.requires_grad
        assert bool(budget.contains(delta, batch.image).all())
        assert bool(delta.abs().amax(dim=tuple(range(1, delta.ndim))).gt(0.5).all()), "every image gets a delta"

    def test_starts_outside_the_budget_and_ends_inside(self) -> None:
        batch = make_batch(SHAPES[0], LABEL)
        batch = PerturbationBatch(batch.image, batch.label, batch.delta + 90, None, batch.sample_ids)
        delta = self.make(BUDGETS[0]).improve(batch, surrogate=linear_surrogate(SHAPES[0]))
        assert bool(BUDGETS[0].contains(delta, batch.image).all())

    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    def test_same_seed_same_delta(self, shape: tuple[int, ...]) -> None:
        deltas = []
        for _ in range(2):
            torch.rand(7)  # the global generator has moved on
            deltas.append(
                self.make(BUDGETS[0], seed=5).improve(make_batch(shape, LABEL), surrogate=linear_surrogate(shape))
            )
        assert torch.equal(*deltas)

    def test_leaves_its_inputs_alone(self) -> None:
        batch, surrogate = make_batch(SHAPES[0], LABEL), linear_surrogate(SHAPES[0])
        kept = [tensor.clone() for tensor in (batch.image, batch.label, batch.delta, *surrogate.parameters())]
        self.make(BUDGETS[0]).improve(batch, surrogate=surrogate)
        now = [batch.image, batch.label, batch.delta, *surrogate.parameters()]
        assert all(torch.equal(before, after) for before, after in zip(kept, now, strict=True))
        assert all(parameter.grad is None for parameter in surrogate.parameters())

    def test_hooks_fire_in_pairs(self) -> None:
        events: list[IterationEvents] = []
        self.make(BUDGETS[0]).improve(
            make_batch(SHAPES[0], LABEL), surrogate=linear_surrogate(SHAPES[0]), on_step=events.append
        )
        started, completed = IterationEvents.INNER_ITERATION_STARTED, IterationEvents.INNER_ITERATION_COMPLETED
        assert events == [started, completed] * (len(events) // 2)
        assert len(events) >= 2

    @pytest.mark.parametrize(
        ("label", "owner"),
        [([0, 1, 2], [0, 1, 2]), ([2, 0, 1], [2, 0, 1]), ([1, 0, 1, 1, 0], [0, 1, 0, 0, 1]), ([2], [0])],
        ids=["one image per class", "in another order", "several", "one image"],
    )
    @pytest.mark.parametrize("budget", BUDGETS, ids=str)
    def test_shared_deltas(self, label: list[int], owner: list[int], budget: Budget) -> None:
        shape = (len(label), 1, 8, 8)
        surrogate = linear_surrogate(shape)
        shared = make_batch(shape, torch.tensor(label), owner=owner)
        delta = self.make(budget).improve(shared, surrogate=surrogate)
        assert delta.shape == (max(owner) + 1, 1, 8, 8)
        assert bool((budget.norm(delta) <= budget.radius_levels * (1 + 1e-6)).all())
        protected = shared.apply(delta, budget)
        torch.testing.assert_close(protected, shared.image + delta[torch.tensor(owner)])
        in_order = owner == list(range(len(owner)))
        if self.differs_by_image:
            return
        if in_order or (sorted(owner) == list(range(len(owner))) and not self.draws_by_row):
            own = make_batch(shape, shared.label, owner=None)
            own = PerturbationBatch(shared.image, own.label, own.delta, None, own.sample_ids)
            torch.testing.assert_close(delta[owner], self.make(budget).improve(own, surrogate=surrogate))

    def test_shared_delta_is_not_bound_by_one_images_range(self) -> None:
        image = torch.full((2, 1, 8, 8), 255.0)
        image[1] = 100
        batch = PerturbationBatch(
            image, torch.tensor([0, 0]), torch.zeros(1, 1, 8, 8), torch.tensor([0, 0]), ("a", "b")
        )
        budget = LinfBudget(radius_levels=8)
        delta = self.make(budget).improve(batch, surrogate=linear_surrogate((2, 1, 8, 8)))
        assert float(delta.max()) > 0
        protected = batch.apply(delta, budget)
        assert float(protected.max()) == 255
        assert torch.equal(protected[1], 100 + delta[0])

    def test_description_is_json_without_the_seed(self) -> None:
        described = self.make(BUDGETS[0], seed=123457).describe()
        assert described["method"] == self.make(BUDGETS[0]).name
        assert described["budget"] == BUDGETS[0].describe()
        assert "123457" not in json.dumps(described)


class DescendingContract(PerturbationContract):
    """Subclass it for a perturbation that lowers a loss of a surrogate."""

    @abstractmethod
    def wanted(self, label: Tensor) -> Tensor:
        """Return the labels towards which the loss is lowered."""

    def loss(self, batch: PerturbationBatch, delta: Tensor) -> Tensor:
        logits = linear_surrogate(tuple(batch.image.shape))(batch.apply(delta, BUDGETS[0])).detach()
        return batch.sum_by_delta(torch.nn.functional.cross_entropy(logits, self.wanted(batch.label), reduction="none"))

    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    @pytest.mark.parametrize("budget", BUDGETS, ids=str)
    @pytest.mark.parametrize("owner", [None, [0, 1, 2, 1, 0]], ids=["own", "shared"])
    def test_lowers_its_own_objective(self, shape: tuple[int, ...], budget: Budget, owner: list[int] | None) -> None:
        batch = make_batch(shape, LABEL, owner=owner)
        delta = self.make(budget).improve(batch, surrogate=linear_surrogate(shape))
        assert bool((self.loss(batch, delta) < self.loss(batch, batch.delta)).all())

    def test_never_returns_worse_than_it_was_given(self) -> None:
        surrogate = linear_surrogate(SHAPES[0])
        batch = make_batch(SHAPES[0], LABEL)
        first = self.make(BUDGETS[0]).improve(batch, surrogate=surrogate)
        again = PerturbationBatch(batch.image, batch.label, first, None, batch.sample_ids)
        second = self.make(BUDGETS[0]).improve(again, surrogate=surrogate)
        assert bool((self.loss(batch, second) <= self.loss(batch, first)).all())

    @pytest.mark.parametrize("bad", [float("nan"), float("inf")])
    def test_surrogate_that_diverged_names_the_sample(self, bad: float) -> None:
        surrogate = linear_surrogate(SHAPES[0])

        def broken(image: Tensor) -> Tensor:
            logits: Tensor = surrogate(image)
            return logits + torch.tensor([0, 0, bad, 0, 0]).nan_to_num(bad, bad)[:, None]

        with pytest.raises(DivergedError, match=r"sample 'c': the surrogate's loss is nan"):
            self.make(BUDGETS[0]).improve(make_batch(SHAPES[0], LABEL), surrogate=broken)

    def test_gradient_that_is_not_a_number_never_becomes_a_delta(self) -> None:
        def broken(image: Tensor) -> Tensor:
            # The square root of 0 has an infinite slope, and 0 * inf is NaN: the loss itself stays finite.
            logits = image.flatten(1)[:, :CLASSES]
            third = torch.tensor([0.0, 0, 1, 0, 0])[:, None]
            return logits + (third * (0 * logits)).sqrt()

        for budget in BUDGETS:
            for owner in (None, [0, 1, 2, 1, 0]):
                batch = make_batch(SHAPES[0], LABEL, owner=owner)
                with pytest.raises(DivergedError, match="the surrogate's gradient is NaN or infinite"):
                    self.make(budget).improve(batch, surrogate=broken)

    def test_needs_a_surrogate(self) -> None:
        with pytest.raises(ValueError, match=r"computes deltas against a surrogate: give surrogate=Surrogate"):
            self.make(BUDGETS[0]).improve(make_batch(SHAPES[0], LABEL))


class TestRobustErrorMinimizing(DescendingContract):
    def make(self, budget: Budget, *, seed: int = 0) -> Perturbation:
        return RobustErrorMinimizing(budget=budget, steps=6)

    def wanted(self, label: Tensor) -> Tensor:
        return label


class TestErrorMinimizing(DescendingContract):
    def make(self, budget: Budget, *, seed: int = 0) -> Perturbation:
        return ErrorMinimizing(budget=budget, steps=6)

    def wanted(self, label: Tensor) -> Tensor:
        return label

    @pytest.mark.parametrize(
        ("settings", "text"),
        [
            ({"steps": 0}, "steps=0: a descent takes at least 1 step"),
            ({"step_share": 0.0}, r"step_share=0\.0: a step is a share"),
            ({"step_share": 1.5}, r"step_share=1\.5: a step is a share"),
        ],
    )
    def test_refuses_settings(self, settings: dict[str, float], text: str) -> None:
        with pytest.raises(BudgetError, match=text):
            ErrorMinimizing(budget=BUDGETS[0], **settings)  # type: ignore[arg-type]

    @pytest.mark.parametrize(("radius", "share", "moved"), [(8, 0.01, 1.0), (8, 0.5, 4.0), (0, 0.5, 0.0)])
    def test_a_step_is_a_share_of_the_radius_but_survives_rounding(
        self, radius: float, share: float, moved: float
    ) -> None:
        method = ErrorMinimizing(budget=LinfBudget(radius_levels=radius), steps=1, step_share=share)
        batch = make_batch(SHAPES[0], LABEL, owner=[0, 1, 2, 1, 0])
        assert float(method.improve(batch, surrogate=linear_surrogate(SHAPES[0])).abs().max()) == moved


class TestLinearErrorMinimizing(DescendingContract):
    def make(self, budget: Budget, *, seed: int = 0) -> Perturbation:
        return LinearErrorMinimizing(budget=budget, steps=6, shares=(1.0, 0.25, 0.5))

    def wanted(self, label: Tensor) -> Tensor:
        return label


class TestTargetedAdversarial(DescendingContract):
    draws_by_row = True

    def make(self, budget: Budget, *, seed: int = 0) -> Perturbation:
        return TargetedAdversarial(
            budget=budget,
            target=NextClassTarget(CLASSES),
            steps=5,
            restarts=2,
            seed=seed,
        )

    def wanted(self, label: Tensor) -> Tensor:
        return (label + 1) % CLASSES

    def test_more_restarts_are_never_worse(self) -> None:
        batch, surrogate = make_batch(SHAPES[0], LABEL), linear_surrogate(SHAPES[0])
        losses = []
        for restarts in (1, 2, 5):
            method = TargetedAdversarial(
                budget=BUDGETS[0], target=NextClassTarget(CLASSES), steps=1, restarts=restarts, seed=3
            )
            losses.append(self.loss(batch, method.improve(batch, surrogate=surrogate)))
        assert bool((losses[1] <= losses[0]).all())
        assert bool((losses[2] <= losses[1]).all())
        assert bool((losses[2] < losses[0]).any())

    def test_refuses_no_restart(self) -> None:
        with pytest.raises(BudgetError, match="restarts=0: at least 1 start"):
            TargetedAdversarial(budget=BUDGETS[0], target=NextClassTarget(2), restarts=0)


class TestSynthetic(PerturbationContract):
    def make(self, budget: Budget, *, seed: int = 0) -> Perturbation:
        return Synthetic(budget=budget, num_classes=CLASSES, seed=seed, patterns=Blocks(per_axis=4))

    def test_needs_no_surrogate_and_other_seeds_differ(self) -> None:
        batch = make_batch(SHAPES[0], LABEL)
        deltas = [self.make(BUDGETS[0], seed=seed).improve(batch) for seed in range(4)]
        assert len(Counter(delta.numpy().tobytes() for delta in deltas)) == 4


class TestSyntheticStripes(TestSynthetic):
    def make(self, budget: Budget, *, seed: int = 0) -> Perturbation:
        return Synthetic(budget=budget, num_classes=CLASSES, seed=seed)


class TestSyntheticAutoregressive(TestSynthetic):
    differs_by_image = True

    def make(self, budget: Budget, *, seed: int = 0) -> Perturbation:
        return Synthetic(budget=budget, num_classes=CLASSES, seed=seed, patterns=Autoregressive())


class TestSyntheticOfTwoPhases(TestSynthetic):
    differs_by_image = True

    def make(self, budget: Budget, *, seed: int = 0) -> Perturbation:
        return Synthetic(budget=budget, num_classes=CLASSES, seed=seed, patterns=Stripes(phases=2))


class TestGeneratedDeltas(PerturbationContract):
    def make(self, budget: Budget, *, seed: int = 0) -> Perturbation:
        return GeneratedDeltas(budget=budget, generator=one_layer_generator(CLASSES), num_classes=CLASSES)

    def test_needs_no_surrogate_and_ignores_one(self) -> None:
        batch = make_batch(SHAPES[0], LABEL)
        with_one = self.make(BUDGETS[0]).improve(batch, surrogate=linear_surrogate(SHAPES[0]))
        assert torch.equal(self.make(BUDGETS[0]).improve(batch), with_one)
