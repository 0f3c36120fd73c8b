"""Waves that all images share are found and taken off, and little else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter  # type: ignore[import-untyped]
from torch import Tensor

from monai_unlearnable.countermeasures import Notched, shared_waves
from monai_unlearnable.errors import NotApplicableError
from monai_unlearnable.perturbations import Stripes


def textured(count: int, space: tuple[int, ...], *, channels: int = 1, seed: int = 0) -> Tensor:
    """Random images whose power falls with the frequency, as that of natural images does."""
    random = np.random.default_rng(seed)
    noise = random.normal(0, 1, (count, channels, *space))
    smooth = sum(gaussian_filter(noise, (0, 0, *[width] * len(space))) * width for width in (0.5, 1, 2))
    return torch.from_numpy(np.clip(128 + 20 * smooth, 20, 235)).float()


def striped(count: int, space: tuple[int, ...], *, phases: int, levels: float = 8.0, channels: int = 1) -> Tensor:
    """Deltas of two classes in turn."""
    rows = []
    for name in range(count):
        signs = Stripes(phases=phases).signs(2, space, seed=3, sample_id=str(name))
        rows.append(signs[name % 2].expand(channels, *space))
    return levels * torch.stack(rows)


@pytest.mark.parametrize(("space", "phases", "channels"), [((32, 32), 1, 1), ((48, 40), 2, 3), ((20, 18, 16), 2, 1)])
def test_stripes_are_taken_off(space: tuple[int, ...], phases: int, channels: int) -> None:
    clean, deltas = textured(60, space, channels=channels), striped(60, space, phases=phases, channels=channels)
    labels = torch.arange(60) % 2
    change = Notched().fit(clean + deltas, labels)
    filtered = torch.stack([torch.as_tensor(change(one)) for one in clean + deltas])
    bare = torch.stack([torch.as_tensor(change(one)) for one in clean])
    left = float(((filtered - bare) * deltas).sum() / deltas.square().sum())
    assert left < 0.25
    assert float((bare - clean).square().mean().sqrt()) < 0.5 * float((clean - clean.mean()).square().mean().sqrt())


def test_images_without_waves_stay_as_they_are() -> None:
    clean = textured(60, (32, 32))
    assert shared_waves(clean) == ()
    change = Notched().fit(clean, torch.zeros(60, dtype=torch.int64))
    np.testing.assert_allclose(np.asarray(change(clean[0])), clean[0], atol=1e-3)


@pytest.mark.parametrize("frequency", [(0.0, 0.21), (0.13, -0.3), (0.25, 0.25)])
def test_a_wave_is_found_nearer_than_the_images_own_frequencies(frequency: tuple[float, float]) -> None:
    down, across = torch.meshgrid(torch.arange(30), torch.arange(36), indexing="ij")
    random = torch.Generator().manual_seed(0)
    phases = torch.rand(40, 1, 1, 1, generator=random)
    wave = torch.cos(2 * torch.pi * (frequency[0] * down + frequency[1] * across + phases))
    (found, *_) = shared_waves(textured(40, (30, 36)) + 5 * wave)
    distances = [max(abs(sign * one - two) for one, two in zip(found, frequency, strict=True)) for sign in (1, -1)]
    assert min(distances) < 0.1 / 30


def test_least_squares_take_the_same_off() -> None:
    random = np.random.default_rng(0)
    images = textured(20, (24, 24)) + striped(20, (24, 24), phases=1)
    (frequency,) = shared_waves(images, waves=1)
    columns = []
    for order in (1, 3, 5):
        at = [(order * step + 0.5) % 1 - 0.5 for step in frequency]
        if np.hypot(at[0], at[1]) * 24 >= 4:
            cycles = at[0] * np.arange(24)[:, None] + at[1] * np.arange(24)[None]
            columns += [np.cos(2 * np.pi * cycles).ravel(), np.sin(2 * np.pi * cycles).ravel()]
    image = random.uniform(0, 255, (24, 24))
    flat = image.ravel() - image.mean()
    fitted = np.stack(columns, 1) @ np.linalg.lstsq(np.stack(columns, 1), flat, rcond=1e-3)[0]
    found = Notched(waves=1).fit(images, torch.zeros(20))(image[None])
    np.testing.assert_allclose(found[0].ravel(), image.ravel() - fitted, atol=1e-3)


def test_settings_and_sizes_are_checked() -> None:
    assert Notched().describe() == {"countermeasure": "Notched", "waves": 6, "tolerance": 5.0}
    with pytest.raises(ValueError, match=r"waves=0, tolerance=5\.0: at least 1 wave"):
        Notched(waves=0)
    with pytest.raises(ValueError, match=r"tolerance=1\.0: at least 1 wave, and more than 1 time"):
        Notched(tolerance=1.0)
    with pytest.raises(NotApplicableError, match=r"images of \(11, 40\) pixels; at least 12 along every axis"):
        Notched().fit(torch.zeros(2, 1, 11, 40), torch.zeros(2))
