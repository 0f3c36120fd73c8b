"""Robust error-minimizing: what its surrogate sees, and a whole run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_unlearnable.budgets import LinfBudget
from monai_unlearnable.countermeasures import AdversarialTraining
from monai_unlearnable.errors import BudgetError
from monai_unlearnable.sources import Task, open_source
from monai_unlearnable.workflows import ErrorMinimizingRecipe, ImageFacts, protect
from monai_unlearnable.workflows.robust_recipe import RobustErrorMinimizingRecipe

FACTS = ImageFacts(task=Task.SINGLE_LABEL, num_classes=2, channels=1, spatial_dims=2, window_levels=(0.0, 255.0))
SMALL = RobustErrorMinimizingRecipe(max_rounds=1, min_rounds=1, surrogate_epochs=1, steps=2, adversarial_steps=1)


def write_npz(path: Path, *, count: int = 12) -> Path:
    random = np.random.default_rng(0)
    labels = (np.arange(count) % 2)[:, None]
    images = random.integers(60, 180, (count, 12, 12))
    np.savez(path, train_images=images.astype(np.uint8), train_labels=labels.astype(np.uint8))
    return path


def looks(recipe: RobustErrorMinimizingRecipe, image: torch.Tensor, *, training: bool = False) -> list[torch.Tensor]:
    """What a surrogate sees of an image at several draws, asked for a delta step or while it is trained."""
    seen: list[torch.Tensor] = []

    def network(one: torch.Tensor) -> torch.Tensor:
        seen.append(one)
        return one.flatten(1)[:, :2]

    ways = recipe.ways(FACTS).train(training)
    for _ in range(12):
        ways(image, network)
    return seen


def spread(recipe: RobustErrorMinimizingRecipe, value: float, *, training: bool = False) -> torch.Tensor:
    """What a surrogate sees of an even image at several draws, less the image."""
    return torch.stack(looks(recipe, torch.full((1, 1, 16, 16), value), training=training)) - value


def test_a_surrogate_sees_draws_of_the_adversarial_radius_in_delta_steps_alone() -> None:
    recipe = RobustErrorMinimizingRecipe(countermeasures=None, view_radius=0.06, adversarial_share=0.5)
    found = spread(recipe, 0.1).abs()
    assert 0.029 < float(found.max()) <= 0.03 + 1e-6
    assert float(spread(replace(recipe, view_radius=0.0), 0.1).abs().max()) == 0.0
    # Its training goes as far by adversarial steps: with both it would be twice as far.
    assert float(spread(recipe, 0.1, training=True).abs().max()) == 0.0


def test_countermeasures_can_be_left_out() -> None:
    image = torch.rand(1, 1, 16, 16)
    kinds = []
    for recipe in (RobustErrorMinimizingRecipe(), RobustErrorMinimizingRecipe(countermeasures=None)):
        kinds.append(len({round(float(one.std()), 5) for one in looks(recipe, image)}))
    assert kinds[0] >= 3 and kinds[1] == 1


@pytest.mark.parametrize(
    "settings", [{"adversarial_share": 1.5}, {"adversarial_share": -0.1}, {"adversarial_steps": 0}]
)
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(BudgetError, match=r"a share of the radius from 0 to 1, and at least 1 step"):
        RobustErrorMinimizingRecipe(**settings)  # type: ignore[arg-type]


def test_a_run_trains_its_surrogate_adversarially_at_the_share_of_its_radius(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    attach = AdversarialTraining.attach

    def remember(self: AdversarialTraining, engine: object) -> None:
        steps.append(self.steps)
        attach(self, engine)  # type: ignore[arg-type]

    monkeypatch.setattr(AdversarialTraining, "attach", remember)
    report = protect(
        write_npz(tmp_path / "in.npz"),
        output=tmp_path / "release",
        ledger=tmp_path / "ledger",
        recipe=replace(SMALL, adversarial_share=0.25),
        radius="16/255",
        seed=0,
    )
    assert report.held and report.method == "robust_error_minimizing"
    (one,) = steps
    # A quarter of 16 of 255 levels, where 255 levels are 2 units; views are cut to their window.
    assert one.radius == pytest.approx(0.25 * 16 * 2 / 255) and (one.low, one.high, one.steps) == (-1.0, 1.0, 1)


def test_a_run_is_the_same_with_the_same_seed_and_another_one_without_its_robustness(tmp_path: Path) -> None:
    source = write_npz(tmp_path / "in.npz")
    plain = ErrorMinimizingRecipe(max_rounds=1, min_rounds=1, surrogate_epochs=1, steps=2, networks=SMALL.networks)
    found = []
    for number, recipe in enumerate((SMALL, SMALL, plain)):
        output = tmp_path / f"release{number}"
        protect(source, output=output, ledger=tmp_path / f"ledger{number}", recipe=recipe, seed=7)
        release = open_source(next(output.rglob("*.npz")))
        found.append(np.stack([release.read(index) for index in range(len(release))]))
    assert np.array_equal(found[0], found[1]) and not np.array_equal(found[0], found[2])


def test_the_method_keeps_the_last_delta_because_every_step_is_drawn_anew() -> None:
    method = SMALL.perturbation(FACTS, budget=LinfBudget(radius_levels=8))
    assert not method.keep_best and method.describe()["method"] == "robust_error_minimizing"
