from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.cli.running import Command, run_main, write_archive, write_pictures


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command line in a working folder of its own, which holds ``images/`` and ``set.npz``."""
    monkeypatch.chdir(tmp_path)
    write_pictures(tmp_path / "images")
    write_archive(tmp_path / "set.npz")
    return partial(run_main, capsys)


@pytest.fixture
def synthetic(command: Command) -> Command:
    """``command protect`` with the method that takes no time."""
    return partial(command, "protect", "--perturbation", "synthetic")


@pytest.fixture
def finished(synthetic: Command) -> Path:
    """A working folder with a finished release of ``images``: ``release`` and ``ledger``."""
    assert synthetic("images", "--output", "release", "--ledger", "ledger").code == 0
    return Path.cwd()
