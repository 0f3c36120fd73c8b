"""Recompute every published figure of this bundle: protect, verify, restore, audit, and write the table.

The hippocampus task of the Medical Segmentation Decathlon, split by file number: the first 200 of 260 volumes are
protected, the last 40 are the clean test; 20 are left for choices. Files are released as NIfTI on their own grid. Every
step that is finished is kept, so a stopped run goes on where it was:

    python bundles/volume_protection/reproduce.py --data ../shared/data --work reproduce_output
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # the bundles share how figures are made
from reproduction import Bundle, DataSet, Experiment, main, proof_line, publish_in_docs, train_and_test

from monai_unlearnable.audit import default_recipe
from monai_unlearnable.dense_networks import small_segresnet, small_unet
from monai_unlearnable.sources import Task
from monai_unlearnable.workflows import ErrorMinimizingRecipe, GeneratorRecipe, SyntheticRecipe

FOLDER = Path(__file__).parent
PROTECTED, TESTED = slice(0, 200), slice(220, 260)

UNET = replace(default_recipe(Task.SEGMENTATION), name="unet, whole volumes", epochs=10, shift=False)
SEGRESNET = partial(small_segresnet, init_filters=4, blocks_down=(1, 1, 1, 1))
OTHER_NETWORK = replace(UNET, name="segresnet, whole volumes", network=SEGRESNET, learning_rate=2e-2)
ERROR_MINIMIZING = ErrorMinimizingRecipe(
    dense_networks=(small_unet, small_unet),
    surrogate_epochs=8,
    dense_enough_loss=None,
    steps=1,
    min_rounds=2,
    max_rounds=2,
)
GENERATOR = GeneratorRecipe(epochs=4, kept_share=0.9)


def prepare_hippocampus(data: Path, work: Path) -> DataSet:
    """Copy volumes and masks into a folder with a datalist for the protection, and one for the test."""
    return train_and_test(work / "hippocampus", lambda root: _write(data / "msd_hippocampus", root))


def _write(source: Path, root: Path) -> None:
    names = sorted(path.name for path in (source / "labels").glob("*.nii*"))
    for part, chosen in (("train", names[PROTECTED]), ("test", names[TESTED])):
        for kind, folder in (("images", "imagesTr"), ("labels", "labelsTr")):
            (root / part / folder).mkdir(parents=True)
            for name in chosen:
                shutil.copyfile(source / kind / name, root / part / folder / name)
        items = [{"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"} for name in chosen]
        labels = {"0": "background", "1": "Anterior", "2": "Posterior"}
        content = {"name": "Hippocampus", "labels": labels, "numTraining": len(items), "training": items}
        (root / part / "dataset.json").write_text(json.dumps(content))


def experiments(big: bool, data: Path) -> list[Experiment]:
    """Return every experiment; ``big`` adds a network of another family as victim."""
    other = (OTHER_NETWORK,) if big else ()
    return [
        Experiment(dataset="hippocampus", radius="8/255", recipe=recipe, victims=victims, level_size=1)
        for recipe, victims in (
            (ERROR_MINIMIZING, (UNET,)),
            (GENERATOR, (UNET, *other)),
            (SyntheticRecipe(), (UNET,)),
        )
    ]


def table(results: Sequence[dict[str, Any]]) -> str:
    """Return the published table in Markdown."""
    lines = [
        "| method | victim | Dice, released | Dice, clean | IoU, released | IoU, clean | verdict | PSNR dB | SSIM |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in results:
        fidelity = one["audit"]["fidelity"]
        for recipe in one["audit"]["recipes"]:
            dice = {
                on: [run["dense"]["dice"] for run in recipe["runs"] if run["trained_on"] == on]
                for on in ("released", "clean")
            }
            lines.append(
                f"| {one['method']} | {recipe['recipe']['name']} | **{_span(dice['released'])}** "
                f"| {_span(dice['clean'])} | {recipe['released']['mean']:.3f} | {recipe['clean']['mean']:.3f} "
                f"| {recipe['verdict']} | {fidelity['psnr_db']['median']:.1f} | {fidelity['ssim']['median']:.3f} |"
            )
    return "\n".join([*lines, "", proof_line(results)])


def _span(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.3f} ({min(values):.3f}-{max(values):.3f})"


BUNDLE = Bundle(
    folder=FOLDER,
    description=__doc__ or "",
    datasets={"hippocampus": prepare_hippocampus},
    experiments=experiments,
    table=table,
    publish=publish_in_docs(FOLDER, table),
)

if __name__ == "__main__":
    sys.exit(main(BUNDLE))
