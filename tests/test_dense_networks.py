from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from monai.networks.nets import AttentionUnet, SegResNet, UNet
from torch import Tensor, nn

from monai_unlearnable.dense_networks import small_attention_unet, small_segresnet, small_unet

BUILDERS = [small_unet, small_segresnet, small_attention_unet]


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("shape", [(28, 28), (7, 33), (16, 40), (9, 17, 20)], ids=str)
def test_every_pixel_gets_logits_whatever_the_size(build: Callable[..., nn.Module], shape: tuple[int, ...]) -> None:
    network = build(spatial_dims=len(shape), in_channels=2, num_classes=3)
    logits = network(torch.rand(2, 2, *shape))
    assert logits.shape == (2, 3, *shape)
    logits.sum().backward()
    assert all(torch.isfinite(one.grad).all() for one in network.parameters() if one.grad is not None)


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("shape", [(5, 21), (24, 16), (30, 20)], ids=str)
def test_they_are_monais_on_an_image_with_a_border_of_zeros(
    build: Callable[..., nn.Module], shape: tuple[int, ...]
) -> None:
    network = build(spatial_dims=2, in_channels=1, num_classes=2).eval()
    (inner,) = network.children()
    height, width = (max(16, (size + 7) // 8 * 8) for size in shape)
    top, left = (height - shape[0]) // 2, (width - shape[1]) // 2
    image = torch.rand(1, 1, *shape)
    bordered = torch.zeros(1, 1, height, width)
    bordered[:, :, top : top + shape[0], left : left + shape[1]] = image
    with torch.no_grad():
        expected = inner(bordered)[:, :, top : top + shape[0], left : left + shape[1]]
        assert torch.equal(network(image), expected)


def test_they_are_the_networks_of_their_names() -> None:
    kinds = [type(next(build(spatial_dims=2, in_channels=1, num_classes=2).children())) for build in BUILDERS]
    assert kinds == [UNet, SegResNet, AttentionUnet]


@pytest.mark.parametrize("build", BUILDERS)
def test_the_same_seed_gives_the_same_weights(build: Callable[..., nn.Module]) -> None:
    def weights(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return torch.cat([one.flatten() for one in build(spatial_dims=3, in_channels=1, num_classes=2).parameters()])

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"spatial_dims": 1}, "spatial_dims=1"),
        ({"in_channels": 0}, "in_channels=0"),
        ({"num_classes": 1}, "num_classes=1: .*background and a structure"),
    ],
)
def test_arguments_out_of_range_are_refused(
    build: Callable[..., nn.Module], wrong: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build(**{"spatial_dims": 2, "in_channels": 1, "num_classes": 2, **wrong})
