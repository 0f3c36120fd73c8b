from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.metrics import SSIMMetric
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from monai_unlearnable.audit import distances
from monai_unlearnable.audit.distances import difference_of, ssim
from monai_unlearnable.audit.fidelity import measure_fidelity
from monai_unlearnable.audit.loading import load_images
from monai_unlearnable.sources import open_source
from monai_unlearnable.sources.image_view import ImageView
from tests.sources.test_nifti_file import save_nifti


def _pair(*shape: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    generator = np.random.default_rng(seed)
    clean = generator.integers(10, 245, size=shape)
    return (clean + generator.integers(-8, 9, size=shape)).astype(np.uint8), clean.astype(np.uint8)


def _slow_ssim(released: NDArray[np.uint8], clean: NDArray[np.uint8], window: int) -> float:
    # scikit-image takes its Gaussian's radius from `truncate`: 3.5 * 1.5 sigma = 5, an 11 pixel window.
    assert window == 11
    _, values = structural_similarity(
        released, clean, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    return float(values[5:-5, 5:-5].mean())


@pytest.mark.parametrize("size", [16, 28])
def test_ssim_is_that_of_scikit_image(size: int) -> None:
    released, clean = _pair(3, 1, size, size)
    expected = [_slow_ssim(one[0], other[0], 11) for one, other in zip(released, clean, strict=True)]
    assert ssim(released, clean, peak=255) == pytest.approx(expected, abs=1e-4)


def test_ssim_of_colours_is_the_mean_over_channels() -> None:
    released, clean = _pair(1, 3, 20, 20)
    expected = np.mean([_slow_ssim(released[0, one], clean[0, one], 11) for one in range(3)])
    assert ssim(released, clean, peak=255)[0] == pytest.approx(expected, abs=1e-4)


def test_small_images_get_a_small_window_and_the_smallest_none() -> None:
    released, clean = _pair(2, 1, 6, 9)
    assert np.all((ssim(released, clean, peak=255) > 0.5) & (ssim(released, clean, peak=255) < 1))
    assert ssim(clean, clean, peak=255) == pytest.approx([1.0, 1.0])
    assert np.isnan(ssim(released[..., :2], clean[..., :2], peak=255)).all()


def test_psnr_is_that_of_scikit_image_and_infinite_for_equal_images() -> None:
    released, clean = _pair(4, 1, 12, 12)
    released[3] = clean[3]
    expected = [peak_signal_noise_ratio(clean[one], released[one], data_range=255) for one in range(3)]
    values = [difference_of(one, two, ImageView()).psnr_db(255) for one, two in zip(released, clean, strict=True)]
    assert values[:3] == pytest.approx(expected)
    assert np.isinf(values[3])


def _write(folder: Path, images: Mapping[str, NDArray[Any]]) -> Path:
    for name, image in images.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(target)
    return folder


def test_images_of_several_sizes_are_measured_one_by_one(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    sizes = {"a/1.png": (14, 20), "a/2.png": (14, 20), "b/3.png": (30, 16)}
    clean = {name: generator.integers(20, 200, size=size).astype(np.uint8) for name, size in sizes.items()}
    released = {name: image.copy() for name, image in clean.items()}
    released["a/2.png"][0, 0] += 5
    released["b/3.png"] += 2
    sources = [open_source(_write(tmp_path / name, one)) for name, one in (("r", released), ("c", clean))]
    found = measure_fidelity(sources[0], sources[1], [(0, 0), (1, 1), (2, 2)])
    assert (found.images, found.unchanged_images, found.incomparable_images) == (3, 1, 0)
    assert found.max_abs_levels is not None
    assert (found.max_abs_levels.minimum, found.max_abs_levels.median, found.max_abs_levels.maximum) == (0, 2, 5)
    assert found.mean_abs_levels is not None
    assert found.mean_abs_levels.median == pytest.approx(5 / 280)
    assert found.changed_share is not None
    assert found.changed_share.maximum == 1.0
    assert found.psnr_db is not None
    assert found.psnr_db.minimum == pytest.approx(20 * np.log10(255 / 2))


def test_pairs_of_different_shapes_are_counted_and_left_out(tmp_path: Path) -> None:
    one = _write(tmp_path / "r", {"a/1.png": np.zeros((12, 12), np.uint8), "b/2.png": np.zeros((12, 12), np.uint8)})
    two = _write(tmp_path / "c", {"a/1.png": np.zeros((13, 12), np.uint8), "b/2.png": np.ones((12, 12), np.uint8)})
    found = measure_fidelity(open_source(one), open_source(two), [(0, 0), (1, 1)])
    assert (found.images, found.incomparable_images) == (1, 1)


def test_twelve_bit_images_have_their_own_full_scale(tmp_path: Path) -> None:
    clean = np.full((12, 12), 4000, np.uint16)
    sources = [
        open_source(_write(tmp_path / name, {"a/1.png": one, "b/2.png": one}))
        for name, one in (("r", clean + 7), ("c", clean))
    ]
    found = measure_fidelity(sources[0], sources[1], [(0, 0)])
    assert found.full_scale == 4095
    assert found.max_abs_levels is not None
    assert found.max_abs_levels.maximum == 7


def test_signed_images_have_the_full_scale_of_all_their_levels(tmp_path: Path) -> None:
    clean = np.linspace(-1024, 3000, 1000).reshape(10, 10, 10).astype(np.int16)
    for name, image in (("r", clean + np.int16(7)), ("c", clean)):
        for number, label in enumerate("ab"):
            (tmp_path / name / label).mkdir(parents=True)
            save_nifti(tmp_path / name / label / f"{number}.nii", image)
    found = measure_fidelity(open_source(tmp_path / "r"), open_source(tmp_path / "c"), [(0, 0)])
    assert (found.full_scale, found.unchanged_images) == (4095, 0)
    assert found.psnr_db is not None and found.psnr_db.median == pytest.approx(20 * np.log10(4095 / 7))
    loaded = load_images(open_source(tmp_path / "c"))
    assert (int(loaded.images.min()), int(loaded.images.max())) == (-1024, 3000)


def test_floats_are_measured_in_their_own_values_beside_bytes(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    floats, small = generator.random((10, 10, 10)).astype(np.float32), generator.integers(0, 200, (10, 10, 10))
    for name, step in (("r", 1), ("c", 0)):
        for label, image in (("a", floats + np.float32(0.25 * step)), ("b", (small + 3 * step).astype(np.uint8))):
            (tmp_path / name / label).mkdir(parents=True)
            save_nifti(tmp_path / name / label / "1.nii", image)
    found = measure_fidelity(open_source(tmp_path / "r"), open_source(tmp_path / "c"), [(0, 0), (1, 1)])
    assert found.full_scale is None and found.unchanged_images == 0
    assert found.max_abs_levels is not None and found.psnr_db is not None
    assert found.max_abs_levels.minimum == pytest.approx(0.25, abs=1e-6) and found.max_abs_levels.maximum == 3
    expected = sorted([20 * np.log10(np.ptp(floats) / 0.25), 20 * np.log10(255 / 3)])
    assert [found.psnr_db.minimum, found.psnr_db.maximum] == pytest.approx(expected, rel=1e-4)


def test_every_image_is_measured_on_its_own_scale(tmp_path: Path) -> None:
    deep, flat = np.full((12, 12), 4000, np.uint16), np.full((12, 12), 90, np.uint8)
    images: dict[str, NDArray[Any]] = {"a/1.png": deep, "b/2.png": flat}
    release = _write(tmp_path / "r", {name: image + image.dtype.type(7) for name, image in images.items()})
    found = measure_fidelity(open_source(release), open_source(_write(tmp_path / "c", images)), [(0, 0), (1, 1)])
    assert found.full_scale is None and found.psnr_db is not None
    assert found.psnr_db.minimum == pytest.approx(20 * np.log10(255 / 7))
    assert found.psnr_db.maximum == pytest.approx(20 * np.log10(4095 / 7))


@pytest.mark.parametrize("shape", [(2, 1, 13, 14, 12), (1, 2, 6, 9, 11)])
def test_ssim_of_volumes_is_that_of_monai(shape: tuple[int, ...]) -> None:
    released, clean = _pair(*shape)
    window = min(11, (min(shape[2:]) - 1) // 2 * 2 + 1)
    metric = SSIMMetric(spatial_dims=3, data_range=255, win_size=window)
    expected = metric(torch.from_numpy(released).float(), torch.from_numpy(clean).float())
    assert isinstance(expected, torch.Tensor)
    assert ssim(released, clean, peak=255) == pytest.approx(expected.ravel().numpy(), abs=1e-5)


@pytest.mark.parametrize("shape", [(1, 1, 30, 12, 13), (2, 1, 30, 20)])
def test_ssim_part_by_part_is_that_of_the_whole(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    released, clean = _pair(*shape)
    whole = ssim(released, clean, peak=255)
    monkeypatch.setattr(distances, "_PART_VALUES", 2 * released[:, :, 0].size * 3)
    assert ssim(released, clean, peak=255) == pytest.approx(whole, abs=1e-6)


def test_ssim_of_a_volume_is_that_of_scikit_image() -> None:
    released, clean = _pair(14, 15, 16)
    _, values = structural_similarity(
        released, clean, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    found = ssim(released[None, None], clean[None, None], peak=255)[0]
    assert found == pytest.approx(float(values[5:-5, 5:-5, 5:-5].mean()), abs=1e-4)
