"""What every key function keeps to: one stable string for each image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from monai_unlearnable.stores import ClassKey, SampleKey


class KeyFunctionContract(ABC):
    """Subclass it for a key function."""

    @abstractmethod
    def make(self) -> Callable[[Sequence[str], Tensor], list[str]]:
        """Return a key function."""

    def test_one_string_for_each_image_whatever_its_batch(self) -> None:
        key = self.make()
        ids, label = ["a", "b", "c", "d"], torch.tensor([1, 0, 1, 12])
        keys = key(ids, label)
        assert all(type(one) is str for one in keys)
        order = [2, 3, 0]
        assert key([ids[i] for i in order], label[order]) == [keys[i] for i in order]
        assert [key([ids[i]], label[i : i + 1])[0] for i in range(4)] == keys

    def test_multi_label(self) -> None:
        label = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
        keys = self.make()(["a", "b", "c"], label)
        assert len(keys) == 3
        assert self.make()(["a", "b", "c"], label.long()) == keys


class TestSampleKey(KeyFunctionContract):
    def make(self) -> Callable[[Sequence[str], Tensor], list[str]]:
        return SampleKey()

    def test_is_the_sample_id(self) -> None:
        assert SampleKey()(["x/1.png", "x/2.png"], torch.tensor([0, 0])) == ["x/1.png", "x/2.png"]


class TestClassKey(KeyFunctionContract):
    def make(self) -> Callable[[Sequence[str], Tensor], list[str]]:
        return ClassKey()

    def test_is_the_same_exactly_for_the_same_label(self) -> None:
        labels = torch.tensor([0, 1, 10, 1, 11, 0])
        keys = ClassKey()(list("abcdef"), labels)
        same = [[first == second for second in keys] for first in keys]
        assert same == (labels[:, None] == labels[None]).tolist()

    def test_every_label_vector_has_a_key_of_its_own(self) -> None:
        vectors = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4)
        assert len(set(ClassKey()([str(i) for i in range(16)], vectors))) == 16
