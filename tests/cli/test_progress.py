"""Bars for a terminal, nothing for a log."""

from __future__ import annotations

import io
import sys

import pytest

from monai_unlearnable.verbs.progress import ProgressBars


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _use(bars: ProgressBars) -> int:
    show = bars.images("reading")
    for done in (1, 2):
        show(done, 2)
    with bars.epochs("auditing") as epoch:
        epoch("victim 1", 1, 4)
    return len(bars.engine_bars("deltas"))


def test_terminal_gets_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert _use(ProgressBars(quiet=False)) == 1
    assert "reading: 100%" in terminal.getvalue() and "1/4" in terminal.getvalue()


def test_quiet_terminal_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert _use(ProgressBars(quiet=True)) == 0
    assert terminal.getvalue() == ""


def test_log_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    assert _use(ProgressBars(quiet=False)) == 0
    assert log.getvalue() == ""
