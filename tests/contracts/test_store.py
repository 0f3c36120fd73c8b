"""What every store of deltas keeps to, wherever it keeps them."""

from __future__ import annotations

import itertools
import pickle
from abc import ABC, abstractmethod
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.data.utils import pickle_hashing

from monai_unlearnable.errors import StoreError
from monai_unlearnable.stores import DeltaStore, MappedStore, MemoryStore, StoreHeader
from tests.contracts.properties import PROPERTY

SHAPES = st.lists(st.integers(1, 4), min_size=2, max_size=4).map(tuple)


THREE = {"a": (1, 3, 4), "b": (1, 3, 4), "c": (1, 3, 4)}


def header(shapes: Mapping[str, tuple[int, ...]] = THREE, *, radius_levels: float = 8.0) -> StoreHeader:
    return StoreHeader(shapes, radius_levels, {}, "synthetic", 0)


def whole_levels(seed: int, shape: tuple[int, ...], radius_levels: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-int(radius_levels), int(radius_levels) + 1, shape, generator=generator)


class DeltaStoreContract(ABC):
    """Subclass it for a store."""

    @abstractmethod
    def make(self, header: StoreHeader) -> DeltaStore:
        """Return a new store of zeros."""

    def test_starts_at_zero(self) -> None:
        assert not bool(self.make(header()).read(["a", "b", "c"]).any())

    @PROPERTY
    @given(
        seed=st.integers(0, 999),
        shapes=st.lists(SHAPES, min_size=1, max_size=4),
        radius=st.sampled_from([1.0, 8.5, 127.0, 127.5, 128.0, 2056.0, 32767.0]),
    )
    def test_write_then_read_is_the_identity(self, seed: int, shapes: list[tuple[int, ...]], radius: float) -> None:
        store = self.make(header({f"key {i}": shape for i, shape in enumerate(shapes)}, radius_levels=radius))
        written = {key: whole_levels(seed + i, (1, *store.shape(key)), radius) for i, key in enumerate(store.keys)}
        for key, levels in written.items():
            store.write([key], levels)
        store.flush()
        for key, levels in written.items():
            read = store.read([key])
            assert read.dtype == (torch.int8 if radius <= 127 else torch.int16)
            assert torch.equal(read.long(), levels)

    @pytest.mark.parametrize(("radius", "dtype"), [(127.0, torch.int8), (127.01, torch.int16), (32767.0, torch.int16)])
    def test_extremes_fit_the_type(self, radius: float, dtype: torch.dtype) -> None:
        store = self.make(header({"a": (1, 2)}, radius_levels=radius))
        ends = torch.tensor([[[-int(radius), int(radius)]]])
        store.write(["a"], ends)
        assert store.read(["a"]).dtype == dtype
        assert torch.equal(store.read(["a"]).long(), ends)

    def test_reads_in_the_order_asked_for_and_repeats(self) -> None:
        store = self.make(header())
        for value, key in enumerate("abc"):
            store.write([key], torch.full((1, 1, 3, 4), value))
        assert store.read(["c", "a", "c"])[:, 0, 0, 0].tolist() == [2, 0, 2]

    def test_whole_floats_are_levels(self) -> None:
        store = self.make(header())
        store.write(["a"], torch.full((1, 1, 3, 4), -3.0))
        assert store.read(["a"]).unique().tolist() == [-3]

    def test_what_is_read_is_a_copy(self) -> None:
        store = self.make(header())
        store.read(["a"]).fill_(5)
        store.read_region("a", (slice(0, 1), slice(0, 3), slice(0, 4))).fill_(5)
        assert not bool(store.read(["a"]).any())

    @PROPERTY
    @given(seed=st.integers(0, 999), data=st.data())
    def test_region_leaves_the_rest(self, seed: int, data: st.DataObject) -> None:
        shape = (2, 4, 5, 3)
        store = self.make(header({"a": shape, "b": shape}))
        expected = {key: whole_levels(seed, shape, 8) for key in "ab"}
        store.write(["a", "b"], torch.stack(list(expected.values())))
        ends = [sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in shape]
        region = tuple(slice(low, high) for low, high in ends)
        patch = whole_levels(seed + 1, tuple(high - low for low, high in ends), 8)
        store.write_region("a", region, patch)
        expected["a"][region] = patch
        assert torch.equal(store.read_region("a", region).long(), patch)
        for key, levels in expected.items():
            assert torch.equal(store.read([key])[0].long(), levels)

    def test_unknown_key_is_named(self) -> None:
        store = self.make(header())
        whole = (slice(0, 1), slice(0, 3), slice(0, 4))
        calls: list[Any] = [
            lambda: store.read(["a", "lost/001"]),
            lambda: store.write(["lost/001"], torch.zeros(1, 1, 3, 4)),
            lambda: store.read_region("lost/001", whole),
            lambda: store.write_region("lost/001", whole, torch.zeros(1, 3, 4)),
            lambda: store.shape("lost/001"),
        ]
        for call in calls:
            with pytest.raises(KeyError, match=r"no delta for 'lost/001'; it holds 3 keys such as 'a'"):
                call()
        assert "lost/001" not in store
        assert ("a" in store, len(store), store.keys) == (True, 3, ("a", "b", "c"))

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (float("nan"), "key 'b': the delta holds NaN or fractions"),
            (0.5, "key 'b': the delta holds NaN or fractions"),
            (float("inf"), r"key 'b': \|delta\| reaches inf levels, the store's radius is 8"),
            (9, r"key 'b': \|delta\| reaches 9 levels, the store's radius is 8"),
            (-200, r"key 'b': \|delta\| reaches 200 levels"),
        ],
    )
    def test_refuses_values(self, value: float | int, text: str) -> None:
        store = self.make(header())
        before = store.content_sha256()
        levels = torch.zeros(1, 1, 3, 4, dtype=torch.tensor(value).dtype)
        levels[0, 0, 1, 1] = value
        with pytest.raises(StoreError, match=text):
            store.write(["b"], levels)
        assert store.content_sha256() == before

    def test_refuses_shapes(self) -> None:
        store = self.make(header({"a": (1, 3, 4), "b": (1, 3, 5)}))
        with pytest.raises(StoreError, match=r"key 'a': got a delta of shape \(1, 3, 1\), the region has \(1, 3, 4\)"):
            store.write(["a"], torch.zeros(1, 1, 3, 1))
        with pytest.raises(StoreError, match="2 keys but 1 deltas"):
            store.write(["a", "a"], torch.zeros(1, 1, 3, 4))
        with pytest.raises(StoreError, match="one shape"):
            store.read(["a", "b"])
        with pytest.raises(StoreError, match="one shape"):
            store.read([])
        with pytest.raises(StoreError, match=r"key 'a': a region of 1 slices, the delta has shape \(1, 3, 4\)"):
            store.write_region("a", (slice(0, 1),), torch.zeros(1, 3, 4))

    def test_content_hash_follows_header_and_deltas(self) -> None:
        store = self.make(header())
        hashes = [store.content_sha256(), self.make(replace(header(), seed=1)).content_sha256()]
        for key, value in (("a", 1), ("b", 1), ("a", 2)):
            store.write([key], torch.full((1, 1, 3, 4), value))
            hashes.append(store.content_sha256())
        store.write_region("c", (slice(0, 1), slice(2, 3), slice(3, 4)), torch.tensor([[[1]]]))
        hashes.append(store.content_sha256())
        assert len(set(hashes)) == 6
        assert hashes[-1] == store.content_sha256()
        assert self.make(header()).content_sha256() == hashes[0]

    def test_pickle_reopens_and_follows_the_content(self) -> None:
        store = self.make(header())
        pickles, keys = [pickle.dumps(store)], [pickle_hashing(store)]
        for value in (1, 2):
            store.write(["b"], torch.full((1, 1, 3, 4), value))
            pickles.append(pickle.dumps(store))
            keys.append(pickle_hashing(store))
        assert len(set(pickles)) == len(set(keys)) == 3
        assert pickle.dumps(store) == pickles[-1]
        copy = pickle.loads(pickles[-1])
        assert copy.header == store.header
        assert torch.equal(copy.read(["a", "b", "c"]), store.read(["a", "b", "c"]))

    def test_several_readers_at_once(self) -> None:
        keys = [f"key {i}" for i in range(40)]
        store = self.make(header(dict.fromkeys(keys, (1, 6, 6))))
        for value, key in enumerate(keys):
            store.write([key], torch.full((1, 1, 6, 6), value % 8))
        with ThreadPoolExecutor(4) as pool:
            read = pool.map(lambda key: store.read([key]).unique().tolist(), itertools.islice(keys * 3, 120))
            assert list(read) == [[i % 40 % 8] for i in range(120)]


class TestMemoryStore(DeltaStoreContract):
    def make(self, header: StoreHeader) -> DeltaStore:
        return MemoryStore(header)


class TestMappedStore(DeltaStoreContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.names = (tmp_path / f"store{i}" for i in itertools.count())

    def make(self, header: StoreHeader) -> DeltaStore:
        return MappedStore.create(next(self.names), header)
