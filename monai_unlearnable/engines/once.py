"""Every sample id once in a pass: the second image of an id would overwrite the delta of the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ignite.engine import Engine, Events

from monai_unlearnable.errors import SourceError

__all__ = ["EachSampleOnce"]


class EachSampleOnce:
    """Remembers the sample ids of a pass and refuses the second image of one."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def attach(self, engine: Engine) -> None:
        """Forget at the start of every pass."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._forget)

    def check(self, sample_ids: Sequence[str]) -> None:
        """Count one batch.

        Raises:
            SourceError: an id has been seen in this pass already; the message names it.
        """
        for sample_id in sample_ids:
            if sample_id in self._seen:
                raise SourceError(
                    f"sample id {sample_id!r} occurs twice in one pass: ids must be unique in a data set, and a "
                    "sampler must not draw an image twice. Its first delta would be overwritten."
                )
            self._seen.add(sample_id)

    def _forget(self, *_: Any) -> None:
        self._seen.clear()
