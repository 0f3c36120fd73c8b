from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources import NpzSource, Task
from monai_unlearnable.sources.npz_file import read_headers


def _arrays(**changes: Any) -> dict[str, Any]:
    generator = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "train_images": generator.integers(0, 256, (4, 5, 6)).astype(np.uint8),
        "train_labels": np.array([[0], [1], [2], [1]], dtype=np.uint8),
        "test_images": generator.integers(0, 256, (2, 5, 6)).astype(np.uint8),
        "test_labels": np.array([[3], [0]], dtype=np.uint8),
    }
    arrays.update(changes)
    return {name: value for name, value in arrays.items() if value is not None}


def _write(path: Path, **changes: Any) -> Path:
    np.savez_compressed(path / "set.npz", **_arrays(**changes))
    return path / "set.npz"


def test_reads_grey_images(tmp_path: Path) -> None:
    arrays = _arrays()
    source = NpzSource(_write(tmp_path))
    assert source.task is Task.SINGLE_LABEL
    assert source.class_names == ("0", "1", "2", "3")  # the 3 is in the test split only
    assert source.sample_ids == ("train/000000", "train/000001", "train/000002", "train/000003")
    assert source.labels.tolist() == [0, 1, 2, 1]
    assert source.shape(2) == (1, 5, 6)
    assert source.dtype(2) == np.uint8
    for index, sample in enumerate(source):
        assert np.array_equal(sample.image[0], arrays["train_images"][index])
    done: list[tuple[int, int]] = []
    source.check_readable(lambda *at: done.append(at))
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(
    ("stored", "shape"), [((4, 5, 6, 3), (3, 5, 6)), ((4, 7, 5, 6), (1, 7, 5, 6)), ((4, 3, 5, 6), (1, 3, 5, 6))]
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", ">u2"])
def test_channel_comes_first(tmp_path: Path, stored: tuple[int, ...], shape: tuple[int, ...], dtype: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, stored).astype(dtype)
    source = NpzSource(_write(tmp_path, train_images=images))
    image = source.read(1)
    assert image.shape == source.shape(1) == shape
    assert image.dtype == source.dtype(1)
    assert image.dtype.isnative
    slow = np.array([images[1][..., c] for c in range(3)]) if shape[0] == 3 else images[1][None]
    assert np.array_equal(image, slow)


def test_a_read_image_is_a_copy(tmp_path: Path) -> None:
    source = NpzSource(_write(tmp_path))
    first = source.read(0)
    first += 1
    assert not np.array_equal(first, source.read(0))


def test_other_split_and_multi_label(tmp_path: Path) -> None:
    labels = {"train_labels": np.eye(4, 3, dtype=np.int64), "test_labels": np.ones((2, 3), dtype=np.uint8)}
    source = NpzSource(_write(tmp_path, **labels), split="test")
    assert source.task is Task.MULTI_LABEL
    assert source.class_names == ("0", "1", "2")
    assert source.sample_ids == ("test/000000", "test/000001")
    assert source.labels.tolist() == [[1, 1, 1], [1, 1, 1]]


def test_pickled_source_reads_again(tmp_path: Path) -> None:
    source = NpzSource(_write(tmp_path))
    image = source.read(3)
    packed = pickle.dumps(source)
    assert len(packed) < 3000  # a worker loads the images itself
    assert np.array_equal(pickle.loads(packed).read(3), image)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_images": None}, "'train_images' is missing"),
        ({"train_labels": None}, "'train_labels' is missing"),
        ({"train_images": np.zeros((4, 5, 6))}, "train_images is float64; only uint8 and uint16"),
        ({"train_images": np.zeros((4, 5), np.uint8)}, r"shape \(4, 5\)"),
        ({"train_images": np.zeros((0, 5, 6), np.uint8), "train_labels": np.zeros((0, 1), int)}, "holds no image"),
        ({"train_labels": np.zeros((3, 1), int)}, "4 images, train_labels 3 labels"),
        ({"train_labels": np.zeros((4, 1))}, "train_labels is float64; labels are whole"),
        ({"train_labels": np.zeros((4, 0), int)}, r"labels are \(n,\)"),
        ({"train_labels": np.array([0, 1, -1, 0])}, "label -1 at position 2"),
        ({"train_labels": np.array([0, 1, 10**9, 0])}, "label 1000000000 at position 2"),
        ({"train_labels": np.array([[0, 1]] * 3 + [[0, 2]])}, "value 2 in row 3, column 1"),
        ({"train_labels": np.zeros((4, 2), int)}, "labels of different kinds"),
        ({"extra": np.array([{"a": 1}], dtype=object)}, "array 'extra': holds pickled objects"),
        ({"train_images": np.array([None] * 4)}, "array 'train_images': holds pickled objects"),
    ],
)
def test_refuses(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        NpzSource(_write(tmp_path, **changes))
    assert "set.npz" in str(caught.value)


def test_refuses_unknown_split(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="split 'valid' is none of train, val, test"):
        NpzSource(_write(tmp_path), split="valid")


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.999])
def test_refuses_truncated_file(tmp_path: Path, keep: float) -> None:
    path = _write(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(SourceError, match=r"set\.npz: is not a whole \.npz file"):
        NpzSource(path).check_readable()


def test_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = _write(tmp_path)
    data = bytearray(path.read_bytes())
    data[150] ^= 0xFF  # inside the first array's compressed bytes
    path.write_bytes(bytes(data))
    with pytest.raises(SourceError, match=r"set\.npz"):
        NpzSource(path).check_readable()


def test_refuses_array_that_claims_more_than_it_holds(tmp_path: Path) -> None:
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (4, 1000000, 1000000), }".ljust(117) + b"\n"
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive:
        archive.writestr("train_images.npy", b"\x93NUMPY\x01\x00" + bytes([len(header), 0]) + header + b"\0" * 50)
    with pytest.raises(SourceError, match=r"header says uint8 \(4, 1000000, 1000000\) \(4000000000000 bytes\)"):
        read_headers(tmp_path / "set.npz")


def test_refuses_a_header_that_does_not_end(tmp_path: Path) -> None:
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (4, 12".ljust(117) + b"\n"
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive:
        archive.writestr("train_images.npy", b"\x93NUMPY\x01\x00" + bytes([len(header), 0]) + header + b"\0" * 50)
    with pytest.raises(SourceError, match=r"set\.npz: holds an array that cannot be read"):
        read_headers(tmp_path / "set.npz")


def test_refuses_what_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "set.npz").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(SourceError, match="not a whole"):
        NpzSource(tmp_path / "set.npz")
    with pytest.raises(SourceError, match="no such file"):
        NpzSource(tmp_path / "other.npz")
    with zipfile.ZipFile(tmp_path / "text.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(SourceError, match=r"'readme\.txt' is not an array"):
        NpzSource(tmp_path / "text.npz")


@pytest.mark.parametrize(
    ("name", "count", "shape", "classes"),
    [
        ("breastmnist", 546, (1, 28, 28), 2),
        ("pneumoniamnist", 4708, (1, 28, 28), 2),
        ("adrenalmnist3d", 1188, (1, 28, 28, 28), 2),
    ],
)
def test_real_sets(shared_data: Path, name: str, count: int, shape: tuple[int, ...], classes: int) -> None:
    path = shared_data / "medmnist" / f"{name}.npz"
    source = NpzSource(path)
    assert (len(source), source.shape(0), len(source.class_names)) == (count, shape, classes)
    with np.load(path) as arrays:
        assert np.array_equal(source.read(count - 1)[0], arrays["train_images"][-1])
        assert np.array_equal(source.labels, arrays["train_labels"][:, 0])
