"""Whole runs of every method."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from ignite.engine import Events
from monai.data import DataLoader, Dataset
from monai.engines.utils import IterationEvents
from torch import Tensor

from monai_unlearnable.engines import StopWhenFitted
from monai_unlearnable.perturbations import Synthetic
from tests.engines.small_run import BUDGET, Run, images_and_labels, method, samples, small_surrogate

METHODS = ["synthetic", "targeted_adversarial", "error_minimizing"]


def record_metrics(run: Run) -> list[dict[str, float]]:
    history: list[dict[str, float]] = []
    run.engine.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: history.append(dict(engine.state.metrics)))
    return history


@pytest.mark.parametrize("name", METHODS)
def test_every_delta_is_whole_inside_and_there(name: str) -> None:
    run = Run(name, max_epochs=2)
    run.engine.run()
    deltas, (image, _) = run.deltas(), images_and_labels()
    assert run.store.read(run.store.keys).dtype == torch.int8
    assert int(deltas.abs().max()) == 8
    assert int((image + deltas).min()) == 0
    assert int((image + deltas).max()) == 255
    assert bool(deltas.flatten(1).abs().amax(1).gt(0).all())


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("class_wise", [False, True], ids=["sample-wise", "class-wise"])
def test_same_seed_same_deltas(name: str, class_wise: bool) -> None:
    runs = [Run(name, class_wise=class_wise, max_epochs=2) for _ in range(2)]
    for run in runs:
        run.engine.run()
    assert torch.equal(runs[0].deltas(), runs[1].deltas())


def test_error_minimizing_lowers_the_surrogates_loss() -> None:
    run = Run(max_epochs=4)
    history = record_metrics(run)
    run.engine.run()
    losses = [metrics["surrogate_loss"] for metrics in history]
    assert losses[-1] < 0.5 * losses[0]
    assert history[-1]["surrogate_error"] <= history[0]["surrogate_error"]
    image, label = images_and_labels()
    with run.surrogate.frozen(), torch.no_grad():
        loss = torch.nn.functional.cross_entropy(run.surrogate(image + run.deltas()), label)
        error = (run.surrogate(image + run.deltas()).argmax(1) != label).float().mean()
    torch.testing.assert_close(history[-1]["surrogate_loss"], float(loss), rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(history[-1]["surrogate_error"], float(error))


def test_error_minimizing_class_wise_has_one_delta_for_each_class() -> None:
    run = Run(class_wise=True, max_epochs=4)
    history = record_metrics(run)
    run.engine.run()
    assert run.store.keys == ("class/0", "class/1")
    assert int(run.deltas().abs().max()) == 8
    assert history[-1]["surrogate_loss"] < 0.5 * history[0]["surrogate_loss"]


def test_targeted_raises_agreement_with_the_target() -> None:
    run = Run("targeted_adversarial", perturbation=method("targeted_adversarial", steps=16), max_epochs=1)
    run.engine.run()
    image, label = images_and_labels()
    with run.surrogate.frozen(), torch.no_grad():
        clean, protected = (run.surrogate(shown).argmax(1) for shown in (image, image + run.deltas()))
    target = (label + 1) % 2
    assert float((clean == target).float().mean()) <= 0.1
    assert float((protected == target).float().mean()) >= 0.5


def test_synthetic_writes_the_pattern_of_each_label() -> None:
    run = Run("synthetic", max_epochs=1)
    run.engine.run()
    image, label = images_and_labels()
    pattern = method("synthetic")
    assert isinstance(pattern, Synthetic)
    assert torch.equal(run.deltas(), torch.clamp(pattern.pattern(label, (1, 12, 12)), -image, 255 - image))


def test_deltas_follow_the_sample_id_not_the_place() -> None:
    runs = [
        Run("synthetic", train_data_loader=DataLoader(Dataset(samples()), batch_size=8, shuffle=True)),
        Run("synthetic"),
    ]
    for run in runs:
        run.engine.run()
    assert torch.equal(runs[0].deltas(), runs[1].deltas())


def test_weights_do_not_change_while_deltas_do() -> None:
    run = Run(train_handlers=[], max_epochs=1)
    before = {name: value.clone() for name, value in run.surrogate.state_dict().items()}
    run.engine.run()
    assert int(run.deltas().abs().max()) > 0
    assert all(torch.equal(value, before[name]) for name, value in run.surrogate.state_dict().items())
    assert run.surrogate.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in run.surrogate.parameters())


def test_inner_events_fire_in_pairs_and_reach_handlers() -> None:
    run = Run(max_epochs=2)
    seen: list[str] = []
    for event in IterationEvents:
        run.engine.add_event_handler(event, lambda _, name: seen.append(name), event.name)
    run.engine.run()
    inner = ["INNER_ITERATION_STARTED", "INNER_ITERATION_COMPLETED"] * 5
    assert seen == [*inner, "MODEL_COMPLETED"] * 6  # two passes of three batches


def test_output_of_an_iteration() -> None:
    outputs: list[dict[str, Tensor]] = []
    run = Run(max_epochs=1)
    run.engine.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: outputs.append(engine.state.output))
    run.engine.run()
    assert [sorted(output) for output in outputs] == [["delta", "image", "label", "loss", "pred"]] * 3
    deltas = torch.cat([output["delta"] for output in outputs])
    assert torch.equal(deltas, run.deltas())
    image = torch.cat([output["image"] for output in outputs])
    assert torch.equal(image, images_and_labels()[0])
    with run.surrogate.frozen(), torch.no_grad():
        pred = run.surrogate(image + deltas)
    torch.testing.assert_close(torch.cat([output["pred"] for output in outputs]), pred)


def test_shared_delta_in_the_output_is_the_applied_one() -> None:
    outputs: list[dict[str, Tensor]] = []
    run = Run("synthetic", class_wise=True, max_epochs=1)
    run.engine.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: outputs.append(engine.state.output))
    run.engine.run()
    image, label = images_and_labels()
    applied = torch.clamp(image + run.deltas()[label], 0, 255) - image
    assert torch.equal(torch.cat([output["delta"] for output in outputs]), applied)
    assert not torch.equal(applied, run.deltas()[label])


def test_classes_come_one_by_one_or_all_at_once() -> None:
    stores = []
    for batch_size in (1, 2, 24):
        loader = DataLoader(Dataset(samples()), batch_size=batch_size)
        run = Run("synthetic", class_wise=True, max_epochs=1, train_data_loader=loader)
        run.engine.run()
        stores.append(run.deltas())
    assert torch.equal(stores[0], stores[1])
    assert torch.equal(stores[0], stores[2])


@pytest.mark.parametrize("min_epochs", [1, 5])
def test_stops_when_fitted_but_not_before_min_epochs(min_epochs: int) -> None:
    run = Run(max_epochs=30, learning_rate=0.1, handlers=lambda _: [StopWhenFitted(0.1, min_epochs=min_epochs)])
    history = record_metrics(run)
    run.engine.run()
    fitted = [metrics["surrogate_error"] <= 0.1 for metrics in history]
    assert run.engine.state.epoch == max(fitted.index(True) + 1, min_epochs) < 30


def test_run_again_continues_and_a_finished_run_stays() -> None:
    together, parts = Run(max_epochs=3), Run(max_epochs=1)
    together.engine.run()
    parts.engine.run()
    parts.engine.state.max_epochs = 3
    parts.engine.run()
    assert parts.engine.state.epoch == 3
    assert torch.equal(parts.deltas(), together.deltas())
    parts.engine.run()
    assert (parts.engine.state.epoch, parts.trainer.state.epoch) == (3, 3)
    assert torch.equal(parts.deltas(), together.deltas())


def test_surrogate_is_asked_for() -> None:
    with pytest.raises(ValueError, match=r"error_minimizing computes deltas against a surrogate; give surrogate"):
        Run(surrogate=None)


def test_synthetic_reports_the_surrogates_fit_only_with_an_objective() -> None:
    run = Run("synthetic", surrogate=small_surrogate(), max_epochs=1)
    history = record_metrics(run)
    run.engine.run()
    assert history == [{}]


def test_autocast_gives_deltas_inside_the_budget() -> None:
    run = Run(amp=True, max_epochs=3, amp_kwargs={"dtype": torch.bfloat16})
    history = record_metrics(run)
    run.engine.run()
    image, _ = images_and_labels()
    assert bool(BUDGET.contains(run.deltas(), image, tolerance_levels=0).all())
    assert history[-1]["surrogate_loss"] < history[0]["surrogate_loss"]


def test_options_are_not_changed() -> None:
    events: list[Any] = ["my_event"]
    run = Run(event_names=events, max_epochs=1)
    assert events == ["my_event"]
    run.engine.run()
