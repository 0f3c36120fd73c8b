"""What bad batches, stores and surrogates get."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from ignite.engine import Events
from monai.data import DataLoader, Dataset

from monai_unlearnable.engines import PrepareProtected, StopWhenFitted, TrainSurrogate
from monai_unlearnable.errors import BudgetError, DivergedError, SourceError, StoreError
from monai_unlearnable.stores import MemoryStore, SampleKey, StoreHeader
from tests.engines.small_run import BUDGET, Run, header, samples


def loader_of(change: Callable[[list[dict[str, Any]]], None]) -> DataLoader:
    data = samples()
    change(data)
    return DataLoader(Dataset(data), batch_size=8)


def without(key: str) -> Callable[[list[dict[str, Any]]], None]:
    def change(data: list[dict[str, Any]]) -> None:
        for one in data:
            del one[key]

    return change


def with_value(key: str, index: int, value: Any) -> Callable[[list[dict[str, Any]]], None]:
    return lambda data: data[index].update({key: value})


def with_pixel(index: int, value: float) -> Callable[[list[dict[str, Any]]], None]:
    def change(data: list[dict[str, Any]]) -> None:
        data[index]["image"] = data[index]["image"].clone()
        data[index]["image"][0, 5, 5] = value

    return change


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (without("sample_id"), SourceError, r"no 'sample_id' \(it has \['image', 'label'\]\).*add it to every"),
        (without("label"), SourceError, "no 'label'"),
        (without("image"), SourceError, "no 'image'"),
        (with_value("sample_id", 1, "train/000000"), SourceError, "'train/000000' occurs twice in a batch"),
        (with_value("sample_id", 1, "lost"), KeyError, "no delta for 'lost'; it holds 24 keys"),
        (with_pixel(1, math.nan), BudgetError, "sample 'train/000001': holds NaN"),
        (with_pixel(1, 256.0), BudgetError, "sample 'train/000001': values .* to 256 leave the range 0 to 255"),
        (with_pixel(1, 0.5), BudgetError, "sample 'train/000001': values .* are not all whole levels"),
    ],
)
@pytest.mark.parametrize("name", ["synthetic", "error_minimizing"])
def test_batches(name: str, change: Any, error: type[Exception], text: str) -> None:
    run = Run(name, train_data_loader=loader_of(change), train_handlers=[])
    before = run.store.content_sha256()
    with pytest.raises(error, match=text):
        run.engine.run()
    assert run.store.content_sha256() == before


def test_an_id_that_comes_again_in_a_later_batch() -> None:
    run = Run("synthetic", train_data_loader=loader_of(with_value("sample_id", 20, "train/000000")), train_handlers=[])
    with pytest.raises(SourceError, match="'train/000000' occurs twice in one pass"):
        run.engine.run()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda batch: batch.update(label=batch["label"][:-1]), "8 images, 7 labels and 8 sample ids"),
        (lambda batch: batch.update(sample_id=batch["sample_id"][:-1]), "8 images, 8 labels and 7 sample ids"),
    ],
)
def test_lengths_that_differ(change: Any, text: str) -> None:
    batches = list(DataLoader(Dataset(samples()), batch_size=8))
    change(batches[0])
    with pytest.raises(SourceError, match=text):
        Run("synthetic", train_data_loader=batches).engine.run()


@pytest.mark.parametrize("shape", [(1, 12, 1), (1, 1, 1), (1, 12, 13), (3, 12, 12)], ids=str)
@pytest.mark.parametrize("part", ["engine", "trainer"])
def test_store_of_another_shape_is_not_broadcast(shape: tuple[int, ...], part: str) -> None:
    run = Run(train_handlers=[] if part == "engine" else None)
    store = MemoryStore(StoreHeader(dict.fromkeys(run.store.keys, shape), 8.0, {}, "error_minimizing", 0))
    run.engine.store = store
    run.trainer.prepare_batch = PrepareProtected(store, SampleKey(), BUDGET)
    with pytest.raises(
        StoreError, match=r"sample 'train/000000': its batch has images of shape \(1, 12, 12\), the store"
    ):
        run.engine.run() if part == "engine" else run.trainer.run()
    assert not bool(store.read(store.keys).any())


def test_store_of_a_smaller_radius_is_not_written_beyond_it() -> None:
    run = Run("synthetic")
    run.engine.store = MemoryStore(StoreHeader(header().shapes, 4.0, {}, "synthetic", 0))
    with pytest.raises(StoreError, match=r"key 'train/000000': \|delta\| reaches 8 levels, the store's radius is 4"):
        run.engine.run()


def test_surrogate_that_diverges_leaves_the_store_alone() -> None:
    run = Run(learning_rate=1e12, weight_decay=1.0, max_epochs=2)
    before = run.store.content_sha256()
    with pytest.raises(DivergedError, match=r"NaN or infinite|surrogate's loss is"):
        run.engine.run()
    assert run.store.content_sha256() == before


def test_diverged_weights_are_named() -> None:
    run = Run()
    with torch.no_grad():
        next(run.surrogate.parameters()).fill_(math.nan)
    with pytest.raises(
        DivergedError, match=r"the surrogate's weight 'network\.0\.weight' is NaN .* Lower the learning rate"
    ):
        run.engine.run()
    run = Run(train_handlers=[])
    with torch.no_grad():
        next(run.surrogate.parameters()).fill_(math.nan)
    with pytest.raises(DivergedError, match=r"sample 'train/000000': the surrogate's loss is nan.*Nothing was stored"):
        run.engine.run()
    assert not bool(run.deltas().any())
    assert all(parameter.requires_grad for parameter in run.surrogate.parameters())


def _record_epoch(_: Any, run: Run, done: list[int]) -> None:
    done.append(run.trainer.state.epoch)


def test_trains_when_and_as_long_as_said() -> None:
    for every, epochs, expected in [(1, 1, [1, 2, 3, 4, 5]), (2, 3, [3, 3, 6, 6, 9]), (None, 2, [2, 2, 2, 2, 2])]:
        done: list[int] = []
        run = Run(max_epochs=5, train_handlers=[])
        TrainSurrogate(run.trainer, epochs=epochs, every=every).attach(run.engine)
        run.engine.add_event_handler(
            Events.EPOCH_COMPLETED, lambda _, to, of: to.append(of.trainer.state.epoch), done, run
        )
        run.engine.run()
        assert done == expected


@pytest.mark.parametrize(("epochs", "every"), [(0, 1), (1, 0), (-1, None)])
def test_refuses_counts(epochs: int, every: int | None) -> None:
    with pytest.raises(ValueError, match=f"epochs={epochs}, every={every}: both count from 1"):
        TrainSurrogate(Run().trainer, epochs=epochs, every=every)


@pytest.mark.parametrize("error", [-0.1, 1.0, 2.0])
def test_refuses_error_rates(error: float) -> None:
    with pytest.raises(BudgetError, match=f"error={error}: an error rate is at least 0 and below 1"):
        StopWhenFitted(error)


def test_frozen_surrogate_comes_back_after_an_error() -> None:
    run = Run(train_handlers=[])
    run.engine.add_event_handler(Events.ITERATION_STARTED(once=2), lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run.engine.run()
    assert all(parameter.requires_grad for parameter in run.surrogate.parameters())
    assert BUDGET.contains(run.deltas(), torch.stack([one["image"] for one in samples()])).all()
