"""Differentiable stand-ins for countermeasures."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from monai.transforms import Compose
from PIL import Image
from scipy.fft import dctn  # type: ignore[import-untyped]

from monai_unlearnable.surrogates import RandJpegStandInd, RandUniformShiftd, ReaderWays
from monai_unlearnable.surrogates.stand_ins import _cosines, jpeg_stand_in, usual_countermeasures


def picture(height: int, width: int, *, seed: int = 0) -> np.ndarray:
    """A picture with coarse and fine parts, far from black and white."""
    random = np.random.default_rng(seed)
    coarse = np.kron(random.integers(70, 180, (-(-height // 7), -(-width // 7))), np.ones((7, 7)))[:height, :width]
    return np.clip(coarse + random.normal(0, 6, (height, width)), 20, 235).round().astype(np.uint8)


@pytest.mark.parametrize("quality", [10, 30, 50, 75, 95])
@pytest.mark.parametrize("size", [(24, 32), (28, 28), (17, 30)])
def test_a_grey_picture_comes_out_as_from_a_real_file(quality: int, size: tuple[int, int]) -> None:
    levels = picture(*size)
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "JPEG", quality=quality)
    real = np.asarray(Image.open(file)).astype(float)
    seen = torch.from_numpy(levels.astype(np.float64))[None, None] / 127.5 - 1
    found = ((jpeg_stand_in(seen, quality=quality)[0, 0] + 1) * 127.5).numpy()
    rows, columns = (side - side % 8 for side in size)  # encoders are free in how they fill a border
    wrong = np.abs(found - real)[:rows, :columns]
    # A decoder rounds to whole levels. An encoder's whole-number transform may round a coefficient the other way, which
    # is seen in that whole block; at fine quality that happens often, and is small.
    blocks = wrong.reshape(rows // 8, 8, columns // 8, 8).max((1, 3))
    assert np.median(wrong) < 0.4
    assert wrong.max() < 3 if quality == 95 else (blocks <= 1.01).mean() > 0.6
    assert np.abs(levels - real).mean() > 1, "the file changes something"


def test_the_transform_of_a_block_is_scipys() -> None:
    block = np.random.default_rng(0).normal(size=(8, 8))
    basis = _cosines().numpy()
    assert np.allclose(basis @ block @ basis.T, dctn(block, norm="ortho"))


def test_the_gradient_goes_straight_through_the_rounding() -> None:
    image = torch.rand(2, 3, 12, 20, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(2, 3, 12, 20, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((jpeg_stand_in(image, quality=40) * weights).sum(), image)
    # Without rounding it is the identity, but for the border that is repeated.
    assert torch.allclose(gradient[..., :8, :16], weights[..., :8, :16])


def test_a_random_quality_is_drawn_within_its_range(monkeypatch: pytest.MonkeyPatch) -> None:
    from monai_unlearnable.surrogates import stand_ins

    drawn: list[float] = []

    def remember(images: torch.Tensor, *, quality: float) -> torch.Tensor:
        drawn.append(quality)
        return images

    monkeypatch.setattr(stand_ins, "jpeg_stand_in", remember)
    change = RandJpegStandInd("image", qualities=(20, 60))
    change.set_random_state(seed=0)
    for _ in range(50):
        change({"image": torch.zeros(1, 8, 8)})
    assert 20 <= min(drawn) < 30 and 50 < max(drawn) <= 60


@pytest.mark.parametrize("shape", [(2, 16, 16), (1, 8, 9, 10)], ids=str)
def test_a_uniform_draw_fills_its_radius_and_no_more(shape: tuple[int, ...]) -> None:
    change = RandUniformShiftd("image", radius=0.25)
    change.set_random_state(seed=1)
    image = torch.rand(shape)
    moved = change({"image": image})["image"] - image
    assert float(moved.abs().max()) <= 0.25 + 1e-6
    assert float(moved.abs().mean()) == pytest.approx(0.125, abs=0.01)
    again = RandUniformShiftd("image", radius=0.25)
    again.set_random_state(seed=1)
    assert torch.equal(again({"image": image})["image"] - image, moved)
    assert not torch.equal(again({"image": image})["image"] - image, moved), "the next draw is another one"


@pytest.mark.parametrize("shape", [(2, 3, 24, 30), (2, 1, 14, 12, 16)], ids=["pictures", "volumes"])
def test_the_usual_countermeasures_are_each_drawn_and_let_a_gradient_through(shape: tuple[int, ...]) -> None:
    image = torch.rand(shape, requires_grad=True)
    ways = ReaderWays(Compose(usual_countermeasures(spatial_dims=len(shape) - 2).transforms), seed=3)
    found = set()
    for _ in range(24):
        spread = ways(image, lambda seen: seen.flatten(1).std(1, keepdim=True))
        (gradient,) = torch.autograd.grad(spread.sum(), image)
        assert bool(torch.isfinite(gradient).all()) and bool(gradient.any())
        found.add(round(float(spread.detach()[0]), 5))
    kinds = 4 if len(shape) == 4 else 3
    assert len(found) >= kinds
    assert round(float(image.detach()[0].std()), 5) in found, "some readers do nothing"
