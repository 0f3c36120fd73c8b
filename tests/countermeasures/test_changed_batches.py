"""The handler that changes batches of stock trainers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from ignite.engine import Events
from monai.data import CacheDataset, Dataset, MetaTensor
from monai.losses import DiceCELoss
from torch import Tensor, nn

from monai_unlearnable.countermeasures import (
    AffineMoved,
    BoxSwapped,
    ChangedBatches,
    GaussianAdded,
    ImagesMixed,
    WorstAugmentation,
)
from tests.countermeasures.test_adversarial_training import dense_network, items, label_network, seen_by, trainer_of

ADDED = GaussianAdded(sigma=0.5)


def test_batches_are_changed_and_cached_images_stay() -> None:
    data = CacheDataset(items(2, dense=False), transform=[], progress=False)
    clean = torch.stack([data[at]["image"] for at in range(6)])
    seen = seen_by(trainer_of(label_network(2), data, nn.CrossEntropyLoss(), ChangedBatches(ADDED, seed=3)))
    assert torch.equal(torch.stack([data[at]["image"] for at in range(6)]), clean)
    for step, batch in enumerate(seen):
        random = torch.Generator().manual_seed(3 * 1_000_003 + step + 1)
        expected = clean[2 * step % 6 :][:2] + 0.5 * torch.randn(batch.shape, generator=random)
        torch.testing.assert_close(batch, expected)


@pytest.mark.parametrize("change", [ImagesMixed(), BoxSwapped()], ids=lambda one: type(one).__name__)
def test_labels_are_mixed_for_the_loss(change: ImagesMixed | BoxSwapped) -> None:
    given: list[Tensor] = []

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        given.append(labels)
        return nn.functional.cross_entropy(logits, labels)

    handler = change.handler(class_count=3, seed=0)
    trainer_of(label_network(2), Dataset(items(2, dense=False)), loss, handler).run()
    assert all(one.shape == (2, 3) and torch.allclose(one.sum(1), torch.ones(2)) for one in given)
    assert any(0 < float(one.max()) < 1 for one in given)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_mixed_masks_train_with_monais_loss(dimensions: int) -> None:
    loss = DiceCELoss(softmax=True, include_background=False)
    handler = ChangedBatches(ImagesMixed(), class_count=2)
    trainer = trainer_of(dense_network(dimensions), Dataset(items(dimensions, dense=True)), loss, handler)
    trainer.run()
    assert torch.isfinite(torch.as_tensor(trainer.state.output["loss"]))


def test_a_training_that_is_taken_up_draws_what_it_would_have_drawn() -> None:
    def trained(epochs_at_a_time: list[int]) -> list[Tensor]:
        seen: list[Tensor] = []
        trainer = trainer_of(
            label_network(2), Dataset(items(2, dense=False)), nn.CrossEntropyLoss(), ChangedBatches(ADDED)
        )
        for epochs in epochs_at_a_time:
            trainer.state.max_epochs = epochs
            seen += seen_by(trainer)
        return seen

    whole = trained([2])
    assert torch.equal(whole[-1], trained([1, 2])[-1])


def test_meta_data_stay_for_those_who_decollate() -> None:
    data = items(2, dense=True)
    for number, one in enumerate(data):
        for key in ("image", "label"):
            one[key] = MetaTensor(one[key], meta={"filename_or_obj": f"{key}{number}"})
    names: list[str] = []

    def note(engine: Any) -> None:
        names.extend(one[key].meta["filename_or_obj"] for one in engine.state.batch for key in ("image", "label"))

    for handler in (ChangedBatches(AffineMoved()), WorstAugmentation(AffineMoved(), count=2)):
        loss = DiceCELoss(to_onehot_y=True, softmax=True)
        trainer = trainer_of(dense_network(2), Dataset(data), loss, handler, decollate=True)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, note)
        trainer.run()
    once = [f"{key}{number}" for number in range(6) for key in ("image", "label")]
    assert names == once * 4


def test_refuses_batches_of_other_keys() -> None:
    handler = ChangedBatches(ADDED, label_key="truth")
    with pytest.raises(
        ValueError, match=r"a batch holds no tensor 'truth': this handler needs dictionaries with labels"
    ):
        trainer_of(label_network(2), Dataset(items(2, dense=False)), nn.CrossEntropyLoss(), handler).run()


def test_settings_are_described() -> None:
    assert ADDED.describe() == {"countermeasure": "GaussianAdded", "sigma": 0.5}
    assert BoxSwapped().describe() == {"countermeasure": "BoxSwapped", "alpha": 1.0}
