from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bundles.running import BUNDLES
from tests.small_data import write_class_folders, write_npz


@pytest.fixture(autouse=True)
def own_search_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """MONAI puts the bundle's folder on the search path for good; here it is taken off again."""
    monkeypatch.setattr(sys, "path", sys.path.copy())


@pytest.fixture
def bundle_script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Imports a script that the bundles share, and what it imports, anew."""

    def fresh(name: str) -> Any:
        monkeypatch.syspath_prepend(str(BUNDLES))
        for one in ("reproduction", "kept_results", "countermeasure_results", "countermeasure_tables"):
            monkeypatch.delitem(sys.modules, one, raising=False)
        return importlib.import_module(name)

    return fresh


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    return write_npz(tmp_path / "small.npz", train_per_class=4, test_per_class=4)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    return write_class_folders(tmp_path / "pictures", per_class=4)
