"""Stripes tell classes apart, keep their meaning when images are resized, and are learnt sooner than blocks."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter  # type: ignore[import-untyped]
from torch import Tensor, nn
from torch.nn import functional

from monai_unlearnable.errors import BudgetError
from monai_unlearnable.networks import small_resnet
from monai_unlearnable.perturbations import Blocks, PatternFamily, Stripes


def shares_of_difference(patterns: Tensor) -> Tensor:
    flat = patterns.flatten(1)
    distance = (flat[:, None] != flat[None]).float().mean(2)
    return distance[~torch.eye(len(flat), dtype=torch.bool)]


@pytest.mark.parametrize("space", [(16, 16), (64, 64), (32, 48), (16, 16, 16), (16, 32, 16)])
@settings(max_examples=15)
@given(
    count=st.integers(2, 14),
    seed=st.integers(0, 2**63),
    family=st.sampled_from([Stripes(), Stripes(phases=2), Stripes(along_axes=True)]),
)
def test_any_two_differ_in_a_third_to_two_thirds_of_the_pixels(
    space: tuple[int, ...], count: int, seed: int, family: Stripes
) -> None:
    patterns = family.signs(count, space, seed=seed, sample_id="x")
    assert patterns.shape == (count, *space)
    assert set(patterns.unique().tolist()) == {-1.0, 1.0}
    assert float(shares_of_difference(patterns).min()) >= 0.3
    assert float(shares_of_difference(patterns).max()) <= 0.7


@given(count=st.integers(2, 14), seed=st.integers(0, 2**63))
def test_are_waves_of_one_frequency_by_fourier_transform(count: int, seed: int) -> None:
    for pattern in Stripes().signs(count, (32, 32), seed=seed).numpy():
        power = np.abs(np.fft.rfft2(pattern)) ** 2
        assert power[0, 0] == 0  # no change of mean brightness
        # A square wave has 8 / pi^2 of its power at its frequency; a second bin holds the mirrored half.
        assert np.sort(power.ravel())[-2:].sum() / power.sum() > 0.6
        row, column = np.unravel_index(int(power.argmax()), power.shape)
        assert row % 2 == 0 and column % 2 == 0  # sixteenths of a cycle per pixel
        assert max(min(row, 32 - row), column) >= 8  # no period longer than four pixels along both axes


@given(seed=st.integers(0, 2**63), dimensions=st.integers(2, 3))
def test_along_the_axes_each_pattern_has_period_four_along_one_of_its_own(seed: int, dimensions: int) -> None:
    axes = []
    for pattern in Stripes(along_axes=True).signs(dimensions, (16,) * dimensions, seed=seed):
        changing = [axis for axis in range(dimensions) if not torch.equal(pattern, pattern.roll(1, axis))]
        (axis,) = changing
        assert torch.equal(pattern.roll(2, axis), -pattern)
        axes.append(axis)
    assert sorted(axes) == list(range(dimensions))


def test_a_seed_gives_the_same_stripes_and_another_seed_others() -> None:
    one, again, other = (Stripes().signs(3, (32, 32), seed=seed) for seed in (5, 5, 6))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("size", [(192, 192), (96, 480), (300, 200)])
def test_of_large_images_are_enlarged_ones(size: tuple[int, int]) -> None:
    small = Stripes().signs(4, (96, 96), seed=2)
    large = Stripes(view_px=96).signs(4, size, seed=2)
    assert torch.equal(large, functional.interpolate(small[None], size=size, mode="nearest")[0])


def test_of_images_below_the_viewed_size_stay_on_their_pixels() -> None:
    assert torch.equal(Stripes(view_px=96).signs(2, (28, 28), seed=0), Stripes().signs(2, (28, 28), seed=0))


def test_a_viewed_size_is_taken_over_once() -> None:
    assert Stripes().seen_at(96) == Stripes(view_px=48) and Stripes().seen_at(9) == Stripes(view_px=8)
    assert Stripes().seen_at(None) == Stripes()
    assert Stripes(view_px=64).seen_at(96) == Stripes(view_px=64)
    assert Blocks().seen_at(96) == Blocks()


def correlations_of_a_filter_and_a_mean(patterns: Tensor) -> Tensor:
    """How far one 4x4 filter and the mean of its amplitude find each pattern out of two: (pattern, filter)."""
    filters = patterns[:, :4, :4]
    answers = functional.conv2d(patterns[:, None], filters[:, None]).abs().mean((2, 3))
    return answers / answers.sum(1, keepdim=True)


def test_one_filter_and_a_mean_find_stripes_and_not_blocks() -> None:
    stripes = correlations_of_a_filter_and_a_mean(Stripes().signs(2, (28, 28), seed=0))
    blocks = correlations_of_a_filter_and_a_mean(Blocks().signs(2, (28, 28), seed=0))
    assert float(stripes.diagonal().min()) > 0.75
    assert float(blocks.diagonal().min()) < 0.75


@pytest.mark.parametrize(
    ("family", "count", "space", "text"),
    [
        (Stripes(), 600, (32, 32), r"there are stripes for \d+ patterns, not for 600\. Take Blocks"),
        (Stripes(), 5, (1, 1), r"images of size \(1, 1\) are too small for the patterns of Stripes\(view_px=None\)"),
    ],
)
def test_refuses_what_cannot_be_shown(family: PatternFamily, count: int, space: tuple[int, ...], text: str) -> None:
    with pytest.raises(BudgetError, match=text):
        family.signs(count, space, seed=0)


def test_refuses_too_many_classes_early() -> None:
    with pytest.raises(BudgetError, match="there are stripes for"):
        Stripes().check(600)


def test_refuses_a_view_that_cannot_show_a_cycle() -> None:
    with pytest.raises(BudgetError, match="view_px=4: stripes need images of at least 8 pixels"):
        Stripes(view_px=4)


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("change", ["flip rows", "flip columns", "turn"])
def test_a_few_stay_apart_from_each_other_flipped_or_turned(count: int, change: str) -> None:
    for seed in range(4):
        patterns = Stripes().signs(count, (48, 48), seed=seed)
        changed = {
            "flip rows": patterns.flip(1),
            "flip columns": patterns.flip(2),
            "turn": torch.rot90(patterns, 1, (1, 2)),
        }[change]
        for row in range(count):
            for other in set(range(count)) - {row}:
                for shift in torch.cartesian_prod(torch.arange(16), torch.arange(16)).tolist():
                    moved = torch.roll(changed[row], shift, (0, 1))
                    assert abs(float((moved * patterns[other]).mean())) < 0.5


def first_losses(family: PatternFamily) -> float:
    """Mean loss of a small ResNet after 20 steps on random images, whose label only the pattern tells."""
    generator = torch.Generator().manual_seed(0)
    patterns = family.signs(2, (28, 28), seed=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = small_resnet(spatial_dims=2, in_channels=1, num_classes=2)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(30):
        smooth = functional.interpolate(torch.rand(32, 1, 7, 7, generator=generator), size=28, mode="bilinear")
        label = torch.randint(0, 2, (32,), generator=generator)
        loss = functional.cross_entropy(network(smooth * 2 - 1 + 16 / 255 * patterns[label][:, None]), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return float(np.mean(losses[-10:]))


def test_networks_learn_stripes_sooner_than_blocks() -> None:
    assert first_losses(Stripes()) < 0.5 * first_losses(Blocks())


@pytest.mark.parametrize("axes", [2, 3])
def test_of_two_phases_means_of_two_pixels_leave_both_as_much(axes: int) -> None:
    def kept(family: Stripes) -> Tensor:
        """Share of the power that means over two pixels along every axis leave, for each image and pattern."""
        drawn = [family.signs(6, (32,) * axes, seed=3, sample_id=str(name)) for name in range(20)]
        pool = functional.avg_pool2d if axes == 2 else functional.avg_pool3d
        return torch.stack([pool(one[:, None], 2).square().flatten(1).mean(1) for one in drawn])

    two = kept(Stripes(phases=2))
    assert float(two.min()) >= 0.25 and bool((two.amax(0) <= 2 * two.amin(0)).all())
    assert float(kept(Stripes()).min()) < 0.1


def test_of_two_phases_jpeg_files_keep_as_much_of_both() -> None:
    random = np.random.default_rng(0)
    smooth = gaussian_filter(random.normal(0, 1, (12, 28, 28)), (0, 3, 3))
    images = np.clip(120 + 300 * smooth, 16, 239)

    def kept(pattern: NDArray[np.float32], image: NDArray[np.float64]) -> float:
        delta = jpeg(image + 8 * pattern) - jpeg(image)
        return float((delta * pattern).mean() / 8)

    shares: dict[bytes, float] = {}
    for name in range(12):
        pattern = Stripes(phases=2).signs(2, (28, 28), seed=4, sample_id=str(name)).numpy()[name % 2]
        shares[pattern.tobytes()] = np.mean([kept(pattern, one) for one in images]).item()
    assert len(shares) == 4
    assert min(shares.values()) > 0.6


def jpeg(image: NDArray[np.float64]) -> NDArray[np.float64]:
    file = io.BytesIO()
    Image.fromarray(image.round().astype(np.uint8)).save(file, "JPEG", quality=10)
    return np.asarray(Image.open(file)).astype(np.float64)


def test_two_phases_are_those_of_one_wave_and_follow_from_the_image() -> None:
    family = Stripes(phases=2)
    space = (256, 256)  # whole numbers of cycles of every wave
    drawn = {name: family.signs(3, space, seed=5, sample_id=name) for name in map(str, range(60))}
    assert family.differs_by_image and not Stripes().differs_by_image
    assert torch.equal(drawn["7"], family.signs(3, space, seed=5, sample_id="7"))
    bins = [{int(np.abs(np.fft.rfft2(one[number].numpy())).argmax()) for one in drawn.values()} for number in range(3)]
    assert [len(one) for one in bins] == [1, 1, 1] and len(set.union(*bins)) == 3
    for number in range(3):
        waves = {tuple(one[number].flatten().tolist()) for one in drawn.values()}
        assert len(waves) == 2


def accuracy_of_least_squares(images: Tensor, labels: Tensor) -> float:
    half = len(images) // 2
    weights = torch.linalg.lstsq(images[:half], labels[:half, None]).solution[:, 0]
    return float(((images[half:] @ weights) * labels[half:] > 0).float().mean())


def test_without_the_direction_that_tells_classes_apart_two_phases_are_not_linear() -> None:
    random = torch.Generator().manual_seed(0)
    labels = torch.where(torch.rand(1600, generator=random) < 0.5, -1.0, 1.0)
    for phases, left in ((1, 0.0), (2, 3 / 8)):
        signs = [Stripes(phases=phases).signs(2, (16, 16), seed=1, sample_id=str(name)) for name in range(1600)]
        deltas = torch.stack([one[int(label > 0)] for one, label in zip(signs, labels, strict=True)]).flatten(1)
        images = deltas + torch.randn(deltas.shape, generator=random)
        assert accuracy_of_least_squares(images, labels) > 0.99
        direction = nn.functional.normalize(deltas[labels > 0].mean(0) - deltas[labels < 0].mean(0), dim=0)
        rest = deltas - (deltas @ direction)[:, None] * direction
        assert abs(accuracy_of_least_squares(images - (images @ direction)[:, None] * direction, labels) - 0.5) < 0.06
        # Of one phase nothing is left but what is the same for both classes.
        own = rest - rest[labels > 0].mean(0) * 0.5 - rest[labels < 0].mean(0) * 0.5
        assert abs(float(own.square().mean()) - left) < 0.05


def test_phases_are_checked_and_said_in_the_settings() -> None:
    assert Stripes().describe() == {"family": "stripes", "view_px": None}
    assert Stripes(phases=2).describe() == {"family": "stripes", "view_px": None, "phases": 2}
    assert Stripes(along_axes=True).describe() == {"family": "stripes", "view_px": None, "along_axes": True}
    for phases in (0, 3, 4):
        with pytest.raises(BudgetError, match=f"phases={phases}: a class has 1 or 2 phases"):
            Stripes(phases=phases)
