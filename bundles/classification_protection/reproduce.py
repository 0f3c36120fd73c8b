"""Recompute every published figure of this bundle: protect, verify, restore, audit, and write the table.

Every step that is finished is kept, so a stopped run goes on where it was:

    python bundles/classification_protection/reproduce.py --data ../shared/data --work reproduce_output
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # the bundles share how figures are made
from reproduction import Bundle, DataSet, Experiment, main, proof_line, splice, write_results

from monai_unlearnable.audit import VictimRecipe, adam_optimizer
from monai_unlearnable.networks import small_densenet, standard_densenet121
from monai_unlearnable.workflows import ErrorMinimizingRecipe, Recipe, SyntheticRecipe, TargetedAdversarialRecipe

DOCS = Path(__file__).parent / "docs"
ROOT = Path(__file__).parents[2]

CLASSES_OF_MEDNIST = ("AbdomenCT", "BreastMRI", "CXR", "ChestCT", "Hand", "HeadCT")
FINDINGS = ("pneumonia", "left_brighter", "top_brighter")
"""Label columns derived from PneumoniaMNIST: its own label, and which half of the image is brighter on average."""


def mednist_files(data: Path) -> list[tuple[str, str, Path]]:
    """Return (part, class, file) of MedNIST: of every class, every fifth file in name order is for the test."""
    return [
        ("test" if number % 5 == 4 else "train", name, path)
        for name in CLASSES_OF_MEDNIST
        for number, path in enumerate(sorted((data / "mednist" / name).iterdir()))
    ]


def prepare_mednist(data: Path, work: Path) -> DataSet:
    """Copy MedNIST's JPEG files into a train and a test folder of class folders."""
    root = work / "mednist"
    if not (root / "complete").exists():
        shutil.rmtree(root, ignore_errors=True)
        for part, name, path in mednist_files(data):
            target = root / part / name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        (root / "complete").touch()
    return DataSet(clean=root / "train", test=root / "test")


def findings(images: Any, pneumonia: Any, thresholds: tuple[float, float] | None) -> tuple[Any, tuple[float, float]]:
    """Return label columns; a half counts as brighter above the training images' median difference."""
    levels = images.astype(np.float64)
    left = levels[:, :, :14].mean((1, 2)) - levels[:, :, 14:].mean((1, 2))
    top = levels[:, :14].mean((1, 2)) - levels[:, 14:].mean((1, 2))
    used = thresholds if thresholds is not None else (float(np.median(left)), float(np.median(top)))
    return np.stack([pneumonia[:, 0], left > used[0], top > used[1]], axis=1).astype(np.uint8), used


def prepare_multi_label(data: Path, work: Path) -> DataSet:
    """Write PneumoniaMNIST with three label columns as a MedMNIST-style file."""
    path = work / "pneumonia_multilabel.npz"
    if not path.exists():
        arrays: dict[str, Any] = {}
        thresholds: tuple[float, float] | None = None
        with np.load(data / "medmnist" / "pneumoniamnist.npz", allow_pickle=False) as stored:
            for part in ("train", "val", "test"):
                images = stored[f"{part}_images"]
                columns, thresholds = findings(images, stored[f"{part}_labels"], thresholds)
                arrays |= {f"{part}_images": images, f"{part}_labels": columns}
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, allow_pickle=False, **arrays)
    return DataSet(clean=path)


def prepare_medmnist(name: str, data: Path) -> DataSet:
    """Return a file with its own test split."""
    return DataSet(clean=data / "medmnist" / f"{name}.npz")


def experiments(big: bool) -> list[Experiment]:
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
    methods: tuple[Recipe, ...] = (SyntheticRecipe(), ErrorMinimizingRecipe(), TargetedAdversarialRecipe())
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
        ("8/255", SyntheticRecipe()),
        ("16/255", SyntheticRecipe()),
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
    datasets={
        "breastmnist": lambda data, work: prepare_medmnist("breastmnist", data),
        "pneumoniamnist": lambda data, work: prepare_medmnist("pneumoniamnist", data),
        "mednist": prepare_mednist,
        "pneumonia_multilabel": prepare_multi_label,
    },
    experiments=experiments,
    table=table,
    publish=publish,
)

if __name__ == "__main__":
    sys.exit(main(BUNDLE))
