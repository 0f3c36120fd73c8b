"""Handlers of generators: train one before the first pass, and start its surrogates anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.engines.trainer import Trainer
from torch import Tensor

from monai_unlearnable.engines.checkpoint import SaveProtection
from monai_unlearnable.engines.handlers import set_epoch
from monai_unlearnable.engines.min_min import GeneratorWithSurrogates
from monai_unlearnable.errors import DivergedError

__all__ = ["RenewSurrogates", "TrainGenerator"]


class RenewSurrogates:
    """Gives each surrogate new weights after so many of its own steps, one surrogate after the other.

    Attach it to the trainer of a :class:`~monai_unlearnable.engines.GeneratorWithSurrogates`. It counts steps and not
    epochs, because what a network learns in an epoch depends on how many images there are.

    Args:
        weights: returns new weights of a surrogate, given its number and how often it was renewed, this time included.
    """

    def __init__(self, weights: Callable[[int, int], dict[str, Tensor]]) -> None:
        self.weights = weights

    def attach(self, engine: Engine) -> None:
        """Look before every step."""
        engine.add_event_handler(Events.ITERATION_STARTED, self)

    def __call__(self, engine: Any) -> None:
        """Renew the surrogate whose turn it is, if it is old enough."""
        network: GeneratorWithSurrogates = engine.network
        number, age, life = network.turn, network.age, network.life_steps
        if int(network.steps) < len(network.surrogates) or age % life:
            return
        surrogate = network.surrogates[number]
        surrogate.load_state_dict(self.weights(number, age // life))
        for parameter in surrogate.parameters():
            engine.optimizer.state.pop(parameter, None)


class TrainGenerator:
    """Runs the trainer of a generator before the first pass of an engine.

    Every few epochs, and when it is done, it is saved: a run that was killed goes on from there, and ends with the same
    weights.

    Args:
        trainer: a stock trainer of a :class:`~monai_unlearnable.engines.GeneratorWithSurrogates`.
        epochs: epochs of the training.
        save: the engine's own saving handler; its ``save_dict`` holds network, optimizer and trainer.
        save_every: epochs between two checkpoints.
    """

    def __init__(self, trainer: Trainer, *, epochs: int, save: SaveProtection, save_every: int = 5) -> None:
        if epochs < 1 or save_every < 1:
            raise ValueError(f"epochs={epochs}, save_every={save_every}: both count from 1.")
        self.trainer, self.epochs, self.save, self.save_every = trainer, epochs, save, save_every

    def attach(self, engine: Engine) -> None:
        """Train at the start of the first pass."""
        engine.add_event_handler(Events.EPOCH_STARTED(once=1), self)
        self.trainer.add_event_handler(Events.EPOCH_COMPLETED, self._complete_epoch, engine)
        sampler = getattr(self.trainer.data_loader, "batch_sampler", None)
        if hasattr(sampler, "set_epoch"):
            self.trainer.add_event_handler(Events.EPOCH_STARTED, set_epoch, sampler)

    def __call__(self, engine: Any) -> None:
        """Train what is left of the epochs."""
        self.trainer.state.max_epochs = self.epochs
        if self.trainer.state.epoch < self.epochs:
            self.trainer.run()
        self.trainer.network.eval()  # type: ignore[attr-defined]

    def _complete_epoch(self, trainer: Any, engine: Any) -> None:
        _require_finite(trainer)
        if trainer.state.epoch % self.save_every == 0 or trainer.state.epoch == self.epochs:
            self.save.save_before_pass(engine, step=trainer.state.epoch)


def _require_finite(trainer: Any) -> None:
    for name, weight in trainer.network.state_dict().items():
        if weight.is_floating_point() and not bool(torch.isfinite(weight).all()):
            raise DivergedError(
                f"the weight {name!r} of the generator or its surrogates is NaN or infinite after epoch "
                f"{trainer.state.epoch} of their training. Lower the learning rates. No delta was computed with it."
            )
