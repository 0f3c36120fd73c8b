from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources import ClassFolderSource, CsvSource, NpzSource, Source, Task, open_source
from monai_unlearnable.sources.labels import check_unique
from monai_unlearnable.types import StoredArray
from tests.small_data import write_class_folders, write_npz
from tests.sources.files import save


def test_finds_the_kind(tmp_path: Path) -> None:
    archive = write_npz(tmp_path / "set.npz")
    assert isinstance(open_source(archive), NpzSource)
    assert open_source(str(archive), split="test").sample_ids[0] == "test/000000"
    assert isinstance(open_source(tmp_path), NpzSource)  # a release of it
    folders = write_class_folders(tmp_path / "folders")
    assert isinstance(open_source(folders), ClassFolderSource)
    labels = tmp_path / "given.csv"
    labels.write_text("file,label\nleft/000.png,a\n")
    assert isinstance(open_source(folders, labels), CsvSource)
    (folders / "labels.csv").write_text("file,label\nleft/000.png,a\n")
    assert isinstance(open_source(folders), CsvSource)


def test_refuses(tmp_path: Path) -> None:
    archive = write_npz(tmp_path / "set.npz")
    with pytest.raises(SourceError, match="no such file or folder"):
        open_source(tmp_path / "nowhere")
    with pytest.raises(SourceError, match="holds its own labels"):
        open_source(archive, tmp_path / "labels.csv")
    with pytest.raises(SourceError, match=r"neither an \.npz file nor a folder"):
        open_source(save(tmp_path / "a.png"))
    write_npz(tmp_path / "other.npz")
    with pytest.raises(SourceError, match=r"holds 2 \.npz files \(other\.npz"):
        open_source(tmp_path)
    with pytest.raises(SourceError, match="a folder is one split"):
        open_source(write_class_folders(tmp_path / "folders"), split="test")


def test_duplicate_ids() -> None:
    with pytest.raises(SourceError, match="sample id 'a' is there twice"):
        check_unique(["a", "b", "a"], path=Path("set"))
    with pytest.raises(SourceError, match="holds no image"):
        check_unique([], path=Path("set"))


def test_check_readable_compares_header_and_pixels() -> None:
    class Lying(Source):
        path, task, class_names, sample_ids = Path("set"), Task.SINGLE_LABEL, ("x",), ("first",)
        labels = np.zeros(1, dtype=np.int64)

        def read(self, index: int) -> StoredArray:
            return np.zeros((1, 2, 2), dtype=np.uint8)

        def shape(self, index: int) -> tuple[int, ...]:
            return (1, 3, 2)

        def dtype(self, index: int) -> np.dtype[np.integer]:
            return np.dtype(np.uint8)

    with pytest.raises(SourceError, match=r"set: first: the header says .*\(1, 3, 2\)"):
        Lying().check_readable()
