"""Progress on stderr: bars for people who watch, nothing for logs that nobody wants bars in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from ignite.handlers import ProgressBar
from tqdm import tqdm

from monai_unlearnable.sources import Progress

__all__ = ["ProgressBars"]


class ProgressBars:
    """Makes the progress bars of a verb; none where ``quiet`` is set or stderr is no terminal.

    Args:
        quiet: show nothing.
    """

    def __init__(self, *, quiet: bool) -> None:
        self.visible = not quiet and sys.stderr.isatty()

    def engine_bars(self, name: str) -> tuple[ProgressBar, ...]:
        """Return a handler that shows a bar for each epoch of an engine."""
        return (ProgressBar(desc=name, file=sys.stderr),) if self.visible else ()

    def images(self, name: str) -> Progress:
        """Return a callback that shows one bar for a part of the work."""
        if not self.visible:
            return lambda done, total: None
        bar: tqdm[NoReturn] = tqdm(desc=name, file=sys.stderr, unit="image")

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)
            if done >= total:
                bar.close()

        return show

    @contextmanager
    def epochs(self, name: str) -> Iterator[_EpochBar]:
        """Give a callback that shows one bar over all epochs, closed at the end."""
        bar: tqdm[NoReturn] = tqdm(desc=name, file=sys.stderr, unit="epoch", disable=not self.visible)
        try:
            yield _EpochBar(bar)
        finally:
            bar.close()


class _EpochBar:
    def __init__(self, bar: tqdm[NoReturn]) -> None:
        self._bar = bar

    def __call__(self, message: str, done: int, total: int) -> None:
        """Show how many epochs are done, and what is being done."""
        self._bar.total = total
        self._bar.set_postfix_str(message, refresh=False)
        self._bar.update(done - self._bar.n)
