"""The generator's network: which patterns it starts from, and that they are part of its weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from monai_unlearnable.errors import BudgetError
from monai_unlearnable.perturbations import Checks, PatternedGenerator, PatternFamily, Stripes, small_generator
from monai_unlearnable.perturbations.generator import label_planes


def silent(dimensions: int, channels: int, classes: int, *, seed: int = 0) -> PatternedGenerator:
    """Return one whose convolutions give nothing, so that the start is all there is."""
    torch.manual_seed(seed)
    network = small_generator(spatial_dims=dimensions, in_channels=channels, num_classes=classes)
    assert isinstance(network.last.weight, nn.Parameter) and network.last.bias is not None
    nn.init.zeros_(network.last.weight)
    nn.init.zeros_(network.last.bias)
    return network


@pytest.mark.parametrize("patterns", [Stripes(), Checks()])
@pytest.mark.parametrize("channels", [1, 3])
def test_starts_from_the_pattern_of_each_voxels_class(patterns: PatternFamily, channels: int) -> None:
    network, space, shares = silent(3, channels, 3), (10, 9, 12), (0.25, 1.0, 0.5)
    network.patterns = patterns
    network.keep(0.6, strengths=shares, opposed_channels=True)
    mask = torch.randint(0, 3, (2, 1, *space), generator=torch.Generator().manual_seed(1))
    image = torch.rand(2, channels, *space)
    with torch.no_grad():
        given = network(torch.cat([image, label_planes(mask, space, 3)], dim=1))
    signs = patterns.signs(3, space, seed=int(network.seed))
    expected = torch.empty(2, channels, *space)
    for row in range(2):
        for channel in range(channels):
            for number in range(3):
                wave = signs[number] * shares[number] * (-1 if channel % 2 else 1)
                here = mask[row, 0] == number
                expected[row, channel][here] = 0.6 * wave[here]
    torch.testing.assert_close(given, expected)


def test_all_classes_are_equally_strong_until_told_otherwise() -> None:
    network = silent(2, 2, 2)
    planes = torch.cat([torch.zeros(1, 2, 16, 16), label_planes(torch.tensor([1]), (16, 16), 2)], dim=1)
    with torch.no_grad():
        given = network(planes)
    torch.testing.assert_close(given.abs(), torch.full_like(given, 0.7))
    assert torch.equal(given[:, 0], given[:, 1])


def test_patterns_are_part_of_the_weights() -> None:
    one, other = silent(2, 1, 2, seed=1), silent(2, 1, 2, seed=2)
    one.keep(0.5, strengths=(0.25, 1.0), opposed_channels=False)
    planes = label_planes(torch.randint(0, 2, (1, 1, 24, 24)), (24, 24), 2)
    assert not torch.equal(one.pattern(planes), other.pattern(planes))
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.pattern(planes), other.pattern(planes)) and float(other.kept) == 0.5
    assert torch.equal(silent(2, 1, 2, seed=1).seed, one.seed)


def test_the_network_has_what_the_patterns_leave() -> None:
    torch.manual_seed(0)
    network = small_generator(spatial_dims=2, in_channels=3, num_classes=2)
    with torch.no_grad():
        network.last.weight.mul_(1e4)  # all of it
        planes = torch.cat([torch.rand(1, 3, 16, 16), label_planes(torch.tensor([1]), (16, 16), 2)], dim=1)
        for share in (0.0, 0.6, 1.0):
            network.keep(share, strengths=(0.25, 1.0), opposed_channels=True)
            own = network(planes) - share * network.pattern(planes[:, 3:])
            assert float(own.abs().max()) == pytest.approx(1 - share, abs=1e-5)
            assert float(network(planes).abs().max()) <= 1


def test_refuses_what_does_not_fit() -> None:
    network = silent(2, 1, 2)
    with pytest.raises(ValueError, match="3 strengths, but there are 2 classes"):
        network.keep(0.5, strengths=(1.0, 1.0, 1.0), opposed_channels=False)
    with pytest.raises(ValueError, match=r"share=1\.5: patterns keep from 0 to 1"):
        network.keep(1.5, strengths=(1.0, 1.0), opposed_channels=False)
    with pytest.raises(BudgetError, match=r"there are stripes for \d+ patterns, not for 500"):
        small_generator(spatial_dims=2, in_channels=1, num_classes=500)
    with pytest.raises(ValueError, match="spatial_dims=4: networks are built for 2"):
        small_generator(spatial_dims=4, in_channels=1, num_classes=2)
