"""What happens where a program is missing: never silence."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.interop import install
from tests.interop.programs import Program, path_of

ABSENT = Program("a-program-that-nobody-has", "its-package")
PLUGIN = Program("a plugin", "its-plugin", place="nowhere/at/all.so", optional=True)


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Two programs are missing, and what would be run is only noted."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0 if "update" in command else 100)

    monkeypatch.setattr(install, "missing_programs", lambda: [ABSENT, PLUGIN])
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(shutil, "which", lambda name, **_: f"/bin/{name}")
    return commands


def test_what_is_there_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ABSENT.name).write_text("#!/bin/sh\n")
    (tmp_path / ABSENT.name).chmod(0o755)
    assert install.missing_programs([ABSENT, PLUGIN]) == [ABSENT, PLUGIN]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert install.missing_programs([ABSENT]) == []
    assert path_of(ABSENT) == str(tmp_path / ABSENT.name)


def test_a_missing_program_fails_the_test_and_a_missing_plugin_is_a_reason() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"is not installed \(Debian package its-package\)"):
        path_of(ABSENT)
    with pytest.raises(pytest.skip.Exception, match=r"a plugin is not installed \(Debian package its-plugin\)"):
        path_of(PLUGIN)


def test_without_apt_the_packages_are_named(
    absent: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, **_: None)
    assert install.main() == 1 and absent == []
    told = capsys.readouterr().err
    assert "need a-program-that-nobody-has" in told and "this system has no apt-get" in told
    assert "apt-get install --no-install-recommends its-package\n" in told


def test_without_root_the_packages_are_named(
    absent: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert install.main() == 1
    assert absent == [["/bin/sudo", "-n", "true"]]
    assert "apt-get needs root, and sudo without a password is not to be had" in capsys.readouterr().err


def test_a_package_that_apt_does_not_know_is_named(
    absent: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert install.main() == 1
    assert [one[one.index("apt-get") + 3 :] for one in absent] == [
        ["update"],
        ["install", "--no-install-recommends", "its-package", "its-plugin"],
        ["install", "--no-install-recommends", "its-package"],
    ]
    assert all("DEBIAN_FRONTEND=noninteractive" in one and "--yes" in one for one in absent)
    assert "cannot be installed here: apt-get failed" in capsys.readouterr().err
