from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources import ClassFolderSource, Task
from tests.sources.files import grey, save


def _folder(root: Path) -> Path:
    for seed, name in enumerate(["b/2.png", "b/10.jpeg", "a/x.PNG", "a/y.bmp"]):
        save(root / name, grey(seed=seed))
    (root / "manifest.json").write_text("{}")
    (root / "a" / "notes.txt").write_text("hello")
    (root / "a" / ".hidden.png").write_text("no picture")
    (root / ".git").mkdir()
    return root


def test_sorted_folders_are_classes(tmp_path: Path) -> None:
    source = ClassFolderSource(_folder(tmp_path))
    assert source.task is Task.SINGLE_LABEL
    assert source.class_names == ("a", "b")
    assert source.sample_ids == ("a/x.PNG", "a/y.bmp", "b/10.jpeg", "b/2.png")
    assert source.labels.tolist() == [0, 0, 1, 1]
    assert source.ignored_files == ("manifest.json", "a/notes.txt")
    assert np.array_equal(source.read(0)[0], grey(seed=2))
    assert source[3].sample_id == "b/2.png"
    source.check_readable()


def test_unreadable_image_is_named(tmp_path: Path) -> None:
    source = ClassFolderSource(_folder(tmp_path))
    (tmp_path / "b" / "2.png").write_bytes((tmp_path / "b" / "2.png").read_bytes()[:40])
    with pytest.raises(SourceError, match=r"2\.png"):
        source.check_readable()


def test_refuses_folders_without_two_classes(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="has 0 class folders"):
        ClassFolderSource(tmp_path)
    save(tmp_path / "only" / "a.png")
    with pytest.raises(SourceError, match="has 1 class folders, at least two"):
        ClassFolderSource(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"empty: this class folder holds no picture"):
        ClassFolderSource(tmp_path)
    with pytest.raises(SourceError, match="cannot be listed"):
        ClassFolderSource(tmp_path / "nowhere")


def test_refuses_pictures_without_a_class(tmp_path: Path) -> None:
    root = _folder(tmp_path)
    save(root / "loose.png")
    with pytest.raises(SourceError, match=r"loose\.png: lies beside the class folders"):
        ClassFolderSource(root)


def test_refuses_what_it_would_leave_out(tmp_path: Path) -> None:
    root = _folder(tmp_path)
    save(root / "b" / "deep" / "a.png")
    with pytest.raises(SourceError, match="is a folder inside a class folder"):
        ClassFolderSource(root)
    (root / "b" / "deep" / "a.png").rename(root / "b" / "deep.gif")
    (root / "b" / "deep").rmdir()
    with pytest.raises(SourceError, match=r"deep\.gif: only PNG, JPEG, BMP, TIFF"):
        ClassFolderSource(root)


def test_refuses_names_that_cannot_be_shown(tmp_path: Path) -> None:
    root = _folder(tmp_path)
    save(root / "b" / "a\n.png")
    with pytest.raises(SourceError, match="not printable"):
        ClassFolderSource(root)


def test_mednist(shared_data: Path) -> None:
    source = ClassFolderSource(shared_data / "mednist")
    assert source.class_names == ("AbdomenCT", "BreastMRI", "CXR", "ChestCT", "Hand", "HeadCT")
    assert np.bincount(source.labels).tolist() == [300] * 6
    assert (source.shape(0), source.header(0).format) == ((1, 64, 64), "jpeg")
    assert source.read(1799).shape == (1, 64, 64)
