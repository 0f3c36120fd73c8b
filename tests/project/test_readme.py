"""README.md: its code runs, its commands parse, what it points at exists."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.project.markdown import Block, blocks, commands
from tests.project.trees import PACKAGE, REPOSITORY
from tests.small_data import write_class_folders, write_npz

README = REPOSITORY / "README.md"


@pytest.fixture(scope="module")
def text() -> str:
    if not README.exists():
        pytest.skip("README.md is not written yet")
    return README.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def found(text: str) -> list[Block]:
    return list(blocks(text))


@pytest.fixture
def small_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with ``breastmnist.npz`` and ``images/<class>/``, both tiny."""
    monkeypatch.chdir(tmp_path)
    write_npz(tmp_path / "breastmnist.npz")
    write_class_folders(tmp_path / "images")
    return tmp_path


def test_python_blocks_run_in_order(found: list[Block], small_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = [block for block in found if block.language in {"python", "py", "python3"}]
    assert python, "README.md shows no ```python block: readers look for one, and this test runs it"
    module = ModuleType("readme")
    monkeypatch.setitem(sys.modules, "readme", module)
    for block in python:
        # Blank lines in front make a traceback name README.md's own line.
        code = compile("\n" * (block.line - 1) + block.text, str(README), "exec")
        exec(code, module.__dict__)


def test_commands_parse(found: list[Block]) -> None:
    ours = [command[1:] for command in commands(found) if command[0] == "monai-unlearnable"]
    assert ours, "README.md shows no monai-unlearnable command in a ```bash or ```console block"
    parser = importlib.import_module("monai_unlearnable.cli").build_parser()
    for arguments in ours:
        try:
            parser.parse_args(arguments)
        except SystemExit as stop:
            asks_for_help = {"-h", "--help", "--version"} & set(arguments)
            assert asks_for_help and stop.code == 0, f"README.md shows a command that is refused: {arguments}"


def test_make_targets_exist(text: str, found: list[Block]) -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    shown = {word for command in commands(found) if command[0] == "make" for word in command[1:] if "=" not in word}
    shown |= set(re.findall(r"`make ([a-z]+)`", text))
    absent = [target for target in sorted(shown) if not re.search(rf"^{target}:", makefile, flags=re.MULTILINE)]
    assert not absent


def test_links_to_files_exist(text: str) -> None:
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", text)
    absent = [target for target in targets if not (REPOSITORY / target).exists()]
    assert not absent


def test_dotted_names_exist(text: str) -> None:
    for dotted in sorted(set(re.findall(r"`(monai_unlearnable(?:\.[A-Za-z_]+)+)`", text))):
        _, *parts = dotted.split(".")
        folder, value = PACKAGE, importlib.import_module("monai_unlearnable")
        while parts and ((folder / parts[0]).is_dir() or (folder / f"{parts[0]}.py").is_file()):
            folder = folder / parts[0]
            value = importlib.import_module(f"{value.__name__}.{parts.pop(0)}")
        for part in parts:
            assert hasattr(value, part), f"README.md names {dotted}, which does not exist"
            value = getattr(value, part)
