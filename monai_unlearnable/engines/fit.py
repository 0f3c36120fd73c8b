"""How well the surrogate fits the protected images, over an epoch."""

from __future__ import annotations

from typing import Any

from ignite.engine import Engine, Events

from monai_unlearnable.types import PerSample

__all__ = ["SurrogateFit"]


class SurrogateFit:
    """Averages the surrogate's error and loss over an epoch into ``engine.state.metrics``."""

    def __init__(self) -> None:
        self._reset()

    def attach(self, engine: Engine) -> None:
        """Reset at the start of an epoch, publish at its end."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._reset)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._publish)

    def add(self, error: PerSample, loss: PerSample) -> None:
        """Count one batch: error 0 to 1 and loss in nats of each image."""
        self._count += len(error)
        self._error += float(error.sum())
        self._loss += float(loss.sum())

    def _reset(self, *_: Any) -> None:
        self._count, self._error, self._loss = 0, 0.0, 0.0

    def _publish(self, engine: Any) -> None:
        if self._count:
            engine.state.metrics["surrogate_error"] = self._error / self._count
            engine.state.metrics["surrogate_loss"] = self._loss / self._count
