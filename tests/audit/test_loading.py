from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.transform import resize

from monai_unlearnable.audit.loading import labels_by_name, load_images
from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources import open_source
from tests.audit.tiny import halves, write_folders, write_source


def test_images_are_the_stored_integers(tmp_path: Path) -> None:
    loaded = load_images(open_source(write_source(tmp_path / "s.npz")), indices=[3, 1])
    images, labels = halves(60, seed=0)
    assert loaded.images.dtype == torch.uint8
    assert np.array_equal(loaded.images.numpy()[:, 0], images[[3, 1]])
    assert loaded.labels.tolist() == labels[[3, 1]].tolist()
    assert (loaded.full_scale, loaded.class_count, loaded.channels, loaded.spatial_dims) == (255, 2, 1, 2)


def test_the_hash_follows_pixels_and_labels(tmp_path: Path) -> None:
    source = open_source(write_source(tmp_path / "s.npz"))
    same = open_source(write_source(tmp_path / "t.npz"))
    other = open_source(write_source(tmp_path / "u.npz", seed=1))
    assert load_images(source).sha256 == load_images(same).sha256 != load_images(other).sha256
    assert load_images(source).sha256 != load_images(source, class_names=("1", "0")).sha256


@pytest.mark.parametrize(("brightest", "full_scale"), [(200, 255), (300, 511), (4000, 4095), (65535, 65535)])
def test_sixteen_bit_files_are_scaled_by_the_bits_in_use(tmp_path: Path, brightest: int, full_scale: int) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.full((8, 8), brightest, np.uint16)).save(tmp_path / name / "1.png")
    loaded = load_images(open_source(tmp_path))
    assert loaded.full_scale == full_scale
    assert int(loaded.images.max()) == brightest


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
