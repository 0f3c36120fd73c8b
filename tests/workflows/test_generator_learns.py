"""Training a generator makes its images easy for a network that has never seen it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from monai.losses import DiceCELoss
from PIL import Image
from torch import Tensor, nn

from monai_unlearnable.sources import open_source
from monai_unlearnable.workflows import GeneratorRecipe, protect

SIZE_PX = 24


def three_convolutions(*, spatial_dims: int, in_channels: int, num_classes: int) -> nn.Module:
    """A network that is trained in seconds, and sees 7 pixels around."""
    layers: list[nn.Module] = []
    for before, after in ((in_channels, 12), (12, 12)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(12, num_classes, 3, padding=1))


def faint_discs(folder: Path, *, count: int) -> Path:
    """Write grey pictures in which a disc of 10 levels hides among blocks of 60 to 180, and its masks."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        random = np.random.default_rng(number)
        rows, columns = np.mgrid[:SIZE_PX, :SIZE_PX]
        middle = random.integers(6, SIZE_PX - 6, 2)
        disc = (rows - middle[0]) ** 2 + (columns - middle[1]) ** 2 < random.integers(15, 40)
        blocks = random.integers(60, 180, (6, 6)).repeat(4, 0).repeat(4, 1) + random.integers(-10, 10, disc.shape)
        Image.fromarray((blocks + 10 * disc).astype(np.uint8)).save(folder / "images" / f"{number:03d}.png")
        Image.fromarray((255 * disc).astype(np.uint8)).save(folder / "masks" / f"{number:03d}.png")
    return folder


def loaded(folder: Path) -> tuple[Tensor, Tensor]:
    source = open_source(folder)
    images = [torch.from_numpy(source.read(at).astype(np.float32)) / 127.5 - 1 for at in range(len(source))]
    return torch.stack(images), torch.stack(
        [torch.as_tensor(source.label(at)).long()[None] for at in range(len(source))]
    )


def loss_of_a_fresh_network(images: Tensor, masks: Tensor, *, seed: int) -> float:
    """Train a new network for 50 steps; return its mean loss over the last 20."""
    torch.manual_seed(seed)
    network = three_convolutions(spatial_dims=2, in_channels=1, num_classes=2)
    optimizer, objective = torch.optim.AdamW(network.parameters(), 4e-3), DiceCELoss(to_onehot_y=True, softmax=True)
    losses = []
    for _ in range(50):
        chosen = torch.randperm(len(images))[:8]
        loss = objective(network(images[chosen]), masks[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return sum(losses[-20:]) / 20


def test_a_fresh_network_finds_generated_images_easier(tmp_path: Path) -> None:
    source = faint_discs(tmp_path / "set", count=40)
    trained = GeneratorRecipe(
        dense_networks=(three_convolutions,),
        epochs=20,
        pool=2,
        surrogate_steps=30,
        young_share=0.0,
        generator_learning_rate=2e-3,
        kept_share=0.0,  # no pattern: what is learnt is the network's own
    )
    # Deltas follow the mask before any training, too: what is learnt has to be more than that.
    untrained = replace(trained, epochs=1, generator_learning_rate=1e-9)
    for name, recipe in (("trained", trained), ("untrained", untrained)):
        protect(source, output=tmp_path / name, ledger=tmp_path / f"{name}_ledger", recipe=recipe, seed=3)
    masks = loaded(source)[1]
    for seed in range(2):
        clean, before, after = (
            loss_of_a_fresh_network(loaded(one)[0], masks, seed=seed)
            for one in (source, tmp_path / "untrained", tmp_path / "trained")
        )
        assert after < 0.85 * clean, (clean, before, after)
        assert after < 0.9 * before, (clean, before, after)
