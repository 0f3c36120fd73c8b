"""A run may start from another perturbation's deltas, once."""

from __future__ import annotations

import pytest
import torch
from ignite.engine import Events

from monai_unlearnable.engines import StartFrom
from tests.engines.small_run import Run, method


@pytest.mark.parametrize("class_wise", [False, True])
def test_the_surrogate_is_trained_on_the_start_and_the_pass_goes_on_from_it(class_wise: bool) -> None:
    expected = Run("synthetic", max_epochs=1, class_wise=class_wise)
    expected.engine.run()
    run = Run(max_epochs=1, class_wise=class_wise)
    StartFrom(method("synthetic")).attach(run.engine)
    # Run attaches the surrogate's training at construction; what is attached later comes later in Ignite.
    handlers = run.engine._event_handlers[Events.EPOCH_STARTED]
    handlers.insert(0, handlers.pop())
    seen: list[torch.Tensor] = []
    run.trainer.add_event_handler(Events.STARTED, lambda: seen.append(run.deltas()))
    run.engine.run()
    assert torch.equal(seen[0], expected.deltas())
    assert float(seen[0].abs().max()) == 8
    assert not torch.equal(run.deltas(), seen[0])
    if not class_wise:  # five steps of one level turn no sign of eight levels; three batches share a class-wise delta
        assert bool((run.deltas() * seen[0] >= 0).all())


def test_a_later_pass_does_not_start_again() -> None:
    starts: list[int] = []

    def count(start: StartFrom, engine: object) -> None:
        starts.append(1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StartFrom, "__call__", count)
        run = Run(max_epochs=3, handlers=lambda _: [StartFrom(method("synthetic"))])
        run.engine.run()
    assert starts == [1]


def test_refuses_a_start_that_needs_a_surrogate() -> None:
    with pytest.raises(ValueError, match="error_minimizing needs a surrogate; deltas start from"):
        StartFrom(method("error_minimizing"))
