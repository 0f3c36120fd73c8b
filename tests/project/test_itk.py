"""ITK and SimpleITK end a process that loads both: collecting the tests must load neither of them together."""

from __future__ import annotations

import ast
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_simpleitk_is_never_imported_with_a_module() -> None:
    found = []
    for path in sorted([*REPOSITORY.glob("tests/**/*.py"), *REPOSITORY.glob("monai_unlearnable/**/*.py")]):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [path.relative_to(REPOSITORY).as_posix() for name in names if name.split(".")[0] == "SimpleITK"]
    assert not found, "import SimpleITK inside the function that needs it"
