"""The Makefile and the continuous-integration script."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.project.trees import REPOSITORY

TARGETS = ("setup", "test", "test-interop", "campaign", "counts", "lint", "demo", "bench", "reproduce", "clean")

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def _make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(["make", *arguments], cwd=folder, env=clean, capture_output=True, text=True, timeout=60)


def _bare_clone(folder: Path) -> Path:
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(REPOSITORY / name, folder)
    return folder


def test_help_is_the_default_and_lists_every_target() -> None:
    answer = _make(REPOSITORY)
    assert answer.returncode == 0, answer.stderr
    missing = [target for target in TARGETS if f"make {target} " not in answer.stdout]
    assert not missing


@pytest.mark.parametrize("target", ["test", "test-interop", "campaign", "counts", "demo", "bench", "reproduce"])
def test_target_sets_up_what_is_not_there(target: str, tmp_path: Path) -> None:
    planned = _make(_bare_clone(tmp_path / "a clone"), "--dry-run", target).stdout
    assert "-m venv .venv" in planned and planned.index("-m venv .venv") < planned.index("touch .venv/.set-up")


def test_second_run_does_not_set_up_again(tmp_path: Path) -> None:
    clone = _bare_clone(tmp_path / "clone")
    (clone / ".venv").mkdir()
    (clone / ".venv" / ".set-up").touch()
    assert "pip" not in _make(clone, "--dry-run", "demo").stdout
    os.utime(clone / "constraints.txt", (2**31, 2**31))
    assert "pip" in _make(clone, "--dry-run", "demo").stdout


def test_old_python_is_refused_by_name(tmp_path: Path) -> None:
    clone = _bare_clone(tmp_path / "clone")
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.1" && exit 0\nexit 1\n', encoding="utf-8")
    old.chmod(0o755)
    answer = _make(clone, "setup", f"PYTHON={old}")
    assert answer.returncode != 0
    assert "Python 3.11 or newer is needed" in answer.stderr and "Python 3.9.1" in answer.stderr
    assert not (clone / ".venv").exists()


def test_ci_script_runs_the_tests_from_anywhere() -> None:
    script = REPOSITORY / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text(encoding="utf-8")
    assert text.index("make test ") < text.index("exec make test-interop ")
    assert "export CI=true" in text and "set -euo pipefail" in text
