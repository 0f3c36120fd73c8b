from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.small_data import write_class_folders, write_npz


@pytest.fixture(autouse=True)
def own_search_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """MONAI puts the bundle's folder on the search path for good; here it is taken off again."""
    monkeypatch.setattr(sys, "path", sys.path.copy())


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    return write_npz(tmp_path / "small.npz", train_per_class=4, test_per_class=4)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    return write_class_folders(tmp_path / "pictures", per_class=4)
