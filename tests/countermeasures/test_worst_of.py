"""Training on the worst augmentation: which version is taken, and that masks move with their images."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Events
from monai.data import Dataset
from monai.transforms import Compose, RandFlipd, RandomizableTransform
from torch import Tensor, nn

from monai_unlearnable.countermeasures import WorstAugmentation, strong_augmentations
from tests.countermeasures.test_adversarial_training import (
    _mean_of_voxels,
    dense_network,
    items,
    label_network,
    seen_by,
    trainer_of,
)


class Brightened(RandomizableTransform):
    """Adds a drawn number to an image and notes it."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[float] = []

    def __call__(self, data: Any) -> Any:
        self.drawn.append(float(self.R.uniform(-1, 1)))
        return {**data, "image": data["image"] + self.drawn[-1]}


def test_each_image_gets_the_version_with_the_largest_loss() -> None:
    network, data = label_network(2), items(2, dense=False)
    brightened = Brightened()
    clean = torch.stack([one["image"] for one in data])
    states: list[dict[str, Tensor]] = []
    trainer = trainer_of(
        network, Dataset(data), nn.CrossEntropyLoss(), WorstAugmentation(Compose([brightened]), count=4)
    )
    trainer.add_event_handler(Events.ITERATION_STARTED, lambda _: states.append(copy.deepcopy(network.state_dict())))
    seen = seen_by(trainer)
    assert len(brightened.drawn) == 2 * len(data) * 4
    slow = label_network(2).eval()
    for step, batch in enumerate(seen):
        slow.load_state_dict(states[step])
        for row in range(2):
            number = (2 * step + row) % 6
            drawn = brightened.drawn[(2 * step + row) * 4 :][:4]
            label = data[number]["label"][None]
            with torch.no_grad():
                losses = [float(nn.functional.cross_entropy(slow(clean[number][None] + one), label)) for one in drawn]
            torch.testing.assert_close(batch[row], clean[number] + drawn[int(np.argmax(losses))])


def test_masks_move_with_their_images_and_cached_items_stay() -> None:
    data = items(2, dense=True)
    for one in data:
        one["image"] = one["label"].float()
    before = copy.deepcopy(data)
    flips = Compose([RandFlipd(["image", "label"], prob=0.5, spatial_axis=-1)])
    pairs: list[tuple[Tensor, Tensor]] = []

    def loss(logits: Tensor, label: Tensor) -> Tensor:
        pairs.append((seen[-1], label))
        return _mean_of_voxels(logits, label)

    seen: list[Tensor] = []
    network = dense_network(2)
    network.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    trainer_of(network, Dataset(data), loss, WorstAugmentation(flips)).run()
    assert all(torch.equal(torch.as_tensor(image), torch.as_tensor(label).float()) for image, label in pairs)
    assert all(torch.equal(one["image"], two["image"]) for one, two in zip(before, data, strict=True))


def test_the_same_seed_draws_the_same() -> None:
    def run(seed: int) -> list[Tensor]:
        torch.rand(seed + 1)
        np.random.rand(seed + 2)
        handler = WorstAugmentation(strong_augmentations(spatial_dims=2), count=2, seed=seed)
        return seen_by(trainer_of(label_network(2), Dataset(items(2, dense=False)), nn.CrossEntropyLoss(), handler))

    one, again, other = run(0), run(0), run(1)
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True)) and not torch.equal(one[0], other[0])


@pytest.mark.parametrize("dimensions", [2, 3])
def test_strong_augmentations_keep_shapes_and_masks_whole(dimensions: int) -> None:
    chain = strong_augmentations(spatial_dims=dimensions, mask_keys=("label",))
    changed = 0
    for item in items(dimensions, dense=True):
        found = chain(item)
        assert found["image"].shape == item["image"].shape and bool(torch.isfinite(found["image"]).all())
        assert set(torch.as_tensor(found["label"]).unique().tolist()) <= {0, 1}
        changed += not torch.equal(torch.as_tensor(found["image"]), item["image"])
    assert changed > 3


def test_refuses_settings_and_other_batches() -> None:
    with pytest.raises(ValueError, match="count=1: at least 2 versions are compared"):
        WorstAugmentation(Compose([]), count=1)
    handler = WorstAugmentation(Compose([]), image_key="picture")
    with pytest.raises(ValueError, match="a batch holds no tensor 'picture'"):
        trainer_of(label_network(2), Dataset(items(2, dense=False)), nn.CrossEntropyLoss(), handler).run()
