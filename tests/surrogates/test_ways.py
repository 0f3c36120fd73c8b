"""A surrogate that looks at images in the ways in which readers may load them."""

from __future__ import annotations

import pytest
import torch
from monai.transforms import Compose, RandAffined, RandFlipd, RandSpatialCropd, Zoomd
from torch import Tensor, nn

from monai_unlearnable.budgets import LinfBudget
from monai_unlearnable.perturbations import DenseObjective, ErrorMinimizing, PerturbationBatch
from monai_unlearnable.surrogates import IntensityWindow, NetworkEnsemble, ReaderWays, Surrogate, usual_ways, whole_ways
from tests.contracts.toys import whole_images

SHAPES = [(2, 3, 24, 30), (2, 1, 14, 12, 16)]


def network(spatial_dims: int, channels: int, classes: int = 2) -> nn.Module:
    convolution = nn.Conv2d if spatial_dims == 2 else nn.Conv3d
    return convolution(channels, classes, 3, padding=1)


class Eye:
    """A network whose logits are what it sees, and which remembers it."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def __call__(self, seen: Tensor) -> Tensor:
        self.seen.append(seen)
        return seen


@pytest.mark.parametrize("shape", SHAPES, ids=["pictures", "volumes"])
def test_what_a_flip_and_a_crop_show_comes_back_to_its_place(shape: tuple[int, ...]) -> None:
    image = torch.rand(shape)
    roi = [size - 3 for size in shape[2:]]
    crop = RandSpatialCropd("image", roi_size=roi, random_size=False)
    ways, eye, flipped = ReaderWays(Compose([RandFlipd("image", prob=0.5, spatial_axis=-1), crop]), seed=5), Eye(), 0
    for _ in range(8):
        logits = ways(image, eye)
        there = ~logits.isnan()
        assert logits.shape == image.shape
        assert int(there[0, 0].sum()) == torch.Size(roi).numel()
        assert torch.equal(logits[there], image[there])
        flipped += not torch.equal(eye.seen[-1].flatten(), logits[there])
    assert 0 < flipped < 8, "some draws flip, some do not"


@pytest.mark.parametrize("shape", [(1, 1, 4, 4), (1, 1, 4, 4, 4)], ids=["pictures", "volumes"])
def test_coarser_logits_come_back_to_their_places_too(shape: tuple[int, ...]) -> None:
    image = torch.zeros(shape)
    image[..., :2] = 1
    pool = nn.AvgPool2d(2) if len(shape) == 4 else nn.AvgPool3d(2)
    logits = ReaderWays(Compose([RandFlipd("image", prob=1, spatial_axis=-1)]))(image, pool)
    assert logits.shape == image.shape
    assert bool((logits[..., 0] > 0.7).all()) and bool((logits[..., -1] < 0.3).all())


@pytest.mark.parametrize("training", [True, False])
def test_what_is_only_for_delta_steps_is_left_out_in_training_and_undone_in_its_turn(training: bool) -> None:
    image = torch.rand(2, 1, 6, 8)
    always, asked = RandFlipd("image", prob=1, spatial_axis=-1), RandFlipd("image", prob=1, spatial_axis=-2)
    ways, eye = ReaderWays(Compose([always]), only_asked=Compose([asked])).train(training), Eye()
    assert torch.equal(ways(image, eye), image)
    assert torch.equal(eye.seen[0], image.flip(-1) if training else image.flip(-1, -2))


@pytest.mark.parametrize("shape", SHAPES, ids=["pictures", "volumes"])
def test_usual_ways_show_several_sizes_and_give_logits_in_place(shape: tuple[int, ...]) -> None:
    ramp = torch.linspace(0, 1, shape[-1]).expand(shape).clone()
    ways, eye, lost = ReaderWays(usual_ways(spatial_dims=len(shape) - 2)), Eye(), []
    for _ in range(20):
        logits = ways(ramp, eye)
        there = ~logits.isnan()
        lost.append(1 - float(there.float().mean()))
        if len(shape) == 4:  # of volumes the intensity is another one, too
            assert float((logits - ramp)[there].abs().max()) < 0.05
    assert len({one.shape for one in eye.seen}) > 5
    assert max(lost) > 0.1
    assert max(lost) <= 1 - 0.7 ** (len(shape) - 2)


@pytest.mark.parametrize("shape", SHAPES, ids=["pictures", "volumes"])
def test_whole_ways_flip_and_leave_every_voxel_at_its_size(shape: tuple[int, ...]) -> None:
    image, eye = torch.rand(shape), Eye()
    ways = ReaderWays(whole_ways(spatial_dims=len(shape) - 2))
    for _ in range(12):
        logits = ways(image, eye)
        assert not logits.isnan().any()
        assert (eye.seen[-1].shape, logits.shape) == (image.shape, image.shape)
    flipped = [torch.allclose(seen / seen.max(), image.flip(-1) / image.max()) for seen in eye.seen]
    as_they_are = [torch.allclose(seen / seen.max(), image / image.max()) for seen in eye.seen]
    assert 0 < sum(flipped) < 12 and sum(flipped) + sum(as_they_are) == 12
    levels = {round(float(seen.max()), 5) for seen in eye.seen}
    assert len(levels) == 1 if len(shape) == 4 else len(levels) > 3, "volumes are windowed"


def test_every_reader_transform_of_monai_lets_the_gradient_through() -> None:
    chain = Compose([RandAffined("image", prob=1, rotate_range=0.3, translate_range=2, scale_range=0.2)])
    surrogate = Surrogate(network(2, 1), IntensityWindow(), ways=ReaderWays(chain.set_random_state(1)))
    image = (255 * torch.rand(1, 1, 8, 8)).requires_grad_()

    def loss(values: Tensor) -> Tensor:
        assert surrogate.ways is not None
        surrogate.ways.draws.zero_()  # the same way each time
        return DenseObjective().loss(surrogate(values), torch.ones(1, 1, 8, 8, dtype=torch.int64))

    (gradient,) = torch.autograd.grad(loss(image).sum(), image)
    step = torch.zeros_like(image)
    step[0, 0, 4, 3] = 5.0
    slope = (loss(image.detach() + step) - loss(image.detach() - step)).item()
    assert slope == pytest.approx(10 * float(gradient[0, 0, 4, 3]), rel=0.02)


def test_draws_go_on_where_a_run_was_taken_up() -> None:
    image = torch.rand(1, 1, 16, 16)

    def looks(ways: ReaderWays, count: int) -> list[Tensor]:
        return [ways(image, torch.tanh).nan_to_num() for _ in range(count)]

    one = ReaderWays(usual_ways(spatial_dims=2), seed=3)
    looks(one, 3)
    other = ReaderWays(usual_ways(spatial_dims=2), seed=3)
    other.load_state_dict(one.state_dict())
    for a, b in zip(looks(one, 4), looks(other, 4), strict=True):
        assert torch.equal(a, b)
    third = ReaderWays(usual_ways(spatial_dims=2), seed=4)
    assert any(not torch.equal(a, b) for a, b in zip(looks(third, 4), looks(one, 4), strict=True))


def test_logits_of_whole_images_and_of_several_members() -> None:
    image = torch.rand(2, 1, 16, 16)
    whole = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 3))
    ways = ReaderWays(usual_ways(spatial_dims=2))
    assert ways(image, whole).shape == (2, 3)
    members = NetworkEnsemble([network(2, 1), network(2, 1)])
    assert ways(image, members).shape == (2, 2, 16, 16, 2)
    first = ReaderWays(usual_ways(spatial_dims=2))
    second = ReaderWays(usual_ways(spatial_dims=2))
    assert torch.allclose(first(image, members)[..., 1], second(image, members.members[1]), equal_nan=True)


def test_voxels_that_were_not_seen_count_for_nothing() -> None:
    logits = torch.randn(2, 3, 5, 6)
    mask = torch.randint(0, 3, (2, 1, 5, 6))
    partly = logits.clone()
    partly[:, :, :, 4:] = torch.nan
    for objective in (DenseObjective(), DenseObjective(focal=1.0, cross_entropy=0.0)):
        for measure in (objective.loss, objective.error):
            assert torch.allclose(measure(partly, mask), measure(logits[..., :4], mask[..., :4]))


def test_a_network_that_diverged_is_not_taken_for_one_that_saw_nothing() -> None:
    logits = torch.zeros(2, 2, 4, 4)
    logits[1] = torch.nan
    loss = DenseObjective().loss(logits, torch.zeros(2, 1, 4, 4, dtype=torch.int64))
    assert loss.isnan().tolist() == [False, True]


def test_deltas_made_in_expectation_work_at_the_other_size() -> None:
    """A network that reads only every second pixel of a small image is fooled at that size, too."""
    torch.manual_seed(0)
    chain = Compose([Zoomd("image", zoom=0.5, mode="area", keep_size=False)])
    image = whole_images((2, 1, 16, 16)).clamp(20, 200)
    label = torch.zeros(2, 1, 16, 16, dtype=torch.int64)
    label[..., 4:12, 4:12] = 1
    budget = LinfBudget(radius_levels=8)
    surrogate = Surrogate(network(2, 1), IntensityWindow(), ways=ReaderWays(chain))
    method = ErrorMinimizing(budget=budget, objective=DenseObjective(), steps=8, keep_best=False)
    with surrogate.frozen():
        delta = method.improve(PerturbationBatch(image, label, torch.zeros_like(image)), surrogate=surrogate)
        before, after = (DenseObjective().loss(surrogate(one), label) for one in (image, image + delta))
    assert bool((after < before).all())
    blocks = delta.reshape(2, 1, 8, 2, 8, 2)
    assert float((blocks - blocks[:, :, :, :1, :, :1]).abs().max()) <= 2, "what becomes one pixel moves together"


def test_the_last_delta_is_kept_where_the_best_may_be_luck() -> None:
    calls: list[int] = []

    def lucky(image: Tensor) -> Tensor:
        calls.append(1)
        logits = torch.cat([image, -image], 1) / 255
        return logits + (torch.tensor([9.0, -9.0]).reshape(1, 2, 1, 1) if len(calls) == 1 else 0)

    image, label = whole_images((1, 1, 4, 4)), torch.zeros(1, 1, 4, 4, dtype=torch.int64)
    for keep_best, moved in ((True, 0.0), (False, 3.0)):
        calls.clear()
        method = ErrorMinimizing(
            budget=LinfBudget(radius_levels=8), objective=DenseObjective(), steps=3, keep_best=keep_best
        )
        batch = PerturbationBatch(image.clamp(20, 200), label, torch.zeros_like(image))
        assert float(method.improve(batch, surrogate=lucky).abs().max()) == moved
