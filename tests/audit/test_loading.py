from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage.transform import resize

from monai_unlearnable.audit.loading import labels_by_name, load_images
from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources import open_source
from tests.audit.tiny import halves, write_folders, write_source
from tests.sources.test_nifti_file import save_nifti


def test_images_are_the_stored_integers(tmp_path: Path) -> None:
    loaded = load_images(open_source(write_source(tmp_path / "s.npz")), indices=[3, 1])
    images, labels = halves(60, seed=0)
    assert loaded.images.dtype == torch.uint8
    assert np.array_equal(loaded.images.numpy()[:, 0], images[[3, 1]])
    assert loaded.labels.tolist() == labels[[3, 1]].tolist()
    assert loaded.windows.tolist() == [[0, 255]] * 2
    assert (loaded.class_count, loaded.channels, loaded.spatial_dims) == (2, 1, 2)


def test_the_hash_follows_pixels_and_labels(tmp_path: Path) -> None:
    source = open_source(write_source(tmp_path / "s.npz"))
    same = open_source(write_source(tmp_path / "t.npz"))
    other = open_source(write_source(tmp_path / "u.npz", seed=1))
    assert load_images(source).sha256 == load_images(same).sha256 != load_images(other).sha256
    assert load_images(source).sha256 != load_images(source, class_names=("1", "0")).sha256


def test_every_image_is_seen_through_the_window_of_its_own_file(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    deep = [generator.integers(1, top, (20, 20)).astype(np.uint16) for top in (300, 4000, 60000)]
    flat = np.full((20, 20), 700, np.uint16)
    images: list[NDArray[Any]] = [*deep, flat, generator.integers(3, 90, (20, 20)).astype(np.uint8)]
    for number, image in enumerate(images):
        (tmp_path / "ab"[number % 2]).mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / "ab"[number % 2] / f"{number}.png")
    source = open_source(tmp_path)
    loaded = load_images(source)
    ranges = [np.percentile(image, [0.5, 99.5], method="inverted_cdf").tolist() for image in deep]
    expected = dict(zip("01234", [*ranges, [0, 65535], [0, 255]], strict=True))
    assert loaded.windows.tolist() == [expected[name[2]] for name in source.sample_ids]


def test_floats_and_signed_integers_keep_their_values(tmp_path: Path) -> None:
    clean = np.linspace(-1024, 3000, 1000).reshape(10, 10, 10)
    for name, image in (("a", clean.astype(np.int16)), ("b", clean.astype(np.float32) / 7)):
        (tmp_path / name).mkdir()
        save_nifti(tmp_path / name / "1.nii", image)
    source = open_source(tmp_path)
    signed, floats = load_images(source, indices=[0]), load_images(source, indices=[1])
    assert (signed.images.dtype, floats.images.dtype) == (torch.int32, torch.float32)
    assert np.array_equal(floats.images[0].numpy(), clean[None].astype(np.float32) / 7)
    for loaded in (signed, floats):
        values = np.sort(loaded.images.double().numpy().ravel())[1:]
        assert loaded.windows[0].tolist() == np.percentile(values, [0.5, 99.5], method="inverted_cdf").tolist()
    both = load_images(source, size_px=8)
    assert both.images.shape == (2, 1, 8, 8, 8) and both.windows.shape == (2, 2)


def test_the_hash_follows_windows_too(tmp_path: Path) -> None:
    image = np.arange(400, dtype=np.uint16).reshape(20, 20)
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.fromarray(image).save(tmp_path / name / "1.png")
    source = open_source(tmp_path)
    before = load_images(source).sha256
    source.untouchable = lambda index, image=None: np.arange(400).reshape(1, 20, 20) > 200  # type: ignore[method-assign]
    assert load_images(source).sha256 != before


def test_images_of_several_sizes_need_a_size(tmp_path: Path) -> None:
    write_folders(tmp_path)
    Image.fromarray(np.zeros((20, 15), np.uint8)).save(tmp_path / "a" / "999.png")
    source = open_source(tmp_path)
    with pytest.raises(SourceError, match=r"999\.png.*\(1, 20, 15\).*image_size_px"):
        load_images(source)
    assert load_images(source, size_px=8).images.shape == (61, 1, 8, 8)


def test_grey_and_colour_do_not_mix(tmp_path: Path) -> None:
    write_folders(tmp_path)
    Image.fromarray(np.zeros((12, 12, 3), np.uint8)).save(tmp_path / "a" / "999.png")
    with pytest.raises(SourceError, match=r"999\.png.*one number of channels"):
        load_images(open_source(tmp_path), size_px=8)


def test_resizing_is_linear(tmp_path: Path) -> None:
    source = open_source(write_source(tmp_path / "s.npz"))
    larger = load_images(source, indices=[0], size_px=24).images[0, 0].numpy()
    expected = resize(source.read(0)[0].astype(float), (24, 24), order=1, mode="edge", anti_aliasing=False)
    assert larger == pytest.approx(expected, abs=1e-3)


def test_classes_are_matched_by_name(tmp_path: Path) -> None:
    source = open_source(write_folders(tmp_path, names=("cat", "dog")))
    assert np.array_equal(labels_by_name(source, ("dog", "ant", "cat")), np.where(source.labels == 0, 2, 0))
    with pytest.raises(SourceError, match=r"\['cat', 'dog'\] do not fit .*\['cat', 'cow'\]"):
        labels_by_name(source, ("cat", "cow"))
