"""A denoiser trained on other images: what it takes off, what it leaves, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from monai_unlearnable.audit.adversaries import adversary_of
from monai_unlearnable.audit.loading import load_images
from monai_unlearnable.countermeasures import Denoised, DenoisedAs
from monai_unlearnable.errors import NotApplicableError, SourceError
from monai_unlearnable.sources import open_source
from tests.audit.tiny import RECIPE, write_source


def smooth_images(count: int, *, seed: int, space: tuple[int, ...] = (20, 24), channels: int = 1) -> list[NDArray[Any]]:
    """Broad waves between about 60 and 190 levels."""
    random = np.random.default_rng(seed)
    grid = np.indices(space)
    images = []
    for _ in range(count):
        phases = random.uniform(0, 2 * np.pi, (channels, len(space)))
        waves = [np.prod([np.sin(g / 4 + p) for g, p in zip(grid, phase, strict=True)], axis=0) for phase in phases]
        images.append(np.stack([125 + 65 * one for one in waves]).round().astype(np.uint8))
    return images


@pytest.fixture(scope="module")
def fitted() -> Denoised:
    return Denoised.fit(smooth_images(20, seed=0), steps=150)


@pytest.mark.parametrize("kind", ["pixels", "stripes"])
def test_additions_to_other_images_are_taken_off(fitted: Denoised, kind: str) -> None:
    random = np.random.default_rng(7)
    for image in smooth_images(5, seed=1):
        small = {"pixels": (20, 24), "stripes": (1, 24)}[kind]
        signs = random.choice([-8.0, 8.0], small)
        delta = signs.repeat(20 // small[0], axis=0).repeat(24 // small[1], axis=1)
        changed = (image + delta).round().clip(0, 255).astype(np.uint8)
        left = fitted(changed).astype(float) - image
        assert left.std() < 0.75 * delta.std(), kind


def test_clean_images_stay_nearly_as_they_are(fitted: Denoised) -> None:
    for image in smooth_images(5, seed=2):
        found = fitted(image)
        assert found.dtype == np.uint8 and found.shape == image.shape
        assert np.abs(found.astype(float) - image).mean() < 5


def test_an_image_of_one_value_stays(fitted: Denoised) -> None:
    found = fitted(np.full((1, 20, 24), 77, dtype=np.uint8))
    assert np.abs(found.astype(int) - 77).max() <= 1


@pytest.mark.parametrize(("space", "channels"), [((9, 40), 3), ((8, 9, 7), 2)])
def test_any_size_channels_and_volumes(space: tuple[int, ...], channels: int) -> None:
    images = smooth_images(3, seed=0, space=space, channels=channels)
    one, again, other = (Denoised.fit(images, steps=2, seed=seed) for seed in (0, 0, 1))
    larger = smooth_images(1, seed=1, space=tuple(side + 3 for side in space), channels=channels)[0].astype(np.int16)
    assert one(larger).shape == larger.shape and one(larger).dtype == np.int16
    assert one.describe() == again.describe() != other.describe()
    assert (one(larger) == again(larger)).all()


def test_refuses_what_it_was_not_trained_on(fitted: Denoised) -> None:
    with pytest.raises(NotApplicableError, match=r"an image of shape \(3, 20, 24\); the network was trained on images"):
        fitted(np.zeros((3, 20, 24), dtype=np.uint8))
    with pytest.raises(NotApplicableError, match="trained on images of 1 channels and 2 axes"):
        fitted(np.zeros((1, 20, 24, 5), dtype=np.uint8))
    mixed = [*smooth_images(1, seed=0), *smooth_images(1, seed=0, channels=3)]
    with pytest.raises(NotApplicableError, match="one number of axes and channels to be trained on, not of 2 kinds"):
        Denoised.fit(mixed)
    with pytest.raises(ValueError, match="steps=0: at least 1"):
        Denoised.fit(smooth_images(1, seed=0), steps=0)


def test_a_source_that_the_user_names(tmp_path: Path) -> None:
    other, clean = write_source(tmp_path / "another_institution's.npz", seed=9), write_source(tmp_path / "set.npz")
    victim = adversary_of(RECIPE, f"denoiser:{other}")
    assert victim.name == "tiny, denoiser:another_institution'" and not victim.is_plain
    described = victim.describe()["pictures"][0]
    assert {key: described[key] for key in ("countermeasure", "steps", "seed", "images")} == {
        "countermeasure": "DenoisedAs",
        "steps": 600,
        "seed": 0,
        "images": 60,
    }
    assert str(tmp_path) not in json.dumps(victim.describe()), "reports name no path"
    assert adversary_of(RECIPE, f"denoiser:{clean}").describe()["pictures"] != victim.describe()["pictures"]
    change = DenoisedAs(other, steps=3)
    images = load_images(open_source(clean), indices=range(3), pictures=[change])
    source = open_source(other)
    slow = Denoised.fit([source.read(index) for index in range(len(source))], steps=3)
    for number in range(3):
        assert (images.images[number].numpy() == slow(open_source(clean).read(number))).all()


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nothing"):
        adversary_of(RECIPE, f"denoiser:{tmp_path / 'nothing.npz'}")
