"""The package as it is installed: cheap to import, complete, one version."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

import monai_unlearnable
from tests.project.trees import PACKAGE, REPOSITORY


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


def _pins() -> dict[str, str]:
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    assert all(len(pair) == 2 for pair in pairs), "constraints.txt holds `name==version` lines only"
    return {name.lower().replace("_", "-"): version for name, version in pairs}


def test_import_is_cheap() -> None:
    program = "import sys, json, monai_unlearnable; print(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    loaded = set(json.loads(answer.stdout))
    assert "monai_unlearnable" in loaded
    assert not loaded & {"torch", "monai", "ignite", "numpy", "matplotlib"}


def test_public_names_load_and_are_listed_once() -> None:
    listed = monai_unlearnable.__all__
    assert len(set(listed)) == len(listed)
    assert set(listed) == {"__version__", *monai_unlearnable._PUBLIC}
    for name, module in monai_unlearnable._PUBLIC.items():
        value = getattr(monai_unlearnable, name)
        assert value is getattr(sys.modules[module], name)
        assert name in dir(monai_unlearnable)


def test_unknown_name_is_named() -> None:
    with pytest.raises(AttributeError, match="no attribute 'AddNothing'"):
        _ = monai_unlearnable.AddNothing


def test_version_is_the_changelogs_newest() -> None:
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(\d[^\]]*)\]", changelog, flags=re.MULTILINE)
    assert versions and versions[0] == monai_unlearnable.__version__


def test_every_dependency_is_pinned(pyproject: dict[str, Any]) -> None:
    project = pyproject["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    names = {re.split(r"[<>=!~;\[ ]", one)[0].lower().replace("_", "-") for one in wanted}
    assert not names - _pins().keys()


def test_contracts_name_only_known_rooms(pyproject: dict[str, Any]) -> None:
    """A room in parentheses may be absent, so a misspelt one would be ignored."""
    layers = [
        set(re.findall(r"\w+", " ".join(one["layers"]))) for one in pyproject["tool"]["importlinter"]["contracts"]
    ]
    assert len(layers) >= 4
    assert all(rooms <= layers[0] for rooms in layers[1:])


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(PACKAGE, source / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (REPOSITORY / name for name in ("pyproject.toml", "LICENSE", "README.md")):
        if path.exists():
            shutil.copy(path, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    built = subprocess.run([*command, "--wheel-dir", str(folder), str(source)], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_wheel_holds_the_whole_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    kinds = {".py", ".json", ".html", ".css", ".typed"}
    wanted = {path.relative_to(REPOSITORY).as_posix() for path in PACKAGE.rglob("*") if path.suffix in kinds}
    wanted.add("monai_unlearnable/py.typed")
    assert names == wanted


def test_wheel_carries_licence_and_command(wheel: zipfile.ZipFile) -> None:
    information = {Path(name).name: name for name in wheel.namelist() if ".dist-info/" in name}
    assert "LICENSE" in information
    assert "monai-unlearnable = monai_unlearnable.cli:main" in wheel.read(information["entry_points.txt"]).decode()
    assert f"Version: {monai_unlearnable.__version__}\n" in wheel.read(information["METADATA"]).decode()
