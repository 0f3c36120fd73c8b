"""What MONAI's trainers are given."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from monai.data import DataLoader, Dataset

from monai_unlearnable.engines import PrepareClean, PrepareProtected
from monai_unlearnable.perturbations import Perturbation, PerturbationBatch
from monai_unlearnable.stores import ClassKey, MemoryStore, SampleKey
from tests.engines.small_run import BUDGET, Run, header, images_and_labels, samples


def first_batch() -> Any:
    return next(iter(DataLoader(Dataset(samples()), batch_size=24)))


@pytest.mark.parametrize("class_wise", [False, True], ids=["sample-wise", "class-wise"])
def test_protected_images_are_image_and_delta_inside_the_range(class_wise: bool) -> None:
    store = MemoryStore(header(class_wise=class_wise))
    deltas = torch.randint(-8, 9, (len(store), 1, 12, 12))
    store.write(store.keys, deltas)
    image, label = images_and_labels()
    protected, found = PrepareProtected(store, ClassKey() if class_wise else SampleKey(), BUDGET)(first_batch())
    assert torch.equal(protected, torch.clamp(image + (deltas[label] if class_wise else deltas), 0, 255))
    assert torch.equal(found, label)
    assert (protected.dtype, found.dtype) == (torch.float32, torch.int64)


def test_clean_images_are_as_they_are() -> None:
    image, label = PrepareClean()(first_batch(), "cpu", True)
    expected = images_and_labels()
    assert torch.equal(image, expected[0])
    assert torch.equal(label, expected[1])


def test_labels_of_one_column_are_class_indices_and_of_several_are_floats() -> None:
    batch = first_batch()
    batch["label"] = batch["label"][:, None]
    _, label = PrepareClean()(batch)
    assert torch.equal(label, images_and_labels()[1])
    batch["label"] = torch.ones(24, 3, dtype=torch.int64)
    _, label = PrepareClean()(batch)
    assert (label.dtype, label.shape) == (torch.float32, (24, 3))


class Careless(Perturbation):
    """Leaves ball and range."""

    name = "careless"
    needs_surrogate = False
    budget = BUDGET

    def improve(self, batch: PerturbationBatch, **_: Any) -> torch.Tensor:
        return torch.full_like(batch.delta, 20.4)

    def describe(self) -> dict[str, Any]:
        return {"method": self.name}


def test_engine_keeps_the_budget_whatever_a_perturbation_returns() -> None:
    run = Run("synthetic", perturbation=Careless(), max_epochs=1)
    run.engine.run()
    image, _ = images_and_labels()
    assert torch.equal(run.deltas(), torch.clamp(255 - image, max=8))
