"""Volumes that are swept in patches, and images of several sizes, from their files to a proved release."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from monai_unlearnable.budgets import LinfBudget
from monai_unlearnable.errors import SourceError
from monai_unlearnable.networks import small_resnet
from monai_unlearnable.release import restore_release, verify_release
from monai_unlearnable.sources import SourceDataset, SourcePatches, open_source
from monai_unlearnable.sources.patches import patch_regions
from monai_unlearnable.stores import MemoryStore, SampleKey, StoreHeader
from monai_unlearnable.surrogates import InOrder, IntensityWindow, ResampleTo, Surrogate
from monai_unlearnable.workflows import (
    ErrorMinimizingRecipe,
    ProtectReport,
    Recipe,
    SyntheticRecipe,
    TargetedAdversarialRecipe,
    protect,
)
from monai_unlearnable.workflows.views import StoredDeltas, SurrogateViews
from tests.sources.test_nifti_file import save_nifti
from tests.workflows.in_memory import ArraySource, Stored

LARGEST = 6000
SIZES = [(20, 30, 26), (20, 30, 26), (16, 18, 20), (16, 18, 20), (31, 20, 24)]
SURROGATE: dict[str, Any] = {"networks": (small_resnet,), "surrogate_size_px": 12, "largest_patch_values": LARGEST}
RECIPES: dict[str, Recipe] = {
    "synthetic": SyntheticRecipe(largest_patch_values=LARGEST),
    "error_minimizing": ErrorMinimizingRecipe(**SURROGATE, max_rounds=2, surrogate_epochs=2, steps=8),
    "targeted": TargetedAdversarialRecipe(**SURROGATE, surrogate_epochs=2, steps=8),
}


def volume(space: tuple[int, ...], seed: int) -> NDArray[np.int16]:
    drawn: NDArray[np.int16] = np.random.default_rng(seed).integers(-300, 900, space).astype(np.int16)
    return drawn


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("volumes")
    for number, space in enumerate(SIZES):
        path = folder / "ab"[number % 2] / f"{number}.nii"
        path.parent.mkdir(exist_ok=True)
        save_nifti(path, volume(space, number))
    return folder


@pytest.mark.parametrize("name", RECIPES)
def test_volumes_are_protected_patch_by_patch(name: str, volumes: Path, tmp_path: Path) -> None:
    report = swept(volumes, tmp_path, RECIPES[name])
    assert report.held and report.verification.images == len(SIZES)
    before, after = open_source(volumes), open_source(tmp_path / "release")
    moved: list[set[bool]] = []
    for index in range(len(before)):
        delta = after.read(index).astype(int) - before.read(index)
        regions = patch_regions(delta.shape, largest_values=LARGEST)
        assert (len(regions) > 1) == (delta.size > LARGEST)
        moved.append({bool((np.abs(delta[one]) > 0).mean() > 0.2) for one in regions})
    # A surrogate of two epochs may be so sure of an image of noise that it gives none of its patches a gradient.
    sure = [{False}] if name == "targeted" else []
    assert {True} in moved and all(one in [{True}, *sure] for one in moved), "no patch is left out"
    assert verify_release(tmp_path / "release", tmp_path / "ledger").held
    assert restore_release(tmp_path / "release", tmp_path / "ledger", tmp_path / "back").held


def swept(source: Path, root: Path, recipe: Recipe) -> ProtectReport:
    return protect(source, output=root / "release", ledger=root / "ledger", recipe=recipe, seed=3, radius="40 levels")


def test_synthetic_deltas_are_the_same_in_patches_and_in_one(volumes: Path, tmp_path: Path) -> None:
    for name, largest in (("patches", LARGEST), ("one", 1 << 20)):
        (tmp_path / name).mkdir()
        assert swept(volumes, tmp_path / name, SyntheticRecipe(largest_patch_values=largest)).held
    for path in sorted((tmp_path / "one/release").rglob("*.nii")):
        other = tmp_path / "patches/release" / path.relative_to(tmp_path / "one/release")
        assert path.read_bytes() == other.read_bytes()


def test_refuses_class_wise_deltas_of_large_images(tmp_path: Path) -> None:
    for number in range(2):
        folder = tmp_path / "source" / "ab"[number]
        folder.mkdir(parents=True)
        save_nifti(folder / "0.nii", volume((20, 30, 26), number))
    recipe = SyntheticRecipe(class_wise=True, largest_patch_values=LARGEST)
    with pytest.raises(SourceError, match=r"shape \(1, 20, 30, 26\), more than 6000 values: it would be swept"):
        swept(tmp_path / "source", tmp_path, recipe)


def in_views(deltas: bool = True) -> tuple[SurrogateViews, MemoryStore, ArraySource]:
    images = [Stored(volume((1, *space), at)) for at, space in enumerate(SIZES)]
    source = ArraySource(images)
    shapes = {key: source.shape(at) for at, key in enumerate(source.sample_ids)}
    store = MemoryStore(StoreHeader(shapes, 40.0, {}, "synthetic", 0))
    for at, key in enumerate(source.sample_ids):
        store.write([key], torch.randint(-40, 41, (1, *source.shape(at)), generator=torch.Generator().manual_seed(at)))
    surrogate = Surrogate(
        nn.Identity(), InOrder(IntensityWindow(low_level=-100, high_level=100), ResampleTo(size_px=12))
    )
    patches = SourcePatches(SourceDataset(source), largest_values=LARGEST)
    budget = LinfBudget(radius_levels=40, low_level=-290, high_level=880)
    added = StoredDeltas(store, SampleKey(), budget) if deltas else None
    return SurrogateViews(patches, surrogate, added), store, source


@pytest.mark.parametrize("deltas", [False, True])
def test_a_view_is_the_mean_of_the_protected_voxels(deltas: bool) -> None:
    views, store, source = in_views(deltas)
    for index in (0, 4):
        image = torch.from_numpy(source.read(index)).double()
        if deltas:
            image = (image + store.read([source.sample_ids[index]])[0]).clamp(-290, 880)
        for number, region in enumerate(views.regions[index]):
            seen = views[index, number]["image"]
            counts = [
                round(whole / (one.stop - one.start))
                for whole, one in zip(source.shape(index)[1:], region[1:], strict=True)
            ]
            assert seen.shape == (1, *(-(-12 // count) for count in counts)) == views.batch_shape((index, number))[0]
            patch, size = (image[region][0] / 100).numpy(), seen.shape[1:]
            for at in np.ndindex(*size):
                spans = [
                    slice(one * have // want, -(-(one + 1) * have // want))
                    for one, have, want in zip(at, patch.shape, size, strict=True)
                ]
                assert float(seen[(0, *at)]) == pytest.approx(patch[tuple(spans)].mean(), abs=1e-4)


def test_surrogates_of_mixed_sizes_are_trained_in_full_batches(volumes: Path, tmp_path: Path) -> None:
    sizes: list[int] = []

    class Watched(nn.Module):
        def __init__(self, **options: Any) -> None:
            super().__init__()
            self.network = small_resnet(**options)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            if self.training:
                sizes.append(len(image))
            logits: torch.Tensor = self.network(image)
            return logits

    options = SURROGATE | {"networks": (Watched,), "largest_patch_values": 1 << 20}
    recipe = ErrorMinimizingRecipe(**options, max_rounds=1, surrogate_epochs=2, steps=1)
    assert swept(volumes, tmp_path, recipe).held
    assert sizes == [5, 5]
