from __future__ import annotations

import pytest
import torch
from torch import nn

from monai_unlearnable.surrogates import CentreCrop, IntensityWindow, ResampleTo, Surrogate


def network(spatial_dims: int = 2) -> nn.Sequential:
    if spatial_dims == 3:
        return nn.Sequential(nn.Conv3d(1, 2, 3), nn.BatchNorm3d(2), nn.Tanh(), nn.Flatten(), nn.LazyLinear(2))
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Tanh(), nn.Flatten(), nn.LazyLinear(2))


@pytest.mark.parametrize("shape", [(2, 1, 7, 9), (1, 1, 6, 7, 5)], ids=["picture", "volume"])
def test_gradient_reaches_the_native_pixels(shape: tuple[int, ...]) -> None:
    """The loss sees a windowed, cropped and resampled image; its slope is that of finite differences."""
    steps = nn.Sequential(IntensityWindow(), CentreCrop(size_px=5), ResampleTo(size_px=4))
    surrogate = Surrogate(network(len(shape) - 2), steps).double()
    image = (255 * torch.rand(shape, dtype=torch.float64)).requires_grad_()
    surrogate(image)  # the lazy layer takes its size
    with surrogate.frozen():
        assert torch.autograd.gradcheck(surrogate, (image,), eps=1e-3, atol=1e-6)
        (gradient,) = torch.autograd.grad(surrogate(image).sum(), image)
    assert gradient.shape == image.shape
    centre = CentreCrop(size_px=5)(gradient)
    assert bool((centre != 0).all())
    assert int((gradient != 0).sum()) == centre.numel(), "what was cropped off gets no gradient"


def test_clipped_pixels_get_no_gradient() -> None:
    image = torch.tensor([[[[10.0, 100.0, 240.0]]]], requires_grad=True)
    IntensityWindow(low_level=50, high_level=200, clip=True)(image).sum().backward()
    assert image.grad is not None
    assert (image.grad != 0).flatten().tolist() == [False, True, False]


def test_freezing_holds_weights_and_statistics_still_and_gives_them_back() -> None:
    surrogate = Surrogate(network(), IntensityWindow())
    image = 255 * torch.rand(4, 1, 8, 8)
    surrogate(image)
    surrogate.network[0].bias.requires_grad_(False)  # type: ignore[index]
    surrogate.network[2].eval()  # type: ignore[index]
    flags = [parameter.requires_grad for parameter in surrogate.parameters()]
    modes = [module.training for module in surrogate.modules()]
    statistics = surrogate.network[1].running_mean.clone()  # type: ignore[index]
    with pytest.raises(KeyboardInterrupt), surrogate.frozen() as frozen:
        assert frozen is surrogate
        assert not any(parameter.requires_grad for parameter in surrogate.parameters())
        assert not any(module.training for module in surrogate.modules())
        surrogate(image)
        raise KeyboardInterrupt
    assert [parameter.requires_grad for parameter in surrogate.parameters()] == flags
    assert [module.training for module in surrogate.modules()] == modes
    assert False in flags and False in modes and True in modes
    assert torch.equal(surrogate.network[1].running_mean, statistics)  # type: ignore[index]


def test_channels_last_gives_the_same_logits() -> None:
    torch.manual_seed(0)
    plain = Surrogate(network(), IntensityWindow()).eval()
    image = 255 * torch.rand(4, 1, 8, 8)
    logits = plain(image)
    last = Surrogate(plain.network, plain.preprocessing, channels_last=True)
    torch.testing.assert_close(last(image), logits)


def test_state_dict_has_weights_and_statistics() -> None:
    surrogate = Surrogate(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)), IntensityWindow())
    assert set(surrogate.state_dict()) >= {"network.0.weight", "network.1.running_mean"}


def test_channels_last_leaves_networks_of_volumes_as_they_are() -> None:
    volumes = Surrogate(
        nn.Sequential(nn.Conv3d(1, 2, 3), nn.Flatten(), nn.LazyLinear(2)), nn.Identity(), channels_last=True
    )
    assert volumes.channels_last is False
    assert volumes(torch.zeros(1, 1, 5, 5, 5)).shape == (1, 2)
