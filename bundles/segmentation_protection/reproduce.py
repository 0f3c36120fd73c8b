"""Recompute every published figure of this bundle: protect, verify, restore, audit, and write the table.

Kvasir-SEG, split by file number: 1 to 800 are protected, 901 to 1000 are the clean test; 801 to 900 are left for
choices. Files are released as PNG at their native resolution. Every step that is finished is kept, so a stopped run
goes on where it was:

    python bundles/segmentation_protection/reproduce.py --data ../shared/data --work reproduce_output
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # the bundles share how figures are made
from data_sets import DATA_SETS
from reproduction import Bundle, Experiment, main, proof_line, publish_in_docs

from monai_unlearnable.audit import default_recipe
from monai_unlearnable.dense_networks import small_segresnet
from monai_unlearnable.perturbations import AtMost, Stripes, Structures
from monai_unlearnable.sources import Task
from monai_unlearnable.workflows import ErrorMinimizingRecipe, GeneratorRecipe, SyntheticRecipe

FOLDER = Path(__file__).parent

UNET = replace(default_recipe(Task.SEGMENTATION), name="unet, 128 px", epochs=12, batch_size=8, image_size_px=128)
OTHER_SIZE = replace(UNET, name="unet, 96 px by area means", image_size_px=96, interpolation="area")
OTHER_NETWORK = replace(UNET, name="segresnet, 128 px", network=small_segresnet)
ERROR_MINIMIZING = ErrorMinimizingRecipe(surrogate_epochs=3, steps=10, min_rounds=2, max_rounds=4)
GENERATOR = GeneratorRecipe(epochs=12)
ONE_PHASE = SyntheticRecipe(patterns=Stripes())
LOCAL = replace(ONE_PHASE, region=AtMost(region=Structures(margin_px=4), share=0.25))
LOCAL_NAME = "structures and 4 px around, a quarter at most"


def experiments(big: bool, data: Path) -> list[Experiment]:
    """Return every experiment; ``big`` adds a network of another family, and another size for the generator."""
    other = (OTHER_NETWORK,) if big else ()
    size = (OTHER_SIZE,) if big else ()
    return [
        Experiment(dataset="kvasir", radius=radius, recipe=recipe, victims=victims, variant=variant)
        for recipe, radius, victims, variant in (
            (ERROR_MINIMIZING, "8/255", (UNET, OTHER_SIZE, *other), ""),
            (GENERATOR, "8/255", (UNET, *size), ""),
            (LOCAL, "6/255", (UNET,), LOCAL_NAME),
        )
    ]


def table(results: Sequence[dict[str, Any]]) -> str:
    """Return the published table in Markdown."""
    lines = [
        "| method | radius | victim | IoU, released | IoU, clean | best blind answer | Dice, released | Dice, clean "
        "| verdict | changed | PSNR dB | SSIM |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in results:
        fidelity = one["audit"]["fidelity"]
        name = one["method"] + (f", {one['variant']}" if one["variant"] else "")
        for recipe in one["audit"]["recipes"]:
            released, clean = recipe["released"], recipe["clean"]
            dice = {
                on: [run["dense"]["dice"] for run in recipe["runs"] if run["trained_on"] == on]
                for on in ("released", "clean")
            }
            lines.append(
                f"| {name} | {one['radius']} | {recipe['recipe']['name']} "
                f"| **{released['mean']:.3f}** ({released['min']:.3f}-{released['max']:.3f}) "
                f"| {clean['mean']:.3f} ({clean['min']:.3f}-{clean['max']:.3f}) | {recipe['majority']:.3f} "
                f"| {_mean(dice['released']):.3f} | {_mean(dice['clean']):.3f} | {recipe['verdict']} "
                f"| {fidelity['changed_share']['median']:.0%} | {fidelity['psnr_db']['median']:.1f} "
                f"| {fidelity['ssim']['median']:.3f} |"
            )
    return "\n".join([*lines, "", proof_line(results)])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


BUNDLE = Bundle(
    folder=FOLDER,
    description=__doc__ or "",
    datasets=DATA_SETS,
    experiments=experiments,
    table=table,
    publish=publish_in_docs(FOLDER, table),
)

if __name__ == "__main__":
    sys.exit(main(BUNDLE))
