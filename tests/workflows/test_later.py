"""Images that arrive after the run get deltas from its surrogate."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from monai_unlearnable.budgets import LinfBudget
from monai_unlearnable.errors import BudgetError, LedgerError
from monai_unlearnable.perturbations import Body
from monai_unlearnable.sources import open_source
from monai_unlearnable.transforms import SurrogatePerturbation
from monai_unlearnable.workflows import (
    ErrorMinimizingRecipe,
    SyntheticRecipe,
    TargetedAdversarialRecipe,
    load_surrogate,
    protect,
    survey,
)
from monai_unlearnable.workflows.recipe_base import SurrogateRecipe
from tests.small_data import class_images, write_class_folders
from tests.sources.files import save


def linear(*, spatial_dims: int, in_channels: int, num_classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * 28**spatial_dims, num_classes))


EM = ErrorMinimizingRecipe(networks=(linear,), max_rounds=2, min_rounds=1, steps=3, learning_rate=0.01)
TARGETED = TargetedAdversarialRecipe(networks=(linear,), surrogate_epochs=3, steps=3, learning_rate=0.01)


def _protect(root: Path, recipe: SurrogateRecipe | SyntheticRecipe, name: str) -> Path:
    protect(root / "source", output=root / name, ledger=root / f"{name}_ledger", recipe=recipe, radius="6/255", seed=3)
    return root / f"{name}_ledger"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("later")
    write_class_folders(folder / "source", per_class=4)
    return folder


@pytest.fixture(scope="module")
def ledger(root: Path) -> Path:
    return _protect(root, EM, "em")


@pytest.fixture
def own(ledger: Path, tmp_path: Path) -> Path:
    """A copy of the ledger that a test may damage."""
    for name in ("ledger.json", "surrogate.pt"):
        (tmp_path / name).write_bytes((ledger / name).read_bytes())
    return tmp_path


def _change(ledger: Path, **changes: object) -> None:
    content = json.loads((ledger / "ledger.json").read_text())
    content["configuration"] |= changes
    (ledger / "ledger.json").write_text(json.dumps(content))


@pytest.mark.parametrize("recipe", [EM, TARGETED], ids=["error_minimizing", "targeted"])
def test_later_images_get_a_delta_that_works_on_the_surrogate(recipe: SurrogateRecipe, root: Path) -> None:
    where = root / "em_ledger" if recipe is EM and (root / "em_ledger").exists() else None
    surrogate, method = load_surrogate(where or _protect(root, recipe, f"run_{recipe.name}"), recipe)
    assert not surrogate.training and not any(one.requires_grad for one in surrogate.parameters())
    images, labels = class_images(per_class=3, seed=99)
    transform = SurrogatePerturbation(method, surrogate)
    for image, label in zip(images, labels, strict=True):
        clean = torch.from_numpy(image)[None]
        protected = torch.as_tensor(transform(clean, label=int(label)))
        change = protected.int() - clean.int()
        assert protected.dtype == torch.uint8 and 0 < int(change.abs().max()) <= 6
        aim = int(label) if recipe is EM else 1 - int(label)
        target = torch.tensor([aim])
        before, after = (
            nn.functional.cross_entropy(surrogate(one[None].float()), target) for one in (clean, protected)
        )
        assert after < before


def test_later_images_keep_to_the_region_of_the_run(root: Path) -> None:
    recipe = replace(EM, region=Body())
    surrogate, method = load_surrogate(_protect(root, recipe, "body"), recipe)
    image = torch.zeros(1, 28, 28, dtype=torch.uint8)
    image[:, 8:20, 5:17] = 90
    change = torch.as_tensor(SurrogatePerturbation(method, surrogate)(image, label=1)).int() - image.int()
    assert bool(change[image > 0].any()) and not change[image == 0].any()


def test_weights_are_those_of_the_run(ledger: Path) -> None:
    surrogate, method = load_surrogate(ledger, EM)
    kept = torch.load(ledger / "surrogate.pt", weights_only=True)
    assert all(torch.equal(value, kept[name]) for name, value in surrogate.state_dict().items())
    assert method.budget == LinfBudget(radius_levels=6.0, low_level=0.0, high_level=255.0)
    assert (ledger / "surrogate.pt").stat().st_mode & 0o077 == 0


def test_other_settings_are_named(ledger: Path) -> None:
    with pytest.raises(LedgerError, match="settings than this recipe: steps is 3 there and 4 here"):
        load_surrogate(ledger, replace(EM, steps=4))
    with pytest.raises(
        LedgerError, match=r"networks is \['.*\.linear'\] there and \['monai_unlearnable\.networks\.small_resn"
    ):
        load_surrogate(ledger, ErrorMinimizingRecipe())
    with pytest.raises(LedgerError, match="method is 'error_minimizing' there and 'targeted_adversarial' here"):
        load_surrogate(ledger, TARGETED)


def test_run_without_a_surrogate(root: Path) -> None:
    where = _protect(root, SyntheticRecipe(), "synthetic")
    with pytest.raises(LedgerError, match="method is 'synthetic' there"):
        load_surrogate(where, EM)


def test_unfinished_run(own: Path) -> None:
    content = json.loads((own / "ledger.json").read_text())
    (own / "ledger.json").write_text(json.dumps(content | {"status": "running"}))
    with pytest.raises(LedgerError, match="its run has not finished"):
        load_surrogate(own, EM)


def test_no_code_is_loaded_from_the_ledger(own: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return exec, ("raise SystemExit('code of the ledger ran')",)

    (own / "surrogate.pt").write_bytes(pickle.dumps(Bomb(), protocol=2))
    with pytest.raises(LedgerError, match=r"surrogate\.pt: cannot be read"):
        load_surrogate(own, EM)
    torch.save(Bomb(), own / "surrogate.pt")
    with pytest.raises(LedgerError, match=r"surrogate\.pt: cannot be read"):
        load_surrogate(own, EM)


def test_damaged_weights(own: Path) -> None:
    whole = (own / "surrogate.pt").read_bytes()
    for data in (b"", whole[:-200], b"no archive"):
        (own / "surrogate.pt").write_bytes(data)
        with pytest.raises(LedgerError, match=r"surrogate\.pt: cannot be read"):
            load_surrogate(own, EM)
    torch.save({"network.1.weight": torch.zeros(2)}, own / "surrogate.pt")
    with pytest.raises(LedgerError, match=r"surrogate\.pt: is not of this recipe's network"):
        load_surrogate(own, EM)
    torch.save([1], own / "surrogate.pt")
    with pytest.raises(LedgerError, match=r"surrogate\.pt: is not of this recipe's network"):
        load_surrogate(own, EM)
    (own / "surrogate.pt").unlink()
    with pytest.raises(LedgerError, match=r"surrogate\.pt: is not there; this run kept no surrogate"):
        load_surrogate(own, EM)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"seed": "3"}, "its seed is no whole number"),
        ({"settings": 1}, "does not say with which settings"),
        ({"images": None}, "what the ledger says about the images is damaged"),
        ({"images": {"task": "single_label", "window_levels": [0, 255]}}, "images is damaged"),
        ({"budget": {}}, "its budget is damaged"),
        ({"budget": {"norm": "l7", "radius_levels": 1, "low_level": 0, "high_level": 1}}, "its budget is damaged"),
    ],
)
def test_damaged_ledger(changes: dict[str, object], text: str, own: Path) -> None:
    _change(own, **changes)
    with pytest.raises(LedgerError, match=text):
        load_surrogate(own, EM)


@pytest.mark.parametrize(
    "change", [{"window_levels": [9, 9]}, {"spatial_dims": 4}, {"channels": 0}, {"num_classes": True}, {"task": "x"}]
)
def test_damaged_facts(change: dict[str, object], own: Path) -> None:
    facts = json.loads((own / "ledger.json").read_text())["configuration"]["images"]
    _change(own, images=facts | change)
    with pytest.raises(LedgerError, match="what the ledger says about the images is damaged"):
        load_surrogate(own, EM)


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over 16-bit images, each with its own range."""
    folder = tmp_path_factory.mktemp("deep")
    images, labels = class_images(per_class=3)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        save(folder / "source" / "ab"[label] / f"{number}.png", image.astype(np.uint16) * np.uint16(10 + 20 * number))
    return _protect(folder, EM, "em").parent


def test_a_later_image_has_the_budget_and_window_of_its_own_levels(deep: Path) -> None:
    images, labels = class_images(per_class=1, seed=7)
    brighter = images.astype(np.uint16) * np.uint16(7)
    for image, label in zip(brighter, labels, strict=True):
        save(deep / "later" / "ab"[label] / "new.png", image)
    for image, label, levels in zip(brighter, labels, survey(open_source(deep / "later")).images, strict=True):
        surrogate, method = load_surrogate(deep / "em_ledger", EM, image=levels)
        low, high = np.percentile(image, [0.5, 99.5], method="inverted_cdf")
        radius = float(Fraction(6, 255) * Fraction(float(high - low)))
        assert method.budget == LinfBudget(radius_levels=radius, low_level=0, high_level=65535)
        seen = surrogate.preprocessing(torch.tensor([[low, high]]).float())
        assert seen.flatten().tolist() == pytest.approx([-1.0, 1.0], abs=1e-6)
        protected = SurrogatePerturbation(method, surrogate)(torch.from_numpy(image.astype(np.int32))[None], int(label))
        change = np.abs(protected.numpy()[0].astype(np.int64) - image.astype(np.int64)).max()
        assert 0.25 * radius < change <= radius


def test_levels_of_the_later_image_are_asked_for(deep: Path, ledger: Path) -> None:
    with pytest.raises(LedgerError, match=r"each image of its run has a budget or window of its own\. Give the"):
        load_surrogate(deep / "em_ledger", EM)
    flat = survey(open_source(ledger.parent / "source")).images[0]
    _, method = load_surrogate(ledger, EM, image=flat)
    assert method.budget == LinfBudget(radius_levels=6, high_level=255)
    with pytest.raises(BudgetError, match=r"left/000\.png: radius 0\.0235294 of the range is 0\.0706 levels"):
        load_surrogate(ledger, EM, image=replace(flat, range_levels=3.0))


def test_one_radius_but_several_windows_need_the_levels_too(deep: Path) -> None:
    places = {"output": deep / "same", "ledger": deep / "same_ledger", "recipe": EM, "radius": "9 levels"}
    protect(deep / "source", **places)  # type: ignore[arg-type]
    with pytest.raises(LedgerError, match="each image of its run has a budget or window of its own"):
        load_surrogate(deep / "same_ledger", EM)
