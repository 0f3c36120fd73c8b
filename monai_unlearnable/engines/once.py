"""Every sample id once in a pass: the second image of an id would overwrite the delta of the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ignite.engine import Engine, Events

from monai_unlearnable.errors import SourceError

__all__ = ["EachSampleOnce"]


class EachSampleOnce:
    """Remembers the samples of a pass, or their patches, and refuses the second one of a name."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, ...]] = set()

    def attach(self, engine: Engine) -> None:
        """Forget at the start of every pass."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._forget)

    def check(self, names: Sequence[tuple[str, ...]]) -> None:
        """Count one batch.

        Args:
            names: sample id of each image; of a patch also where it lies.

        Raises:
            SourceError: one has been seen in this pass already; the message names it.
        """
        for name in names:
            if name in self._seen:
                patch = f" with the patch {name[1]}" if len(name) > 1 else ""
                raise SourceError(
                    f"sample id {name[0]!r}{patch} occurs twice in one pass: ids must be unique in a data set, and a "
                    "sampler must not draw an image twice. Its first delta would be overwritten."
                )
            self._seen.add(name)

    def _forget(self, *_: Any) -> None:
        self._seen.clear()
