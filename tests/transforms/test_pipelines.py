"""Inside MONAI's own pipelines: composed, inverted, cached, loaded by workers and threads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import (
    CacheDataset,
    DataLoader,
    Dataset,
    MetaTensor,
    PersistentDataset,
    PILReader,
    ThreadDataLoader,
    decollate_batch,
)
from monai.data.utils import pickle_hashing
from monai.transforms import Compose, EnsureChannelFirstd, Flipd, Invertd, LoadImaged, ScaleIntensityRanged, Spacingd
from PIL import Image

from monai_unlearnable.budgets import LinfBudget
from monai_unlearnable.perturbations import Blocks, ErrorMinimizing, Synthetic
from monai_unlearnable.stores import DeltaStore, MappedStore
from monai_unlearnable.transforms import AddDeltad, SurrogatePerturbationd, SyntheticPerturbationd
from tests.transforms.stores import SHAPE, fill, header, memory_store
from tests.transforms.test_computed import surrogate

IDS = [f"train/{number:03d}" for number in range(6)]
BUDGET = LinfBudget(radius_levels=8)


def _items(count: int = 6) -> list[dict[str, Any]]:
    random = np.random.default_rng(0)
    return [
        {"image": random.integers(20, 200, SHAPE).astype(np.float32), "sample_id": name, "label": number % 2}
        for number, name in enumerate(IDS[:count])
    ]


def _expected(store: DeltaStore, item: dict[str, Any]) -> np.ndarray[Any, Any]:
    return item["image"] + store.read([item["sample_id"]])[0].numpy()  # type: ignore[no-any-return]


def _transforms() -> list[Any]:
    shape = SHAPE
    return [
        AddDeltad("image", memory_store(IDS)),
        SyntheticPerturbationd("image", Synthetic(budget=BUDGET, num_classes=2, seed=0, patterns=Blocks(per_axis=4))),
        SurrogatePerturbationd("image", ErrorMinimizing(budget=BUDGET, steps=2), surrogate(shape=shape)),
    ]


@pytest.mark.filterwarnings("ignore:'lazy' is set to True but lazy execution is not supported when inverting")
@pytest.mark.parametrize("transform", _transforms(), ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("lazy", [False, True])
def test_compose_inverts(transform: Any, lazy: bool) -> None:
    compose = Compose(
        [transform, Flipd("image", spatial_axis=0), Spacingd("image", pixdim=(1.0, 1.0), mode="nearest")], lazy=lazy
    )
    for item in _items(2):
        result = compose(item)
        assert not np.array_equal(result["image"].numpy(), np.flip(item["image"], 1))
        np.testing.assert_array_equal(compose.inverse(result)["image"].numpy(), item["image"])


@pytest.mark.filterwarnings("ignore:'lazy' is set to True but lazy execution is not supported when inverting")
@pytest.mark.parametrize("transform", _transforms(), ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("lazy", [False, True])
def test_after_a_spatial_transform(transform: Any, lazy: bool) -> None:
    compose = Compose([Flipd("image", spatial_axis=0), transform], lazy=lazy)
    item = _items(1)[0]
    result = compose(item)
    alone = transform({**item, "image": np.flip(item["image"], 1).copy()})
    np.testing.assert_array_equal(result["image"].numpy(), alone["image"].numpy())
    np.testing.assert_array_equal(compose.inverse(result)["image"].numpy(), item["image"])


@pytest.mark.parametrize("transform", _transforms(), ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("workers", [0, 2])
def test_workers_and_invertd(transform: Any, workers: int) -> None:
    compose = Compose([transform, Flipd("image", spatial_axis=1)])
    loader = DataLoader(Dataset(_items(), compose), batch_size=3, num_workers=workers)
    undo = Invertd("image", transform=compose, orig_keys="image", nearest_interp=False)
    seen = 0
    for batch in loader:
        for one in decollate_batch(batch):
            item = next(item for item in _items() if item["sample_id"] == one["sample_id"])
            alone = compose(item)["image"]
            np.testing.assert_array_equal(one["image"].numpy(), alone.numpy())
            np.testing.assert_array_equal(undo(one)["image"].numpy(), item["image"])
            seen += 1
    assert seen == len(IDS)


@pytest.mark.parametrize("transform", _transforms(), ids=lambda one: type(one).__name__)
def test_threads(transform: Any) -> None:
    expected = {item["sample_id"]: transform(item)["image"] for item in _items()}
    dataset = CacheDataset(_items(), transform, num_workers=3, progress=False)
    for batch in ThreadDataLoader(dataset, batch_size=2, num_workers=2, use_thread_workers=True):
        for sample_id, image in zip(batch["sample_id"], batch["image"], strict=True):
            assert torch.equal(image.as_tensor(), expected[sample_id].as_tensor())


def test_a_prediction_keeps_its_values_when_no_delta_is_kept() -> None:
    compose = Compose([AddDeltad("image", memory_store(IDS), keep_delta=False), Flipd("image", spatial_axis=0)])
    result = compose(_items(1)[0])
    result["pred"] = MetaTensor(torch.arange(60.0).reshape(2, 6, 5))
    undone = Invertd("pred", transform=compose, orig_keys="image", nearest_interp=False)(result)
    assert torch.equal(undone["pred"].as_tensor(), torch.arange(60.0).reshape(2, 6, 5).flip(1))


def test_large_batches_of_workers_need_no_file_for_each_delta() -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        item = _items(1)[0]
        loader = DataLoader(
            Dataset([item] * 400, AddDeltad("image", memory_store(IDS))), batch_size=200, num_workers=1, timeout=30
        )
        assert sum(len(batch["image"]) for batch in loader) == 400
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def _persistent(store: DeltaStore, folder: Path, **options: Any) -> PersistentDataset:
    transform = Compose([AddDeltad("image", store)])
    return PersistentDataset(_items(), transform, cache_dir=folder, hash_transform=pickle_hashing, **options)


@pytest.mark.parametrize("kind", ["memory", "mapped"])
def test_persistent_cache_follows_the_store(kind: str, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    mapped = tmp_path / "store"
    store = memory_store(IDS) if kind == "memory" else fill(MappedStore.create(mapped, header(IDS)))
    first = _persistent(store, cache)
    for index, item in enumerate(_items()):
        np.testing.assert_array_equal(first[index]["image"].numpy(), _expected(store, item))
    written = {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}
    assert len(written) == len(IDS)

    unchanged = store if kind == "memory" else MappedStore.open(mapped)
    again = _persistent(unchanged, cache)
    for index, item in enumerate(_items()):
        np.testing.assert_array_equal(again[index]["image"].numpy(), _expected(store, item))
    assert {path.name: path.stat().st_mtime_ns for path in cache.iterdir()} == written

    fill(store, seed=1)
    changed = _persistent(store, cache)
    for index, item in enumerate(_items()):
        np.testing.assert_array_equal(changed[index]["image"].numpy(), _expected(store, item))
    assert len(list(cache.iterdir())) == 2 * len(IDS)


def test_persistent_cache_can_be_inverted(tmp_path: Path) -> None:
    # MONAI's own enums in a trace need weights_only=False.
    dataset = _persistent(memory_store(IDS), tmp_path, track_meta=True, weights_only=False)
    for _ in ("written", "read"):
        result = dataset[0]
        np.testing.assert_array_equal(dataset.transform.inverse(result)["image"].numpy(), _items()[0]["image"])


@pytest.mark.parametrize("change", ["level_size", "valid_range", "perturbation", "surrogate"])
def test_settings_are_part_of_the_hash(change: str) -> None:
    store = memory_store(IDS)
    method, model = ErrorMinimizing(budget=BUDGET, steps=2), surrogate()
    pairs = {
        "level_size": (AddDeltad("image", store), AddDeltad("image", store, level_size=2)),
        "valid_range": (AddDeltad("image", store), AddDeltad("image", store, valid_range=(0, 255))),
        "perturbation": (
            SurrogatePerturbationd("image", method, model),
            SurrogatePerturbationd("image", ErrorMinimizing(budget=BUDGET, steps=3), model),
        ),
        "surrogate": (
            SurrogatePerturbationd("image", method, model),
            SurrogatePerturbationd("image", method, surrogate(seed=1)),
        ),
    }
    one, other = pairs[change]
    assert pickle_hashing([one]) == pickle_hashing([one])
    assert pickle_hashing([one]) != pickle_hashing([other])


@pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader")
def test_files_to_protected_tensors(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 5)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    store = memory_store()
    reader: Any = PILReader(reverse_indexing=False)
    compose = Compose(
        [
            LoadImaged("image", reader=reader, image_only=True),
            EnsureChannelFirstd("image"),
            AddDeltad("image", store, valid_range=(0, 255)),
            ScaleIntensityRanged("image", a_min=0, a_max=255, b_min=0, b_max=1),
        ]
    )
    result = compose({"image": str(tmp_path / "a.png"), "sample_id": "a"})["image"]
    expected = np.clip(pixels[None].astype(np.int64) + store.read(["a"])[0].numpy(), 0, 255)
    np.testing.assert_array_equal((result * 255).round().numpy(), expected)
    assert result.meta["filename_or_obj"].endswith("a.png")
