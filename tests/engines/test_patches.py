"""An engine that is given patches of large images, with the keys of MONAI's patch transforms."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from monai.data import DataLoader, Dataset, GridPatchDataset, PatchIterd
from torch import Tensor, nn

from monai_unlearnable.budgets import Budget, ImageBudgets, L2Budget, LinfBudget
from monai_unlearnable.engines import ProtectionEngine
from monai_unlearnable.errors import SourceError, StoreError
from monai_unlearnable.perturbations import (
    ErrorMinimizing,
    NextClassTarget,
    Perturbation,
    Stripes,
    Synthetic,
    TargetedAdversarial,
)
from monai_unlearnable.stores import ClassKey, MemoryStore, SampleKey, StoreHeader
from monai_unlearnable.surrogates import InOrder, IntensityWindow, ResampleTo, Surrogate

SHAPE = (1, 12, 18)
IDS = ("a", "b")
BUDGET = LinfBudget(radius_levels=8)
BUDGETS = ImageBudgets({"a": BUDGET, "b": LinfBudget(radius_levels=3, high_level=400)})


def images() -> list[dict[str, Any]]:
    drawn = torch.randint(0, 256, (2, *SHAPE), generator=torch.Generator().manual_seed(0)).float()
    drawn[0, :, :6] = 255.0
    return [{"image": one, "label": at, "sample_id": IDS[at]} for at, one in enumerate(drawn)]


def in_patches(batch_size: int = 2) -> DataLoader:
    """Cut patches with MONAI's own data set."""
    iterator = PatchIterd(keys=["image"], patch_size=(6, 9))
    patches = GridPatchDataset(images(), iterator, with_coordinates=False)
    return DataLoader(patches, batch_size=batch_size, num_workers=0)


class EachVoxelAlone(nn.Module):
    """Logits whose gradient at a voxel has a sign of its own, wherever the patch is cut."""

    def forward(self, image: Tensor) -> Tensor:
        score = torch.cos(image * 3).flatten(1).sum(1)
        return torch.stack([score, -score], dim=1) * 1e-3


def protect(
    data: Iterable[Any], method: Perturbation, surrogate: Surrogate | None = None, **options: Any
) -> MemoryStore:
    header = StoreHeader(dict.fromkeys(IDS, SHAPE), 20_000.0, {}, method.name, 0)
    store = MemoryStore(header)
    ProtectionEngine(
        device="cpu",
        max_epochs=1,
        train_data_loader=data,
        perturbation=method,
        store=store,
        surrogate=surrogate,
        decollate=False,
        **options,
    ).run()
    return store


METHODS: dict[str, Callable[[Any], Perturbation]] = {
    "synthetic": lambda budget: Synthetic(budget=budget, num_classes=2, seed=1, shares=(1.0, 0.5)),
    "enlarged": lambda budget: Synthetic(budget=budget, num_classes=2, seed=1, patterns=Stripes(view_px=9)),
    "error_minimizing": lambda budget: ErrorMinimizing(budget=budget, steps=3),
    "targeted": lambda budget: TargetedAdversarial(budget=budget, target=NextClassTarget(2), steps=3),
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("budget", [BUDGET, BUDGETS], ids=["one", "each"])
def test_patches_get_what_the_whole_image_gets(name: str, budget: Any) -> None:
    method = METHODS[name](budget)
    surrogate = Surrogate(EachVoxelAlone(), IntensityWindow()) if method.needs_surrogate else None
    whole = protect(DataLoader(Dataset(images()), batch_size=2), method, surrogate).read(IDS)
    patches = protect(in_patches(), method, surrogate).read(IDS)
    assert torch.equal(whole, patches)
    assert bool((patches.abs().amax((1, 2, 3)) > 0).all())


@pytest.mark.parametrize("name", ["synthetic", "error_minimizing"])
def test_patches_together_keep_to_an_l2_ball(name: str) -> None:
    budget: Budget = L2Budget(radius_levels=300)
    method = METHODS[name](budget)
    surrogate = Surrogate(EachVoxelAlone(), IntensityWindow()) if method.needs_surrogate else None
    squares = protect(in_patches(), method, surrogate).read(IDS).long().square().sum((1, 2, 3))
    assert bool((squares <= 300**2).all()) and bool((squares > 80**2).all())


def test_surrogate_sees_a_patch_at_the_scale_of_its_image() -> None:
    seen: list[tuple[int, ...]] = []

    class Network(EachVoxelAlone):
        def forward(self, image: Tensor) -> Tensor:
            seen.append(tuple(image.shape[2:]))
            return super().forward(image)

    for preprocessing in (InOrder(IntensityWindow(), ResampleTo(size_px=8)), ResampleTo(size_px=8)):
        seen.clear()
        protect(in_patches(), METHODS["error_minimizing"](BUDGET), Surrogate(Network(), preprocessing))
        assert set(seen) == {(4, 4)}
    plain = nn.Sequential(IntensityWindow(), ResampleTo(size_px=8))
    seen.clear()
    protect(in_patches(), METHODS["error_minimizing"](BUDGET), Surrogate(Network(), plain))
    assert set(seen) == {(8, 8)}


def changed(key: str, value: Any) -> list[dict[str, Any]]:
    """Change one entry of the first batch."""
    batch = next(iter(in_patches()))
    return [{**batch, key: value}]


COORDINATES = torch.tensor([[[0, 1], [0, 6], [0, 9]], [[0, 1], [0, 6], [9, 18]]])


@pytest.mark.parametrize(
    ("batches", "said"),
    [
        (changed("patch_coords", COORDINATES + 9), r"patch 0 of a batch has shape \(1, 6, 9\) and lies at \[\[9, 10\]"),
        (changed("patch_coords", COORDINATES - 1), "all channels and without padding"),
        (changed("patch_coords", COORDINATES * 2), "a patch is a part of its image"),
        (changed("patch_coords", COORDINATES[:1]), r"'patch_coords' of shape \(1, 3, 2\)"),
        (changed("original_spatial_shape", torch.tensor([[12, 18], [12, 19]])), "images of several sizes"),
        (changed("original_spatial_shape", torch.tensor([[12, 18, 1]] * 2)), r"needed are \(2, 3, 2\) and \(2, 2\)"),
    ],
)
def test_refuses_places_that_do_not_fit(batches: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(SourceError, match=said):
        protect(batches, METHODS["synthetic"](BUDGET))


def test_refuses_a_place_without_the_image_size() -> None:
    batch = next(iter(in_patches()))
    del batch["original_spatial_shape"]
    with pytest.raises(SourceError, match="'patch_coords' but no 'original_spatial_shape'; MONAI's PatchIterd gives"):
        protect([batch], METHODS["synthetic"](BUDGET))


def test_refuses_a_patch_that_comes_twice() -> None:
    batch = next(iter(in_patches(1)))
    with pytest.raises(SourceError, match=r"'a' with the patch \(slice.* occurs twice in one pass"):
        protect([batch, batch], METHODS["synthetic"](BUDGET))
    both = next(iter(in_patches(2)))
    both["patch_coords"] = both["patch_coords"][[0, 0]]
    with pytest.raises(SourceError, match="'a' occurs twice in a batch"):
        protect([both], METHODS["synthetic"](BUDGET))


def test_refuses_patches_of_another_image() -> None:
    batch = next(iter(in_patches()))
    batch["original_spatial_shape"] = torch.tensor([[12, 19]] * 2)
    with pytest.raises(StoreError, match=r"images of shape \(1, 12, 19\), the store holds \(1, 12, 18\)"):
        protect([batch], METHODS["synthetic"](BUDGET))


def test_refuses_patches_with_shared_deltas() -> None:
    with pytest.raises(SourceError, match="'a': is a patch of a larger image, and a delta that images share"):
        protect(in_patches(), METHODS["synthetic"](BUDGET), key=ClassKey())
    protect(in_patches(), METHODS["synthetic"](BUDGET), key=SampleKey())
