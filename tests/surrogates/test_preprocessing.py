from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.transform import resize

from monai_unlearnable.errors import BudgetError
from monai_unlearnable.surrogates import CentreCrop, IntensityWindow, ResampleTo


def noise(*shape: int) -> torch.Tensor:
    return 255 * torch.rand(shape, dtype=torch.float64)


@pytest.mark.parametrize("clip", [False, True])
def test_window_is_numpys(clip: bool) -> None:
    image = noise(2, 1, 5, 6) - 20
    expected = (image.numpy() - 50) / (200 - 50) * 2 - 1
    found = IntensityWindow(low_level=50, high_level=200, clip=clip)(image).numpy()
    np.testing.assert_allclose(found, np.clip(expected, -1, 1) if clip else expected, atol=1e-12)


def test_window_needs_a_width() -> None:
    with pytest.raises(BudgetError, match=r"window \[5, 5\] is empty"):
        IntensityWindow(low_level=5, high_level=5)


@pytest.mark.parametrize("size", [(14, 18), (9, 25)])
def test_enlarging_is_skimages(size: tuple[int, int]) -> None:
    image = noise(1, 1, 7, 9)
    expected = resize(image[0, 0].numpy(), size, order=1, mode="edge", anti_aliasing=False)
    np.testing.assert_allclose(ResampleTo(size_px=size)(image)[0, 0].numpy(), expected, atol=1e-4)


def shrink(line: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Shrink one line by a triangle as wide as the scale, a pixel at a time."""
    scale = len(line) / size
    out = np.zeros(size)
    for place in range(size):
        centre = (place + 0.5) * scale
        weight = np.maximum(0, 1 - np.abs((np.arange(len(line)) + 0.5 - centre) / scale))
        out[place] = (weight * line).sum() / weight.sum()
    return out


def test_shrinking_is_anti_aliased() -> None:
    image = noise(1, 1, 13, 16)
    rows = np.stack([shrink(row, 6) for row in image[0, 0].numpy()])
    expected = np.stack([shrink(column, 5) for column in rows.T]).T
    np.testing.assert_allclose(ResampleTo(size_px=(5, 6))(image)[0, 0].numpy(), expected, atol=1e-3)


def test_volumes_are_skimages() -> None:
    image = noise(1, 1, 4, 5, 6)
    expected = resize(image[0, 0].numpy(), (8, 10, 9), order=1, mode="edge", anti_aliasing=False)
    np.testing.assert_allclose(ResampleTo(size_px=[8, 10, 9])(image)[0, 0].numpy(), expected, atol=1e-4)


def test_same_size_is_the_same_tensor() -> None:
    image = noise(2, 1, 6, 6)
    assert ResampleTo(size_px=6)(image) is image


@pytest.mark.parametrize(
    ("size", "rows", "columns"), [(4, slice(1, 5), slice(2, 6)), ((3, 20), slice(1, 4), slice(0, 9))]
)
def test_crop_keeps_the_centre(size: int | tuple[int, int], rows: slice, columns: slice) -> None:
    image = noise(2, 1, 6, 9)
    assert torch.equal(CentreCrop(size_px=size)(image), image[:, :, rows, columns])


def test_crop_of_a_volume() -> None:
    image = noise(1, 2, 6, 5, 4)
    assert torch.equal(CentreCrop(size_px=2)(image), image[:, :, 2:4, 1:3, 1:3])
