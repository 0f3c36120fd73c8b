"""Engine time of an error-minimizing run against the bare loop that does the same mathematics."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedTrainer
from torch import Tensor, nn

from monai_unlearnable.engines import PrepareProtected, ProtectionEngine, TrainSurrogate
from monai_unlearnable.perturbations import ErrorMinimizing
from monai_unlearnable.stores import MappedStore, SampleKey, StoreHeader
from tests.benchmarks import bare_loop
from tests.benchmarks.measure import Outcome, Ratio, Row, Size, interleaved_seconds, quotients
from tests.benchmarks.setting import BATCH_SIZE, BUDGET, STEP_LEVELS, STEP_SHARE, Images, images, surrogate

GOAL = 1.10
_ROUNDS = 2
_LEARNING_RATE = 0.05


def run(size: Size) -> Outcome:
    """Time both, and check that they give the same deltas.

    Raises:
        AssertionError: their deltas differ.
    """
    # Many short repeats: the spread of one is larger than the difference that the goal asks about.
    size = replace(size, repeats=3 * size.repeats, images=max(1, size.images // 2))
    data = images(size.images)
    results: dict[str, Tensor] = {}

    def engine() -> None:
        results["engine"] = _engine(data, size)

    def bare() -> None:
        results["bare"] = _bare(data, size)

    seconds = interleaved_seconds({"engine": engine, "bare": bare}, size)
    if not torch.equal(results["engine"], results["bare"]):
        changed = int((results["engine"] != results["bare"]).sum())
        raise AssertionError(f"engine and bare loop differ in {changed} of {results['bare'].numel()} levels.")
    return Outcome(
        (
            Row(name="error-minimizing run, engine", unit="s", values=seconds["engine"]),
            Row(name="error-minimizing run, bare loop", unit="s", values=seconds["bare"]),
        ),
        (Ratio(name="engine / bare loop", values=quotients(seconds["engine"], seconds["bare"]), goal=GOAL),),
    )


def _bare(data: Images, size: Size) -> Tensor:
    return bare_loop.protect(
        data.image,
        data.label,
        surrogate(),
        rounds=_ROUNDS,
        delta_steps=size.delta_steps,
        batch_size=BATCH_SIZE,
        radius_levels=float(BUDGET.radius_levels),
        step_levels=STEP_LEVELS,
        learning_rate=_LEARNING_RATE,
    )


def _engine(data: Images, size: Size) -> Tensor:
    items = [
        {"image": image, "label": label, "sample_id": sample_id}
        for image, label, sample_id in zip(data.image, data.label, data.sample_ids, strict=True)
    ]
    model = surrogate()
    method = ErrorMinimizing(budget=BUDGET, steps=size.delta_steps, step_share=STEP_SHARE)
    shapes = dict.fromkeys(data.sample_ids, tuple(data.image.shape[1:]))
    header = StoreHeader(shapes, float(BUDGET.radius_levels), BUDGET.describe(), method.name, 0)
    with tempfile.TemporaryDirectory() as folder:
        store = MappedStore.create(Path(folder) / "store", header)
        trainer = SupervisedTrainer(
            device=torch.device("cpu"),
            max_epochs=1,
            train_data_loader=DataLoader(Dataset(items), batch_size=BATCH_SIZE),
            network=model,
            optimizer=torch.optim.SGD(model.parameters(), lr=_LEARNING_RATE, momentum=0.9),
            loss_function=nn.CrossEntropyLoss(),
            prepare_batch=PrepareProtected(store, SampleKey(), BUDGET),
            decollate=False,
        )
        ProtectionEngine(
            device="cpu",
            max_epochs=_ROUNDS,
            train_data_loader=DataLoader(Dataset(items), batch_size=BATCH_SIZE),
            perturbation=method,
            store=store,
            surrogate=model,
            train_handlers=[TrainSurrogate(trainer)],
            decollate=False,
        ).run()
        return store.read(data.sample_ids).float()
