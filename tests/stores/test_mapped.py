from __future__ import annotations

import multiprocessing
import os
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_unlearnable.errors import StoreError
from monai_unlearnable.stores import MappedStore, StoreHeader

HEADER = StoreHeader({"a": (1, 3, 4), "b": (2, 5)}, 300.0, {"norm": "linf"}, "synthetic", 0)


def read_sum(store: MappedStore, key: str) -> int:
    return int(store.read([key]).sum())


def test_reopened_store_holds_what_was_written(tmp_path: Path) -> None:
    store = MappedStore.create(tmp_path / "store", HEADER)
    store.write(["b"], torch.arange(10).reshape(1, 2, 5) - 300)
    store.flush()
    again = MappedStore.open(tmp_path / "store", HEADER)
    assert torch.equal(again.read(["b"]), store.read(["b"]))
    assert again.content_sha256() == store.content_sha256()


def test_file_is_little_endian_in_the_order_of_the_header(tmp_path: Path) -> None:
    store = MappedStore.create(tmp_path / "store", HEADER)
    store.write(["a"], torch.arange(12).reshape(1, 1, 3, 4))
    store.write(["b"], -torch.arange(10).reshape(1, 2, 5))
    expected = np.concatenate([np.arange(12), -np.arange(10)]).astype("<i2").tobytes()
    assert store.data_path.read_bytes() == expected


def test_folder_is_private_and_whole(tmp_path: Path) -> None:
    MappedStore.create(tmp_path / "store", HEADER)
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == 0o700
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["deltas.bin", "header.json", "store"]


def test_never_overwrites(tmp_path: Path) -> None:
    store = MappedStore.create(tmp_path / "store", HEADER)
    store.write(["b"], torch.ones(1, 2, 5))
    for path in (tmp_path / "store", store.data_path):
        with pytest.raises(StoreError, match=r"exists already; open it, or give another folder"):
            MappedStore.create(path, HEADER)
    assert read_sum(store, "b") == 10


def test_killed_creation_leaves_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(_: StoreHeader) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StoreHeader, "to_json", killed)
        with pytest.raises(KeyboardInterrupt):
            MappedStore.create(tmp_path / "store", HEADER)
    assert not (tmp_path / "store").exists()
    MappedStore.create(tmp_path / "store", HEADER)
    assert [one.name for one in tmp_path.iterdir()] == ["store"]


@pytest.mark.parametrize("change_bytes", [-1, 1, -44])
def test_file_of_another_length_is_damaged(tmp_path: Path, change_bytes: int) -> None:
    store = MappedStore.create(tmp_path / "store", HEADER)
    os.truncate(store.data_path, 44 + change_bytes)
    with pytest.raises(StoreError, match=rf"deltas\.bin: has {44 + change_bytes} bytes, its header needs 44"):
        MappedStore.open(tmp_path / "store")


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere: holds no readable store"):
        MappedStore.open(tmp_path / "nowhere")
    store = MappedStore.create(tmp_path / "store", HEADER)
    store.data_path.unlink()
    with pytest.raises(StoreError, match=r"deltas\.bin: has -1 bytes"):
        MappedStore.open(tmp_path / "store")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{}", b"[1]"])
def test_damaged_header_names_the_store(tmp_path: Path, content: bytes) -> None:
    MappedStore.create(tmp_path / "store", HEADER)
    (tmp_path / "store" / "header.json").write_bytes(content)
    with pytest.raises(StoreError, match=r"store: (not a store header|holds no readable store)"):
        MappedStore.open(tmp_path / "store")


def test_opening_for_another_use_names_store_and_field(tmp_path: Path) -> None:
    MappedStore.create(tmp_path / "store", HEADER)
    with pytest.raises(StoreError, match=r"store: the store was made for another seed: it has 0, this run needs 7"):
        MappedStore.open(tmp_path / "store", replace(HEADER, seed=7))


def test_hash_notices_what_another_object_wrote(tmp_path: Path) -> None:
    writer = MappedStore.create(tmp_path / "store", HEADER)
    reader = MappedStore.open(tmp_path / "store")
    before = reader.content_sha256()
    writer.write(["b"], torch.ones(1, 2, 5))
    writer.flush()
    assert reader.content_sha256() == writer.content_sha256() != before
    assert read_sum(reader, "b") == 10


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_other_processes_read_it(tmp_path: Path) -> None:
    store = MappedStore.create(tmp_path / "store", HEADER)
    store.write(["a"], torch.full((1, 1, 3, 4), 7))
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.starmap(read_sum, [(store, "a"), (store, "b")] * 4) == [84, 0] * 4
