from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor, set_track_meta
from monai.transforms import Transform
from monai.utils.enums import TransformBackends

from monai_unlearnable.errors import BudgetError, SourceError, StoreError
from monai_unlearnable.stores import ClassKey
from monai_unlearnable.transforms import AddDelta, AddDeltad
from tests.transforms.stores import SHAPE, memory_store


def _image(*, dtype: torch.dtype = torch.uint8) -> torch.Tensor:
    return torch.randint(20, 200, SHAPE).to(dtype)


def test_the_delta_is_that_of_the_id() -> None:
    store, image = memory_store(), _image()
    for sample_id in ("a", "b"):
        expected = image.numpy().astype(np.int64) + store.read([sample_id])[0].numpy()
        np.testing.assert_array_equal(AddDelta(store)(image, sample_id).numpy(), expected)


def test_level_size_scales_the_delta() -> None:
    store, image = memory_store(), _image()
    scaled = AddDelta(store, level_size=1 / 255, valid_range=(0, 1))(image / 255, "a")
    raw = AddDelta(store)(image, "a")
    assert torch.equal((scaled * 255).round().to(torch.uint8), raw)


@pytest.mark.parametrize("label", [1, np.int64(1), torch.tensor(1), torch.tensor([1]), np.array([1]), [1]])
def test_class_wise_deltas_follow_the_label(label: object) -> None:
    store, image = memory_store(["class/0", "class/1"]), _image()
    expected = image.to(torch.int64) + store.read(["class/1"])[0]
    assert torch.equal(AddDelta(store, key=ClassKey())(image, "any", label).to(torch.int64), expected)


def test_multi_label_vectors_are_keys() -> None:
    store, image = memory_store(["class/01", "class/11"]), _image()
    expected = image.to(torch.int64) + store.read(["class/01"])[0]
    for label in (torch.tensor([0.0, 1.0]), np.array([0, 1]), [0, 1]):
        assert torch.equal(AddDelta(store, key=ClassKey())(image, "any", label).to(torch.int64), expected)


def test_class_wise_deltas_need_a_label() -> None:
    with pytest.raises(SourceError, match=r"'s1': ClassKey looks deltas up by label; give the label"):
        AddDelta(memory_store(["class/0"]), key=ClassKey())(_image(), "s1")


def test_unknown_id_is_named() -> None:
    with pytest.raises(KeyError, match="no delta for 'nobody'"):
        AddDelta(memory_store())(_image(), "nobody")


def test_other_shape_is_named() -> None:
    with pytest.raises(StoreError, match=r"'a': the image has shape \(1, 5, 6\), its delta \(1, 6, 5\)"):
        AddDelta(memory_store())(_image().transpose(1, 2), "a")


def test_overflow_is_refused_or_cut() -> None:
    store = memory_store()
    image = torch.full(SHAPE, 255, dtype=torch.uint8)
    with pytest.raises(BudgetError, match=r"'a'.*leaves the range 0 to 255 of torch.uint8"):
        AddDelta(store)(image, "a")
    add = AddDelta(store, valid_range=(0, 255))
    protected = add(image, "a")
    expected = np.clip(255 + store.read(["a"])[0].numpy().astype(np.int64), 0, 255)
    np.testing.assert_array_equal(protected.numpy(), expected)
    assert torch.equal(add.inverse(protected), image)


def test_meta_data_are_kept_and_the_input_is_not_changed() -> None:
    image = MetaTensor(_image(), affine=torch.diag(torch.tensor([2.0, 3.0, 4.0, 1.0])), meta={"filename": "x.png"})
    before = image.clone()
    protected = AddDelta(memory_store())(image, "a")
    assert isinstance(protected, MetaTensor)
    assert torch.equal(protected.affine, image.affine) and protected.meta["filename"] == "x.png"
    assert protected.dtype == torch.uint8
    assert torch.equal(image, before) and image.applied_operations == []
    assert len(protected.applied_operations) == 1


@pytest.mark.parametrize("make", [np.asarray, torch.as_tensor, MetaTensor])
def test_result_follows_track_meta(make: type) -> None:
    image = make(_image().numpy())
    assert isinstance(AddDelta(memory_store())(image, "a"), MetaTensor)
    set_track_meta(False)
    try:
        result = AddDelta(memory_store())(image, "a")
        assert type(result) is torch.Tensor
    finally:
        set_track_meta(True)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.float32])
def test_inverse_is_exact_and_empties_the_trace(dtype: torch.dtype) -> None:
    image = _image(dtype=dtype)
    add = AddDelta(memory_store())
    back = add.inverse(add(image, "b"))
    assert isinstance(back, MetaTensor) and back.applied_operations == []
    assert back.dtype == dtype and torch.equal(back.as_tensor(), image)


def test_inverse_survives_a_store_that_changed() -> None:
    store, image = memory_store(), _image()
    add = AddDelta(store)
    protected = add(image, "a")
    store.write(["a"], torch.zeros(1, *SHAPE))
    assert torch.equal(add.inverse(protected), image)


def test_without_a_kept_delta_inverse_leaves_the_values() -> None:
    add = AddDelta(memory_store(), keep_delta=False)
    protected: Any = add(_image(), "a")
    assert "content" not in str(protected.applied_operations)
    back: Any = add.inverse(protected.clone())
    assert torch.equal(back, protected) and back.applied_operations == []


def test_a_trace_of_another_transform_is_refused() -> None:
    store = memory_store()
    with pytest.raises(RuntimeError, match="AddDelta"):
        AddDelta(store).inverse(AddDelta(store)(_image(), "a"))


def test_without_tracing_nothing_is_recorded() -> None:
    add = AddDelta(memory_store())
    add.tracing = False
    protected: Any = add(_image(), "a")
    assert protected.applied_operations == []


def test_pickle_round_trip() -> None:
    add, image = AddDelta(memory_store()), _image()
    again = pickle.loads(pickle.dumps(add))
    assert torch.equal(again(image, "a"), add(image, "a"))


def test_dictionary_takes_id_and_label_by_key() -> None:
    store, image = memory_store(["class/0", "class/1"]), _image()
    add = AddDeltad(["image"], store, sample_id_key="uid", label_key="y", key=ClassKey())
    item = {"image": image, "uid": "s", "y": 1, "other": "kept"}
    result = add(item)
    assert torch.equal(result["image"].to(torch.int64), image.to(torch.int64) + store.read(["class/1"])[0])
    assert result["other"] == "kept" and item["image"] is image
    back = add.inverse(result)
    assert torch.equal(back["image"].as_tensor(), image) and back["other"] == "kept"


def test_every_key_gets_the_delta() -> None:
    store, image = memory_store(), _image()
    result = AddDeltad(["t1", "t2"], store)({"t1": image, "t2": image + 1, "sample_id": "a"})
    assert torch.equal(result["t1"] + 1, result["t2"])


def test_missing_id_says_what_to_do() -> None:
    with pytest.raises(SourceError, match=r"no 'sample_id' \(it has \['image'\]\).*by its id.*Add it to every"):
        AddDeltad("image", memory_store())({"image": _image()})


def test_missing_label_says_what_to_do() -> None:
    add = AddDeltad("image", memory_store(["class/0"]), key=ClassKey())
    with pytest.raises(SourceError, match=r"no 'label'.*looked up by label"):
        add({"image": _image(), "sample_id": "a"})


def test_missing_image_key_is_an_error_unless_allowed() -> None:
    item = {"sample_id": "a"}
    with pytest.raises(KeyError, match="image"):
        AddDeltad("image", memory_store())(item)
    assert AddDeltad("image", memory_store(), allow_missing_keys=True)(item) == item


def test_conventions() -> None:
    assert AddDelta.backend == AddDeltad.backend == [TransformBackends.TORCH]
    assert issubclass(AddDelta, Transform)


def test_volumes() -> None:
    store = memory_store(shape=(1, 3, 4, 5))
    image = torch.randint(20, 200, (1, 3, 4, 5), dtype=torch.int16)
    assert torch.equal(AddDelta(store)(image, "a"), image + store.read(["a"])[0])
