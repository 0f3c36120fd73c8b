"""Training on the worst augmentation: which version is taken, and that masks move with their images."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Events
from monai.data import Dataset
from monai.transforms import Compose, RandFlipd, RandGaussianNoised, RandomizableTransform
from torch import Tensor, nn

from monai_unlearnable.countermeasures import GaussianAdded, ItemByItem, StronglyAugmented, WorstAugmentation, WorstOf
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
        network,
        Dataset(data),
        nn.CrossEntropyLoss(),
        WorstAugmentation(ItemByItem(transforms=Compose([brightened])), count=4),
    )
    trainer.add_event_handler(Events.ITERATION_STARTED, lambda _: states.append(copy.deepcopy(network.state_dict())))
    seen = seen_by(trainer)
    assert len(brightened.drawn) == 2 * len(data) * 4
    slow = label_network(2).eval()
    for step, batch in enumerate(seen):
        slow.load_state_dict(states[step])
        for row in range(2):
            number = (2 * step + row) % 6
            drawn = brightened.drawn[8 * step : 8 * step + 8][row::2]
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
        if len(label) == 2:  # of the training, not of single items that are compared
            pairs.append((seen[-1], label))
        return _mean_of_voxels(logits, label)

    seen: list[Tensor] = []
    network = dense_network(2)
    network.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    trainer_of(network, Dataset(data), loss, WorstAugmentation(ItemByItem(transforms=flips))).run()
    assert len(pairs) == 6
    assert all(torch.equal(torch.as_tensor(image), torch.as_tensor(label).float()) for image, label in pairs)
    assert all(torch.equal(one["image"], two["image"]) for one, two in zip(before, data, strict=True))


def test_the_same_seed_draws_the_same() -> None:
    def run(seed: int) -> list[Tensor]:
        torch.rand(seed + 1)
        np.random.rand(seed + 2)
        handler = WorstAugmentation(StronglyAugmented(), count=2, seed=seed)
        return seen_by(trainer_of(label_network(2), Dataset(items(2, dense=False)), nn.CrossEntropyLoss(), handler))

    one, again, other = run(0), run(0), run(1)
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True)) and not torch.equal(one[0], other[0])


class SeveralOutputs(nn.Module):
    """Gives its logits twice, as networks with deep supervision do."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = label_network(2)

    def forward(self, images: Tensor) -> list[Tensor]:
        logits = self.inner(images)
        return [logits, 2 * logits]


def test_losses_of_several_outputs_are_taken_item_by_item() -> None:
    def loss(outputs: Any, label: Tensor) -> Tensor:
        return nn.functional.cross_entropy(outputs[0], label) + nn.functional.cross_entropy(outputs[1], label)

    network = SeveralOutputs()
    data = items(2, dense=False, count=2)
    images, labels = (torch.stack([one[key] for one in data]) for key in ("image", "label"))
    states: list[dict[str, Tensor]] = []
    handler = WorstAugmentation(GaussianAdded(sigma=1.0), count=3, seed=5)
    trainer = trainer_of(network, Dataset(data), loss, handler)
    trainer.add_event_handler(Events.ITERATION_STARTED, lambda _: states.append(copy.deepcopy(network.state_dict())))
    batch = seen_by(trainer)[0]
    random = torch.Generator().manual_seed(5 * 1_000_003 + 1)
    versions = [images + torch.randn(images.shape, generator=random) for _ in range(3)]
    slow = SeveralOutputs().eval()
    slow.load_state_dict(states[0])
    for row in range(2):
        with torch.no_grad():
            losses = [float(loss(slow(one[row : row + 1]), labels[row : row + 1])) for one in versions]
        torch.testing.assert_close(batch[row], versions[int(np.argmax(losses))][row])


def test_settings_are_described_and_make_the_handler() -> None:
    worst = WorstOf(count=3)
    handler: Any = worst.handler(class_count=4, seed=7)
    assert (handler.count, handler.class_count, handler.seed) == (3, 4, 7)
    described = worst.describe()
    assert (described["countermeasure"], described["count"]) == ("WorstOf", 3)
    assert described["augmentation"] == {
        "countermeasure": "StronglyAugmented",
        "probability": 0.3,
        "brightness": 0.3,
        "contrast": 0.3,
        "sigma": 0.05,
    }
    chain = ItemByItem(transforms=Compose([RandFlipd("image")]))
    described = chain.describe()
    assert described["countermeasure"] == "ItemByItem" and described["transforms"][0]["transform"] == "RandFlipd"


def test_chains_are_told_apart_by_their_settings_and_not_by_what_they_drew() -> None:
    def chain(std: float) -> ItemByItem:
        return ItemByItem(transforms=Compose([RandGaussianNoised("image", prob=1.0, std=std)]))

    one = chain(0.1)
    before = json.dumps(one.describe(), sort_keys=True)
    one(torch.zeros(2, 1, 4, 4), torch.zeros(2), class_count=2, random=torch.Generator().manual_seed(0))
    assert json.dumps(one.describe(), sort_keys=True) == before == json.dumps(chain(0.1).describe(), sort_keys=True)
    assert chain(0.2).describe() != chain(0.1).describe()


def test_refuses_settings_and_other_batches() -> None:
    for several in (lambda: WorstAugmentation(StronglyAugmented(), count=1), lambda: WorstOf(count=1)):
        with pytest.raises(ValueError, match="count=1: from 2 to 100 versions are compared"):
            several()
    for keys, message in (
        ({"image_key": "picture"}, r"no tensor 'picture'.*with images; name their key \(image_key\)"),
        ({"label_key": "truth"}, r"no tensor 'truth'.*with labels; name their key \(label_key\)"),
    ):
        handler = WorstAugmentation(StronglyAugmented(), **keys)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=message):
            trainer_of(label_network(2), Dataset(items(2, dense=False)), nn.CrossEntropyLoss(), handler).run()
