"""What every objective and every target map keeps to, against NumPy."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from monai_unlearnable.errors import SourceError
from monai_unlearnable.perturbations import (
    ComplementTarget,
    MultiLabelObjective,
    NextClassTarget,
    Objective,
    SingleLabelObjective,
    TargetMap,
    UnsaturatedObjective,
)


class ObjectiveContract(ABC):
    """Subclass it for an objective, and say by NumPy alone what it computes."""

    @abstractmethod
    def make(self) -> Objective:
        """Return the objective."""

    @abstractmethod
    def labels(self) -> Tensor:
        """Return eight labels for four classes."""

    @abstractmethod
    def slow_loss(self, logits: NDArray[np.float64], label: NDArray[np.float64]) -> float:
        """Return the loss of one image."""

    @abstractmethod
    def slow_error(self, logits: NDArray[np.float64], label: NDArray[np.float64]) -> float:
        """Return the error of one image."""

    def test_loss_and_error_are_numpys(self) -> None:
        logits, label = 3 * torch.randn(8, 4), self.labels()
        rows = list(zip(logits.double().numpy(), label.double().numpy(), strict=True))
        loss, error = self.make().loss(logits, label), self.make().error(logits, label)
        np.testing.assert_allclose(loss.numpy(), [self.slow_loss(*row) for row in rows], rtol=1e-5)
        np.testing.assert_allclose(error.numpy(), [self.slow_error(*row) for row in rows], rtol=1e-6)
        assert loss.dtype == error.dtype == torch.float32

    def test_image_is_judged_alone(self) -> None:
        logits, label = torch.randn(8, 4), self.labels()
        together = self.make().loss(logits, label)
        alone = torch.cat([self.make().loss(logits[i : i + 1], label[i : i + 1]) for i in range(8)])
        torch.testing.assert_close(together, alone)


class TestSingleLabelObjective(ObjectiveContract):
    def make(self) -> Objective:
        return SingleLabelObjective()

    def labels(self) -> Tensor:
        return torch.tensor([0, 1, 2, 3, 3, 2, 1, 0])

    def slow_loss(self, logits: NDArray[np.float64], label: NDArray[np.float64]) -> float:
        return float(np.log(np.exp(logits).sum()) - logits[int(label)])

    def slow_error(self, logits: NDArray[np.float64], label: NDArray[np.float64]) -> float:
        return float(np.argmax(logits) != label)


class TestMultiLabelObjective(ObjectiveContract):
    def make(self) -> Objective:
        return MultiLabelObjective()

    def labels(self) -> Tensor:
        return torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4)[::2]

    def slow_loss(self, logits: NDArray[np.float64], label: NDArray[np.float64]) -> float:
        chance = 1 / (1 + np.exp(-logits))
        return float(-(label * np.log(chance) + (1 - label) * np.log(1 - chance)).mean())

    def slow_error(self, logits: NDArray[np.float64], label: NDArray[np.float64]) -> float:
        return float(np.mean([(logit > 0) != (one == 1) for logit, one in zip(logits, label, strict=True)]))


class TestUnsaturatedObjective(TestSingleLabelObjective):
    def make(self) -> Objective:
        return UnsaturatedObjective()

    def slow_loss(self, logits: NDArray[np.float64], label: NDArray[np.float64]) -> float:
        return float(np.log(super().slow_loss(logits, label)))

    @pytest.mark.parametrize("label", [torch.tensor([0, 2]), torch.tensor([[1.0, 0, 0], [0.0, 0, 1]])])
    def test_a_sure_image_has_a_slope_of_the_same_direction(self, label: Tensor) -> None:
        for scale, own in ((1.0, True), (300.0, False)):
            logits = (scale * torch.tensor([[2.0, -1.0, -3.0], [-1.0, -2.0, 3.0]])).requires_grad_()
            (slope,) = torch.autograd.grad(self.make().loss(logits, label).sum(), logits)
            plain = MultiLabelObjective() if label.ndim == 2 else SingleLabelObjective()
            (expected,) = torch.autograd.grad(plain.loss(logits, label).sum(), logits)
            assert bool(expected.any()) is own
            if own:
                torch.testing.assert_close(_directions(slope), _directions(expected))
            assert bool((slope.norm(dim=1) > 0.5).all())

    def test_a_single_class_stands_against_nothing(self) -> None:
        loss = self.make().loss(torch.tensor([[2.0], [-100.0], [100.0]]), torch.tensor([0, 0, 0]))
        np.testing.assert_allclose(loss.numpy(), [np.log(np.log1p(np.exp(-2.0))), np.log(100), -100], rtol=1e-5)


class TestUnsaturatedObjectiveOfSeveralLabels(TestMultiLabelObjective):
    def make(self) -> Objective:
        return UnsaturatedObjective()

    def slow_loss(self, logits: NDArray[np.float64], label: NDArray[np.float64]) -> float:
        return float(np.log(4 * super().slow_loss(logits, label)))


def _directions(slope: Tensor) -> Tensor:
    directions: Tensor = slope / slope.norm(dim=1, keepdim=True)
    return directions


class TargetMapContract(ABC):
    """Subclass it for a target map."""

    @abstractmethod
    def cases(self) -> list[tuple[TargetMap, Tensor]]:
        """Return maps, each with every label it can meet."""

    def test_target_never_is_the_label(self) -> None:
        for target, labels in self.cases():
            found = target(labels)
            assert found.shape == labels.shape
            assert found.dtype == labels.dtype
            assert bool((found != labels).reshape(len(labels), -1).any(1).all())
            assert set(map(str, found.tolist())) <= set(map(str, labels.tolist())), "a target is a label"


class TestNextClassTarget(TargetMapContract):
    def cases(self) -> list[tuple[TargetMap, Tensor]]:
        return [(NextClassTarget(classes), torch.arange(classes)) for classes in range(2, 12)]

    def test_is_the_next_class(self) -> None:
        assert NextClassTarget(4)(torch.tensor([3, 0, 2])).tolist() == [0, 1, 3]

    @pytest.mark.parametrize("classes", [1, 0, -1])
    def test_refuses_fewer_than_two_classes(self, classes: int) -> None:
        with pytest.raises(SourceError, match=f"num_classes={classes}: a target needs at least 2 classes"):
            NextClassTarget(classes)


class TestComplementTarget(TargetMapContract):
    def cases(self) -> list[tuple[TargetMap, Tensor]]:
        return [(ComplementTarget(), torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3))]
