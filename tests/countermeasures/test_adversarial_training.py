"""The handler on stock trainers: the weights it leads to, and what it leaves as it was."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from ignite.engine import Events
from monai.data import CacheDataset, DataLoader, Dataset, MetaTensor
from monai.engines import SupervisedTrainer
from monai.handlers import from_engine
from monai.losses import DiceCELoss
from monai.transforms import AsDiscreted
from torch import Tensor, nn

from monai_unlearnable.countermeasures import AdversarialSteps, AdversarialTraining

STEPS = AdversarialSteps(radius=0.1, steps=3, random_start=False, low=0, high=1)


def dense_network(dimensions: int) -> nn.Sequential:
    torch.manual_seed(1)
    kind: Any = nn.Conv2d if dimensions == 2 else nn.Conv3d
    norm: Any = nn.BatchNorm2d if dimensions == 2 else nn.BatchNorm3d
    return nn.Sequential(kind(1, 4, 3, padding=1), norm(4), nn.ReLU(), nn.Dropout(0.0), kind(4, 2, 3, padding=1))


def label_network(dimensions: int) -> nn.Module:
    pool: Any = nn.AdaptiveAvgPool2d if dimensions == 2 else nn.AdaptiveAvgPool3d
    return nn.Sequential(dense_network(dimensions), pool(2), nn.Flatten(), nn.Linear(2 * 2**dimensions, 3))


def items(dimensions: int, *, dense: bool, count: int = 6) -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(0)
    space = (7, 6, 5)[:dimensions]
    made = []
    for number in range(count):
        image = torch.rand(1, *space, generator=generator)
        label = (torch.rand(1, *space, generator=generator) > 0.5).long() if dense else torch.tensor(number % 3)
        made.append({"image": image, "label": label})
    return made


def trainer_of(network: nn.Module, data: Any, loss: Any, handler: Any, **options: Any) -> SupervisedTrainer:
    return SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=2,
        train_data_loader=DataLoader(data, batch_size=2),
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.1),
        loss_function=loss,
        train_handlers=[] if handler is None else [handler],
        **{"decollate": False, **options},
    )


def slow_training(network: nn.Module, data: list[dict[str, Any]], loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Train as the trainer of this file, with adversarial images that are sought one by one."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(2):
        for at in range(0, len(data), 2):
            found = []
            network.eval()
            for one in data[at : at + 2]:
                image, label = one["image"][None], one["label"][None]
                moved = image.clone()
                for _ in range(3):
                    moved = moved.detach().requires_grad_()
                    loss(network(moved), label).backward()
                    assert moved.grad is not None
                    moved = moved.detach() + 0.2 / 3 * moved.grad.sign()
                    moved = torch.min(torch.max(moved, image - 0.1), image + 0.1).clamp(0, 1)
                found.append(moved)
            network.train()
            optimizer.zero_grad()
            loss(network(torch.cat(found)), torch.stack([one["label"] for one in data[at : at + 2]])).backward()
            optimizer.step()


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("dense", [False, True])
def test_a_stock_trainer_ends_with_the_weights_of_a_slow_adversarial_training(dimensions: int, dense: bool) -> None:
    network = dense_network(dimensions) if dense else label_network(dimensions)
    loss = nn.CrossEntropyLoss() if not dense else _mean_of_voxels
    other = copy.deepcopy(network)
    data = items(dimensions, dense=dense)
    trainer_of(network, Dataset(data), loss, AdversarialTraining(STEPS)).run()
    slow_training(other, data, loss)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[name], atol=1e-5, rtol=1e-4, msg=name)


def _mean_of_voxels(logits: Tensor, label: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits, label[:, 0])


def seen_by(trainer: SupervisedTrainer) -> list[Tensor]:
    """Collect what the network is trained on."""
    seen: list[Tensor] = []

    def collect(engine: Any) -> None:
        seen.append(torch.as_tensor(engine.state.output["image"]).detach().clone())

    trainer.add_event_handler(Events.ITERATION_COMPLETED, collect)
    trainer.run()
    return seen


def test_cached_images_stay_clean() -> None:
    data = CacheDataset(items(2, dense=False), transform=[], progress=False)
    before = [data[at]["image"].clone() for at in range(len(data))]
    seen = seen_by(trainer_of(label_network(2), data, nn.CrossEntropyLoss(), AdversarialTraining(STEPS)))
    assert all(torch.equal(one, data[at]["image"]) for at, one in enumerate(before))
    change = torch.cat(seen[:3]) - torch.stack(before)
    assert 0.05 < float(change.abs().max()) <= 0.1 + 1e-6


def test_a_share_of_the_batch_and_a_warm_up() -> None:
    data = items(2, dense=False)
    clean = torch.stack([one["image"] for one in data])
    handler = AdversarialTraining(STEPS, share=0.5, warm_up_epochs=2)
    seen = seen_by(trainer_of(label_network(2), Dataset(data), nn.CrossEntropyLoss(), handler))
    far = [
        (one - clean[at % 6 : at % 6 + 2]).flatten(1).abs().amax(1)
        for one, at in zip(seen, range(0, 12, 2), strict=True)
    ]
    assert all(int((one == 0).sum()) == 1 for one in far), "one of two"
    for number, one in enumerate(far, start=1):
        assert float(one.max()) == pytest.approx(0.1 * number / 6, abs=1e-6)


def test_the_same_seed_draws_the_same_wherever_a_training_begins() -> None:
    data, steps = items(2, dense=False), AdversarialSteps(radius=0.1, steps=1)

    def run(seed: int) -> list[Tensor]:
        torch.rand(seed + 1)
        return seen_by(
            trainer_of(label_network(2), Dataset(data), nn.CrossEntropyLoss(), AdversarialTraining(steps, seed=seed))
        )

    one, again, other = run(0), run(0), run(1)
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not torch.equal(one[0], other[0])


@pytest.mark.filterwarnings("ignore:.*GradScaler:FutureWarning", "ignore:.*CUDA is not available:UserWarning")
def test_works_with_meta_tensors_decollating_and_mixed_precision() -> None:
    data = items(2, dense=True)
    for number, one in enumerate(data):
        one["image"] = MetaTensor(one["image"], meta={"filename_or_obj": f"{number}.png"})
    names: list[str] = []

    def note(engine: Any) -> None:
        names.extend(one["image"].meta["filename_or_obj"] for one in engine.state.batch)

    trainer = trainer_of(
        dense_network(2),
        Dataset(data),
        DiceCELoss(to_onehot_y=True, softmax=True),
        AdversarialTraining(STEPS),
        decollate=True,
        amp=True,
        postprocessing=AsDiscreted("pred", argmax=True),
    )
    trainer.add_event_handler(Events.ITERATION_COMPLETED, note)
    trainer.run()
    assert names == [f"{number}.png" for number in range(6)] * 2
    assert from_engine("pred")(trainer.state.output)[0].shape == (1, 7, 6)


def test_weights_and_modes_are_left_as_they_were() -> None:
    network = dense_network(2)
    network[3].eval()
    next(network[0].parameters()).requires_grad_(False)
    trainer = trainer_of(network, Dataset(items(2, dense=True)), _mean_of_voxels, None)
    handler, steps = AdversarialTraining(STEPS), []

    def look(engine: Any) -> None:
        statistics = copy.deepcopy(network[1].state_dict())
        handler(engine)
        steps.append((network.training, network[3].training, network[1].training))
        assert all(torch.equal(value, statistics[name]) for name, value in network[1].state_dict().items())
        assert all(one.grad is None or not bool(one.grad.any()) for one in network.parameters())
        network.zero_grad()

    network.train()
    network[3].eval()
    trainer.add_event_handler(Events.ITERATION_STARTED(once=1), look)
    trainer.run()
    assert steps == [(True, False, True)]
    assert [one.requires_grad for one in network.parameters()] == [False, True, True, True, True, True]


def test_refuses_settings_and_other_batches() -> None:
    with pytest.raises(ValueError, match="share=0: above 0 and at most 1"):
        AdversarialTraining(STEPS, share=0)
    with pytest.raises(ValueError, match="warm_up_epochs=-1: counts epochs"):
        AdversarialTraining(STEPS, warm_up_epochs=-1)
    handler = AdversarialTraining(STEPS, image_key="picture")
    with pytest.raises(ValueError, match="a batch holds no tensor 'picture': this handler needs dictionaries"):
        trainer_of(label_network(2), Dataset(items(2, dense=False)), nn.CrossEntropyLoss(), handler).run()
