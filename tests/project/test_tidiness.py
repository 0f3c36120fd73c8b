"""What holds for every committed file."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.project.trees import Function, body_lines, parse, python_files, shown, tracked_files

MAX_FILE_LINES = 400
MAX_BODY_LINES = 45
# A path of somebody's machine, and not the middle of an address or of a relative path.
MACHINE_PATH = re.compile(r"(?<![\w.~:/-])/(?:" + "|".join(["work", "root", "home", "Users"]) + r")/\w")


def _text(path: Path) -> str | None:
    data = path.read_bytes()
    return None if b"\0" in data else data.decode("utf-8", errors="replace")


@pytest.mark.parametrize("folder", ["work", "root", "home"])
def test_machine_path_is_recognised(folder: str) -> None:
    assert MACHINE_PATH.search(f'open("/{folder}/someone/data")')
    assert not MACHINE_PATH.search(f"https://example.org/{folder}/page")
    assert not MACHINE_PATH.search(f"bundles/{folder}/configs")


def test_no_file_names_a_machines_path() -> None:
    found = [
        f"{shown(path)}:{number}"
        for path in tracked_files()
        for number, line in enumerate((_text(path) or "").splitlines(), start=1)
        if MACHINE_PATH.search(line)
    ]
    assert not found, f"absolute paths of one machine: {found}"


def test_files_hold_one_idea() -> None:
    sizes = {shown(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}
    assert sizes
    long = {name: size for name, size in sizes.items() if size > MAX_FILE_LINES}
    assert not long, f"split these files (more than {MAX_FILE_LINES} lines): {long}"


def test_functions_fit_on_a_screen() -> None:
    long = {
        f"{shown(path)}:{node.lineno} {node.name}": body_lines(node)
        for path in python_files()
        for node in ast.walk(parse(path))
        if isinstance(node, Function) and body_lines(node) > MAX_BODY_LINES
    }
    assert not long, f"split these functions (more than {MAX_BODY_LINES} lines of body): {long}"


def test_body_lines_leave_the_docstring_out() -> None:
    tree = ast.parse('def f():\n    """One.\n\n    Two.\n    """\n    a = 1\n\n    return a\n')
    assert [body_lines(node) for node in ast.walk(tree) if isinstance(node, Function)] == [3]


def test_nothing_generated_or_large_is_committed() -> None:
    unwanted = [shown(path) for path in tracked_files() if path.suffix in {".pkl", ".pickle", ".pyc", ".npz", ".pth"}]
    large = [shown(path) for path in tracked_files() if path.stat().st_size > 2_000_000]
    assert not unwanted + large, f"generated, pickled or large files: {unwanted + large}"
