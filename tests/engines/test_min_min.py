"""A generator and its surrogates lower one loss; surrogates start anew; a killed training goes on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ignite.engine import Events
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedTrainer
from torch import Tensor, nn

from monai_unlearnable.engines import (
    GeneratorWithSurrogates,
    PrepareGeneratorViews,
    ProtectionEngine,
    RenewSurrogates,
    SaveProtection,
    TrainGenerator,
    ViewLimits,
)
from monai_unlearnable.errors import DivergedError
from monai_unlearnable.perturbations import GeneratedDeltas, PerturbationBatch
from monai_unlearnable.stores import MappedStore
from monai_unlearnable.surrogates import IntensityWindow, Surrogate
from tests.contracts.toys import OneLayer, one_layer_generator
from tests.engines.small_run import BUDGET, header, samples


def limits(count: int, *, radius: float = 8.0) -> ViewLimits:
    numbers = (radius, 2 / 255, -1.0, 1.0)
    return ViewLimits(*(torch.full((count,), one) for one in numbers))


class _Same(nn.Module):
    """Logits that are the image."""

    def forward(self, image: Tensor) -> Tensor:
        return image


def dense_network(*, generator: Surrogate | None = None, **options: Any) -> GeneratorWithSurrogates:
    made = one_layer_generator(2) if generator is None else generator
    settings: dict[str, Any] = {"num_classes": 2, "on_half_grid": False, **options}
    return GeneratorWithSurrogates(made, [Surrogate(_Same(), nn.Identity())], **settings)


def test_logits_of_voxels_are_moved_back() -> None:
    view = torch.rand(2, 1, 12, 17) * 2 - 1
    label = (view > 0).long()
    network, moved = dense_network(), set()
    for step in range(12):
        network.steps.fill_(step)
        seen: list[Tensor] = []
        hook = (
            network.surrogates[0]
            .get_submodule("network")
            .register_forward_hook(lambda _, given, __, to=seen: to.append(given[0]))
        )
        logits = network(view, label=label, limits=limits(2))
        hook.remove()
        expected = network.protect(view, label, limits(2))
        assert torch.equal(logits, expected)
        moved.add(tuple(seen[0].flatten().tolist()))
    assert len(moved) > 9, "flips and shifts differ from step to step"
    plain = dense_network(flip=False, shift_share=0.0)
    assert torch.equal(plain(view, label=label, limits=limits(2)), plain.protect(view, label, limits(2)))


def test_moves_follow_from_the_seed_and_the_step_alone() -> None:
    view, label = torch.rand(1, 1, 12, 12), torch.tensor([1])
    one, other = dense_network(seed=4), dense_network(seed=4)
    torch.rand(3)
    assert one._draw((12, 12), 7) == other._draw((12, 12), 7) != dense_network(seed=5)._draw((12, 12), 7)
    one(view, label=label, limits=limits(1))
    assert int(one.steps) == 1
    one.eval()(view, label=label, limits=limits(1))
    assert int(one.steps) == 1, "only training counts"


def test_views_carry_what_a_release_would() -> None:
    image = torch.randint(0, 256, (2, 1, 10, 10), generator=torch.Generator().manual_seed(1)).float()
    image[0, 0, :3] = 0
    network, label = dense_network(), torch.tensor([0, 1])
    method = GeneratedDeltas(budget=BUDGET, generator=network.generator, num_classes=2)
    levels = method.improve(_batch(image, label))
    protected = network.protect(IntensityWindow()(image), label, limits(2))
    released = IntensityWindow()((image + levels.round()).clamp(0, 255))
    torch.testing.assert_close(protected, released, atol=1e-5, rtol=0)


def _batch(image: Tensor, label: Tensor) -> PerturbationBatch:
    return PerturbationBatch(image, label, torch.zeros_like(image), sample_ids=("a", "b"))


def test_resampled_views_have_deltas_on_half_their_grid() -> None:
    view = torch.zeros(1, 1, 8, 8)
    view[..., 3, 3] = 0.3
    delta = dense_network(on_half_grid=True).protect(view, torch.tensor([0]), limits(1)) - view
    blocks = delta.reshape(4, 2, 4, 2).movedim(2, 1).flatten(2)
    torch.testing.assert_close(blocks, blocks[..., :1].expand_as(blocks), atol=1e-5, rtol=0)
    assert float(delta.detach().std()) > 0


@pytest.mark.parametrize("l2", [False, True])
def test_what_may_not_change_does_not(l2: bool) -> None:
    view, allowed = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    allowed[..., :2] = 1
    network, label = dense_network(l2=l2), torch.tensor([0])
    delta = network.protect(view, label, limits(1), allowed) * 127.5
    # On the sphere a quarter of the voxels has what all would have: twice as much each.
    expected = 16.0 if l2 else round(8 * float(torch.tanh(torch.tensor(0.9))))
    torch.testing.assert_close(delta, expected * allowed)
    assert torch.equal(network(view, label=label, limits=limits(1), allowed=torch.zeros_like(allowed)), view)


def test_an_l2_radius_is_spread_over_the_voxels() -> None:
    view = torch.zeros(1, 1, 8, 8)
    delta = dense_network(l2=True).protect(view, torch.tensor([0]), limits(1, radius=5)) * 127.5
    torch.testing.assert_close(delta, torch.full_like(delta, 5.0))


def test_the_gradient_reaches_generator_and_surrogate_through_the_rounding() -> None:
    network = GeneratorWithSurrogates(one_layer_generator(2), [_linear(), _linear()], num_classes=2, on_half_grid=False)
    view, label = torch.rand(4, 1, 12, 12) * 0.5, torch.tensor([0, 1, 0, 1])
    nn.functional.cross_entropy(network(view, label=label, limits=limits(4)), label).backward()
    used, idle = network.surrogates
    assert all(one.grad is not None and bool(one.grad.any()) for one in network.generator.parameters())
    assert all(one.grad is not None for one in used.parameters())
    assert all(one.grad is None for one in idle.parameters())
    assert network.turn == 1


def _linear(seed: int = 0) -> Surrogate:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = nn.Sequential(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(256, 2))
    return Surrogate(layers, nn.Identity())


@pytest.mark.parametrize(("pool", "steps"), [(1, 5), (2, 5), (3, 4)])
def test_surrogates_start_anew_at_different_times(pool: int, steps: int) -> None:
    network = GeneratorWithSurrogates(
        one_layer_generator(2),
        [_linear(at) for at in range(pool)],
        num_classes=2,
        on_half_grid=False,
        life_steps=steps,
    )
    asked: list[tuple[int, int, int]] = []

    def weights(number: int, start: int) -> dict[str, Tensor]:
        asked.append((int(network.steps), number, start))
        return _linear(100 + number).state_dict()

    optimizer = torch.optim.AdamW(network.parameters())
    for one in network.parameters():
        optimizer.state[one] = {"step": torch.tensor(1.0)}
    renew, engine = RenewSurrogates(weights), SimpleNamespace(network=network, optimizer=optimizer)
    for step in range(40 * pool):
        network.steps.fill_(step)
        renew(engine)
    own = [[step // pool for step, number, _ in asked if number == at] for at in range(pool)]
    assert [one[0] for one in own] == [steps - at * steps // pool for at in range(pool)]
    assert all(set(torch.tensor(one).diff().tolist()) == {steps} for one in own)
    assert [start for _, number, start in asked if number == 0] == list(range(1, len(own[0]) + 1))
    assert all(
        torch.equal(value, _linear(100).state_dict()[key]) for key, value in network.surrogates[0].state_dict().items()
    )
    assert set(optimizer.state) == set(network.generator.parameters())


def test_the_generator_does_not_follow_young_surrogates() -> None:
    surrogates = [Surrogate(nn.Conv2d(1, 2, 3, padding=1), nn.Identity()) for _ in range(3)]
    network = GeneratorWithSurrogates(
        one_layer_generator(2), surrogates, num_classes=2, on_half_grid=False, life_steps=10, young_share=0.4
    )
    view, label = torch.rand(1, 1, 12, 12), torch.tensor([1])
    count, followed = len(surrogates), []
    for step in range(20 * count):
        network.zero_grad()
        turn = network.turn
        network(view, label=label, limits=limits(1)).sum().backward()
        with_gradient = [one.grad is not None for one in network.generator.parameters()]
        assert len(set(with_gradient)) == 1 and next(network.surrogates[turn].parameters()).grad is not None
        age = (step // count + turn * 10 // count) % 10
        assert with_gradient[0] == (age >= 4), (step, age)
        followed.append(with_gradient[0])
    assert 0 < sum(followed) < len(followed)


class Training:
    """A generator's training on the images of ``small_run`` and one pass after it, on disk."""

    def __init__(self, folder: Path, *, epochs: int = 4, learning_rate: float = 0.05) -> None:
        data = samples()
        for one in data:
            one["view"] = IntensityWindow()(one["image"])
        views = [{**one, "image": one["view"]} for one in data]
        self.network = GeneratorWithSurrogates(
            Surrogate(OneLayer(2), IntensityWindow()),
            [_linear(1), _linear(2)],
            num_classes=2,
            on_half_grid=False,
            seed=3,
            life_steps=4,
        )
        self.trainer = SupervisedTrainer(
            device=torch.device("cpu"),
            max_epochs=epochs,
            train_data_loader=DataLoader(Dataset(views), batch_size=8),
            network=self.network,
            optimizer=torch.optim.AdamW(self.network.parameters(), lr=learning_rate),
            loss_function=nn.CrossEntropyLoss(),
            prepare_batch=PrepareGeneratorViews(lambda ids: limits(len(ids))),
            decollate=False,
            optim_set_to_none=True,
        )
        RenewSurrogates(lambda number, start: _linear(10 * start + number).state_dict()).attach(self.trainer)
        path = folder / "store"
        self.store = MappedStore.open(path) if path.exists() else MappedStore.create(path, header("generator"))
        items = {"networks": self.network, "optimizer": self.trainer.optimizer, "trainer": self.trainer}
        self.save = SaveProtection(folder / "checkpoint", store=self.store, save_dict=items)
        self.engine = ProtectionEngine(
            device=torch.device("cpu"),
            max_epochs=1,
            train_data_loader=DataLoader(Dataset(data), batch_size=8),
            perturbation=GeneratedDeltas(budget=BUDGET, generator=self.network.generator, num_classes=2),
            store=self.store,
            decollate=False,
            train_handlers=[TrainGenerator(self.trainer, epochs=epochs, save=self.save, save_every=1), self.save],
        )


def test_a_killed_training_goes_on_to_the_same_deltas(tmp_path: Path) -> None:
    whole = Training(tmp_path / "whole")
    whole.engine.run()
    broken = Training(tmp_path / "broken")

    def die(trainer: Any) -> None:
        if trainer.state.iteration == 8:
            raise KeyboardInterrupt

    broken.trainer.add_event_handler(Events.ITERATION_COMPLETED, die)
    with pytest.raises(KeyboardInterrupt):
        broken.engine.run()
    assert [one.name for one in (tmp_path / "broken/checkpoint").iterdir()] == ["pass-000000-000002"]
    again = Training(tmp_path / "broken")
    assert again.save.load(again.engine) == 0
    assert (again.trainer.state.epoch, int(again.network.steps)) == (2, 6)
    again.engine.run()
    assert torch.equal(again.store.read(again.store.keys), whole.store.read(whole.store.keys))
    assert all(
        torch.equal(value, whole.network.state_dict()[name]) for name, value in again.network.state_dict().items()
    )
    assert int(whole.network.steps) == 12 and not whole.network.training
    assert [one.name for one in (tmp_path / "broken/checkpoint").iterdir()] == ["pass-000001"]


def test_a_finished_training_is_not_made_again(tmp_path: Path) -> None:
    first = Training(tmp_path)
    first.engine.add_event_handler(Events.ITERATION_COMPLETED, lambda _: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        first.engine.run()
    again = Training(tmp_path)
    again.save.load(again.engine)
    again.engine.run()
    assert int(again.network.steps) == 12 and again.engine.state.epoch == 1


def test_a_diverged_training_computes_no_delta(tmp_path: Path) -> None:
    run = Training(tmp_path, learning_rate=float("inf"))
    text = (
        r"the weight 'generator\.network\.weight' of the generator or its surrogates is NaN or infinite after epoch 1"
    )
    with pytest.raises(DivergedError, match=text):
        run.engine.run()
    assert not bool(run.store.read(run.store.keys).any())


def test_refuses_settings(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"0 surrogates, shift_share=0\.1: at least 1"):
        GeneratorWithSurrogates(one_layer_generator(2), [], num_classes=2, on_half_grid=False, shift_share=0.1)
    with pytest.raises(ValueError, match="1 surrogates, shift_share=1: at least 1, and from 0 below 1"):
        dense_network(shift_share=1)
    for options in ({"life_steps": 0}, {"young_share": 1.0}):
        with pytest.raises(ValueError, match="a surrogate is trained for at least 1 step, and young from 0 below 1"):
            dense_network(**options)
    made = Training(tmp_path)
    with pytest.raises(ValueError, match="epochs=0, save_every=5: both count from 1"):
        TrainGenerator(made.trainer, epochs=0, save=made.save)
