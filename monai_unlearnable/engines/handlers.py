"""Handlers of the engine: start from a pattern, train the surrogate, stop when it is fitted."""

from __future__ import annotations

import logging
from typing import Any

from ignite.engine import Engine, Events
from monai.engines.trainer import Trainer

from monai_unlearnable.engines.protection import ProtectionEngine
from monai_unlearnable.errors import BudgetError, DivergedError
from monai_unlearnable.perturbations import Perturbation

__all__ = ["StartFrom", "StopWhenFitted", "TrainSurrogate", "set_epoch"]

_LOGGER = logging.getLogger(__name__)


class StartFrom:
    """Writes the deltas of another perturbation before the first pass, for the engine's own to go on from.

    Attach it before :class:`TrainSurrogate`, so that the surrogate is trained on them. A run that is taken up after its
    first pass does not start again.

    Args:
        perturbation: needs no surrogate, such as :class:`~monai_unlearnable.perturbations.Synthetic`.

    Raises:
        ValueError: it needs one.
    """

    def __init__(self, perturbation: Perturbation) -> None:
        if perturbation.needs_surrogate:
            raise ValueError(f"{perturbation.name} needs a surrogate; deltas start from a perturbation without one.")
        self.perturbation = perturbation

    def attach(self, engine: Engine) -> None:
        """Start when the first pass starts."""
        engine.add_event_handler(Events.EPOCH_STARTED(once=1), self)

    def __call__(self, engine: Any) -> None:
        """Make one pass of the other perturbation over the engine's data, into its store."""
        ProtectionEngine(
            device=engine.state.device,
            max_epochs=1,
            train_data_loader=engine.data_loader,
            perturbation=self.perturbation,
            store=engine.store,
            key=engine.key,
            decollate=False,
        ).run()


class TrainSurrogate:
    """Runs the surrogate's own trainer: once before the first pass, or again before every ``every``-th.

    The trainer is a stock MONAI trainer (its ``epoch_length`` says how many batches one epoch has). With
    :class:`PrepareProtected` it sees the protected images of the moment, with :class:`PrepareClean` the clean ones.

    Args:
        trainer: trains the surrogate; its epochs go on counting from run to run.
        epochs: trainer epochs at each time.
        every: run before every ``every``-th pass; None to run only before the first.
    """

    def __init__(self, trainer: Trainer, *, epochs: int = 1, every: int | None = 1) -> None:
        if epochs < 1 or (every is not None and every < 1):
            raise ValueError(f"epochs={epochs}, every={every}: both count from 1 (every may be None).")
        self.trainer = trainer
        self.epochs = epochs
        self.every = every

    def attach(self, engine: Engine) -> None:
        """Train at the start of the passes."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)
        sampler = getattr(self.trainer.data_loader, "batch_sampler", None)
        if hasattr(sampler, "set_epoch") and not self.trainer.has_event_handler(set_epoch, Events.EPOCH_STARTED):
            self.trainer.add_event_handler(Events.EPOCH_STARTED, set_epoch, sampler)

    def __call__(self, engine: Any) -> None:
        """Train when this pass is one of ours."""
        number = engine.state.epoch - 1
        due = number == 0 if self.every is None else number % self.every == 0
        if not due:
            return
        self.trainer.state.max_epochs = self.trainer.state.epoch + self.epochs
        self.trainer.run()
        _require_finite(self.trainer)


def set_epoch(trainer: Any, sampler: Any) -> None:
    """Let a sampler follow the order of the trainer's epoch; a handler for ``EPOCH_STARTED``."""
    sampler.set_epoch(trainer.state.epoch)


def _require_finite(trainer: Trainer) -> None:
    for name, weight in trainer.network.state_dict().items():  # type: ignore[attr-defined]
        if weight.is_floating_point() and not bool(weight.isfinite().all()):
            raise DivergedError(
                f"the surrogate's weight {name!r} is NaN or infinite after epoch {trainer.state.epoch} of its "
                "training. Lower the learning rate or clip gradients. No delta was computed with it."
            )


class StopWhenFitted:
    """Ends the run once the surrogate's error on the protected images is small enough.

    Args:
        error: largest ``surrogate_error`` (0 to 1) that counts as fitted: 0.01 for deltas of their own, 0.1 for
            class-wise ones (Huang et al., ICLR 2021, section 4).
        min_epochs: passes that are made in any case.
    """

    def __init__(self, error: float = 0.01, *, min_epochs: int = 1) -> None:
        if not 0 <= error < 1:
            raise BudgetError(f"error={error}: an error rate is at least 0 and below 1.")
        self.error = error
        self.min_epochs = min_epochs

    def attach(self, engine: Engine) -> None:
        """Look at the end of every pass."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Any) -> None:
        """Terminate when fitted."""
        error = engine.state.metrics.get("surrogate_error")
        if error is not None and engine.state.epoch >= self.min_epochs and error <= self.error:
            _LOGGER.info("surrogate error %.4f <= %.4f after pass %d: stopping", error, self.error, engine.state.epoch)
            engine.terminate()
