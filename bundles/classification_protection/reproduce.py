"""Recompute every published figure of this bundle: protect, verify, restore, audit, and write the table.

Every step that is finished is kept, so a stopped run goes on where it was:

    python bundles/classification_protection/reproduce.py --data ../shared/data --work reproduce_output
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # the bundles share how figures are made
from data_sets import DATA_SETS
from reproduction import Bundle, Experiment, main, proof_line, splice, write_results

from monai_unlearnable.audit import VictimRecipe, adam_optimizer
from monai_unlearnable.networks import small_densenet, standard_densenet121
from monai_unlearnable.perturbations import Stripes
from monai_unlearnable.workflows import ErrorMinimizingRecipe, Recipe, SyntheticRecipe, TargetedAdversarialRecipe

DOCS = Path(__file__).parent / "docs"
ROOT = Path(__file__).parents[2]
ONE_PHASE = SyntheticRecipe(patterns=Stripes())


def experiments(big: bool, data: Path) -> list[Experiment]:
    """Return every experiment; ``big`` adds DenseNet121 as a victim, which takes as long as ten others."""
    small = VictimRecipe()
    dense = VictimRecipe(name="small_densenet", network=small_densenet)
    dense121 = VictimRecipe(
        name="densenet121",
        network=standard_densenet121,
        optimizer=adam_optimizer,
        learning_rate=1e-3,
        image_size_px=32,
        epochs=8,
    )
    methods: tuple[Recipe, ...] = (ONE_PHASE, ErrorMinimizingRecipe(), TargetedAdversarialRecipe())
    rows: list[Experiment] = []
    for dataset, epochs, radii in (
        ("breastmnist", 20, ("8/255", "16/255")),
        ("pneumoniamnist", 4, ("8/255", "16/255")),
        ("mednist", 8, ("8/255", "16/255")),
    ):
        for radius in radii:
            for recipe in methods:
                victims = [replace(small, epochs=epochs), replace(dense, epochs=epochs)]
                if big and dataset == "breastmnist" and radius == "8/255" and recipe.name == "error_minimizing":
                    victims.append(dense121)
                if dataset != "breastmnist" and isinstance(recipe, TargetedAdversarialRecipe):
                    recipe = replace(recipe, surrogate_epochs=10)
                rows.append(Experiment(dataset=dataset, radius=radius, recipe=recipe, victims=tuple(victims)))
    multi = tuple(replace(one, epochs=4) for one in (small, dense))
    for radius, recipe in (
        ("8/255", ONE_PHASE),
        ("16/255", ONE_PHASE),
        ("8/255", ErrorMinimizingRecipe()),
    ):
        rows.append(Experiment(dataset="pneumonia_multilabel", radius=radius, recipe=recipe, victims=multi))
    return rows


def table(results: Sequence[dict[str, Any]], *, victim: str | None = None) -> str:
    """Return the published table in Markdown, of all victims or of one."""
    lines = [
        "| set | method | radius | victim | released | clean baseline | majority | verdict | PSNR dB | SSIM |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in results:
        fidelity = one["audit"]["fidelity"]
        for recipe in one["audit"]["recipes"]:
            if victim not in (None, recipe["recipe"]["name"]):
                continue
            released, clean = recipe["released"], recipe["clean"]
            lines.append(
                f"| {one['dataset']} | {one['method']} | {one['radius']} | {recipe['recipe']['name']} "
                f"| **{released['mean']:.3f}** ({released['min']:.3f}-{released['max']:.3f}) "
                f"| {clean['mean']:.3f} ({clean['min']:.3f}-{clean['max']:.3f}) | {recipe['majority']:.3f} "
                f"| {recipe['verdict']} | {fidelity['psnr_db']['median']:.1f} | {fidelity['ssim']['median']:.3f} |"
            )
    lines += ["", proof_line(results)]
    return "\n".join(lines)


def publish(results: Sequence[dict[str, Any]]) -> None:
    """Write docs/results.json and put the table between the markers of docs/README.md and of README.md."""
    write_results(results, DOCS / "results.json")
    splice(DOCS / "README.md", table(results))
    shown = [one for one in results if one["dataset"] != "pneumonia_multilabel"]
    splice(ROOT / "README.md", table(shown, victim="small_resnet"))


BUNDLE = Bundle(
    folder=Path(__file__).parent,
    description=__doc__ or "",
    datasets=DATA_SETS,
    experiments=experiments,
    table=table,
    publish=publish,
)

if __name__ == "__main__":
    sys.exit(main(BUNDLE))
