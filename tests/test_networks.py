from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from monai_unlearnable.networks import (
    small_densenet,
    small_linear,
    small_resnet,
    standard_densenet121,
    standard_resnet18,
)


@pytest.mark.parametrize(("spatial_dims", "channels"), [(2, 1), (2, 3), (3, 1)])
def test_small_resnet_maps_images_to_logits(spatial_dims: int, channels: int) -> None:
    network = small_resnet(spatial_dims=spatial_dims, in_channels=channels, num_classes=5)
    assert network(torch.zeros(2, channels, *(12,) * spatial_dims)).shape == (2, 5)


def test_small_resnet_has_the_widths_of_the_recipes() -> None:
    network = small_resnet(spatial_dims=2, in_channels=1, num_classes=2)
    stages = [network.layer1, network.layer2, network.layer3, network.layer4]
    assert [stage.get_submodule("0.conv2").out_channels for stage in stages] == [16, 32, 64, 128]
    assert [len(stage) for stage in stages] == [1, 1, 1, 1]
    assert network.conv1.kernel_size == (3, 3)
    assert network.conv1.stride == (1, 1)
    assert network.no_max_pool


@pytest.mark.parametrize("shape", [(7, 9), (16, 40), (20, 20), (5, 17, 9)], ids=str)
def test_small_densenet_is_monais_with_a_border_of_zeros(shape: tuple[int, ...]) -> None:
    network = small_densenet(spatial_dims=len(shape), in_channels=2, num_classes=3).eval()
    image = torch.rand(2, 2, *shape)
    larger = [max(32, size) if min(shape) < 16 else size for size in shape]
    bordered = torch.zeros(2, 2, *larger)
    inside = tuple(
        slice((whole - size) // 2, (whole - size) // 2 + size) for whole, size in zip(larger, shape, strict=True)
    )
    bordered[(slice(None), slice(None), *inside)] = image
    with torch.no_grad():
        assert torch.equal(network(image), network[1](bordered))
        assert network(image).shape == (2, 3)


@pytest.mark.parametrize("shape", [(28, 28), (12, 12, 12)], ids=str)
def test_small_linear_is_a_product_of_two_matrices(shape: tuple[int, ...]) -> None:
    network = small_linear(spatial_dims=len(shape), in_channels=2, num_classes=3)
    first, second = (one.detach().numpy() for one in network.parameters())
    image = torch.rand(4, 2, *shape)
    expected = image.flatten(1).numpy() @ first.T @ second.T
    assert network(image).detach().numpy() == pytest.approx(expected, abs=1e-5)
    assert [one.numel() for one in network.parameters()] == [64 * 2 * image[0, 0].numel(), 3 * 64]


@pytest.mark.parametrize("shape", [(96, 96), (20, 41), (96, 50, 33), (5, 9, 28)], ids=str)
def test_small_linear_is_linear_and_reaches_every_pixel_of_any_size(shape: tuple[int, ...]) -> None:
    network = small_linear(spatial_dims=len(shape), in_channels=1, num_classes=2).double()
    image, other = torch.rand(2, 1, 1, *shape, dtype=torch.float64).requires_grad_()
    (gradient,) = torch.autograd.grad(network(image)[0, 0], image)
    assert bool((gradient != 0).all())
    assert torch.allclose(network(3 * image - other), 3 * network(image) - network(other))


def test_the_same_seed_gives_the_same_weights() -> None:
    def weights(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return torch.cat(
            [one.flatten() for one in small_resnet(spatial_dims=2, in_channels=1, num_classes=2).parameters()]
        )

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


@pytest.mark.parametrize("build", [standard_resnet18, standard_densenet121])
def test_monais_networks_share_the_signature(build: Callable[..., nn.Module]) -> None:
    network = build(spatial_dims=2, in_channels=3, num_classes=4).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 4)


@pytest.mark.parametrize("build", [small_densenet, small_linear, small_resnet, standard_resnet18, standard_densenet121])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"spatial_dims": 1}, "spatial_dims=1"),
        ({"in_channels": 0}, "in_channels=0"),
        ({"num_classes": 0}, "num_classes=0"),
    ],
)
def test_arguments_out_of_range_are_refused(
    build: Callable[..., nn.Module], wrong: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build(**{"spatial_dims": 2, "in_channels": 1, "num_classes": 2, **wrong})
