"""The engine among MONAI's and Ignite's handlers, metrics and transforms."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ignite.contrib.handlers import ProgressBar
from ignite.engine import Events
from ignite.metrics import MeanAbsoluteError
from monai.data import DataLoader, Dataset, MetaTensor
from monai.handlers import CheckpointSaver, MeanSquaredError, StatsHandler, from_engine
from monai.transforms import AsDiscreted, Compose, Lambdad

from tests.engines.small_run import Run, samples, small_surrogate


@pytest.mark.parametrize("decollate", [False, True])
@pytest.mark.parametrize("name", ["error_minimizing", "synthetic"])
def test_decollates(name: str, decollate: bool) -> None:
    run, plain = Run(name, decollate=decollate, max_epochs=2), Run(name, max_epochs=2)
    run.engine.run()
    plain.engine.run()
    assert torch.equal(run.deltas(), plain.deltas())
    assert isinstance(run.engine.state.output, list) is decollate


def test_postprocessing_sees_decollated_output() -> None:
    shapes: set[tuple[int, ...]] = set()

    def look(delta: torch.Tensor) -> torch.Tensor:
        shapes.add(tuple(delta.shape))
        return delta

    steps = Compose([Lambdad("delta", look), AsDiscreted("pred", argmax=True)])
    run = Run(decollate=True, postprocessing=steps, max_epochs=1)
    run.engine.run()
    assert shapes == {(1, 12, 12)}
    assert {tuple(output["pred"].shape) for output in run.engine.state.output} == {(1,)}


def test_key_metric_is_kept_when_it_gets_lower() -> None:
    metric = MeanAbsoluteError(output_transform=lambda out: (out["delta"].flatten(), 0 * out["image"].flatten()))
    other = MeanSquaredError(output_transform=from_engine(["image", "image"]))
    run = Run(
        decollate=False, max_epochs=3, key_train_metric={"mean_levels": metric}, additional_metrics={"none": other}
    )
    values: list[float] = []
    run.engine.add_event_handler(Events.EPOCH_COMPLETED, lambda e: values.append(e.state.metrics["mean_levels"]))
    run.engine.run()
    torch.testing.assert_close(values[-1], float(run.deltas().abs().mean()))
    assert run.engine.state.best_metric == min(values)
    assert run.engine.state.best_metric_epoch == values.index(min(values)) + 1


def test_handlers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    surrogate = small_surrogate()
    stats = StatsHandler(name="protection", output_transform=from_engine("loss", first=True))
    run = Run(
        surrogate=surrogate,
        decollate=True,
        max_epochs=2,
        train_handlers=[
            stats,
            CheckpointSaver(save_dir=str(tmp_path), save_dict={"surrogate": surrogate}, save_final=True),
        ],
    )
    ProgressBar(persist=True).attach(run.engine, output_transform=lambda output: {"objective": output[0]["loss"]})
    run.engine.run()
    saved = [path for path in tmp_path.iterdir() if path.suffix == ".pt"]
    assert len(saved) == 1
    torch.load(saved[0], weights_only=True)
    assert "objective=" in capsys.readouterr().err
    assert run.engine.get_stats()["current_epoch"] == 2  # type: ignore[no-untyped-call]


def test_meta_tensors_are_stripped_at_the_door() -> None:
    data = samples()
    for one in data:
        one["image"] = MetaTensor(one["image"], meta={"filename_or_obj": one["sample_id"]})
        one["label"] = MetaTensor(one["label"])
    run, plain = Run(train_data_loader=DataLoader(Dataset(data), batch_size=8), max_epochs=2), Run(max_epochs=2)
    kinds: set[type] = set()
    run.engine.add_event_handler(
        Events.ITERATION_COMPLETED, lambda e: kinds.update(type(value) for value in e.state.output.values())
    )
    run.engine.run()
    plain.engine.run()
    assert kinds == {torch.Tensor}
    assert torch.equal(run.deltas(), plain.deltas())
