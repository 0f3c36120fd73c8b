"""Recompute every published figure of this bundle: protect, verify, restore, audit, and write the table.

Every step that is finished is kept, so a stopped run goes on where it was:

    python bundles/classification_protection/reproduce.py --data ../shared/data --work reproduce_output
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.handlers import ProgressBar

from monai_unlearnable.audit import VictimRecipe, adam_optimizer, audit_release
from monai_unlearnable.networks import small_densenet, standard_densenet121
from monai_unlearnable.release import restore_release, verify_release
from monai_unlearnable.sources import open_source
from monai_unlearnable.workflows import (
    ErrorMinimizingRecipe,
    Recipe,
    SyntheticRecipe,
    TargetedAdversarialRecipe,
    protect,
)

DOCS = Path(__file__).parent / "docs"
ROOT = Path(__file__).parents[2]
RELEASE_SEED = 20230305
"""Fixed so that the figures can be repeated; a release for real draws its own."""

CLASSES_OF_MEDNIST = ("AbdomenCT", "BreastMRI", "CXR", "ChestCT", "Hand", "HeadCT")
FINDINGS = ("pneumonia", "left_brighter", "top_brighter")
"""Label columns derived from PneumoniaMNIST: its own label, and which half of the image is brighter on average."""


@dataclass(frozen=True)
class Experiment:
    """One release and the victims trained on it."""

    dataset: str
    radius: str
    recipe: Recipe
    victims: tuple[VictimRecipe, ...]

    @property
    def label(self) -> str:
        return f"{self.dataset}-{self.recipe.name}-{self.radius.replace('/', 'of')}"


def mednist_files(data: Path) -> list[tuple[str, str, Path]]:
    """Return (part, class, file) of MedNIST: of every class, every fifth file in name order is for the test."""
    return [
        ("test" if number % 5 == 4 else "train", name, path)
        for name in CLASSES_OF_MEDNIST
        for number, path in enumerate(sorted((data / "mednist" / name).iterdir()))
    ]


def prepare_mednist(data: Path, work: Path) -> tuple[Path, Path]:
    """Copy MedNIST's JPEG files into a train and a test folder of class folders."""
    root = work / "mednist"
    if not (root / "complete").exists():
        shutil.rmtree(root, ignore_errors=True)
        for part, name, path in mednist_files(data):
            target = root / part / name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        (root / "complete").touch()
    return root / "train", root / "test"


def findings(images: Any, pneumonia: Any, thresholds: tuple[float, float] | None) -> tuple[Any, tuple[float, float]]:
    """Return label columns; a half counts as brighter above the training images' median difference."""
    levels = images.astype(np.float64)
    left = levels[:, :, :14].mean((1, 2)) - levels[:, :, 14:].mean((1, 2))
    top = levels[:, :14].mean((1, 2)) - levels[:, 14:].mean((1, 2))
    used = thresholds if thresholds is not None else (float(np.median(left)), float(np.median(top)))
    return np.stack([pneumonia[:, 0], left > used[0], top > used[1]], axis=1).astype(np.uint8), used


def prepare_multi_label(data: Path, work: Path) -> tuple[Path, None]:
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
    return path, None


def sources(data: Path, work: Path) -> dict[str, Callable[[], tuple[Path, Path | None]]]:
    """Return what gives the clean source and test set of each data set."""
    return {
        "breastmnist": lambda: (data / "medmnist" / "breastmnist.npz", None),
        "pneumoniamnist": lambda: (data / "medmnist" / "pneumoniamnist.npz", None),
        "mednist": partial(prepare_mednist, data, work),
        "pneumonia_multilabel": partial(prepare_multi_label, data, work),
    }


def experiments(*, big: bool = True) -> list[Experiment]:
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
                rows.append(Experiment(dataset, radius, recipe, tuple(victims)))
    multi = tuple(replace(one, epochs=4) for one in (small, dense))
    rows += [Experiment("pneumonia_multilabel", radius, SyntheticRecipe(), multi) for radius in ("8/255", "16/255")]
    rows.append(Experiment("pneumonia_multilabel", "8/255", ErrorMinimizingRecipe(), multi))
    return rows


def perform(experiment: Experiment, clean: Path, test: Path | None, work: Path, seeds: int) -> dict[str, Any]:
    """Protect, verify, restore and audit one experiment; steps already done are not repeated."""
    folder = work / experiment.label
    result = folder / "result.json"
    if result.exists():
        content = dict(json.loads(result.read_text()))
        if [one["recipe"]["name"] for one in content["audit"]["recipes"]] == [one.name for one in experiment.victims]:
            return content
    release, ledger = folder / "release", folder / "ledger"
    proof = folder / "protect.json"
    if not proof.exists():
        bars = (ProgressBar(desc=experiment.label, file=sys.stderr),) if sys.stderr.isatty() else ()
        report = protect(
            clean,
            output=release,
            ledger=ledger,
            recipe=experiment.recipe,
            radius=experiment.radius,
            seed=RELEASE_SEED,
            handlers=bars,
        )
        proof.write_text(report.to_json())
    proved = prove_files(clean, release, ledger, folder / "restored")
    audit = audit_release(
        release,
        clean=clean,
        test=test,
        output=folder / "audit",
        recipes=experiment.victims,
        seeds=seeds,
        runs=work / "trainings",
    )
    content = {
        "experiment": experiment.label,
        "dataset": experiment.dataset,
        "method": experiment.recipe.name,
        "radius": experiment.radius,
        "settings": experiment.recipe.describe(),
        "protect_seconds": json.loads(proof.read_text())["seconds"],
        **proved,
        "audit": audit.to_json(),
    }
    unfinished = result.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(content, indent=1))
    unfinished.rename(result)
    return content


def prove_files(clean: Path, release: Path, ledger: Path, scratch: Path) -> dict[str, Any]:
    """Verify every pixel of a release, restore it, and compare what was restored with the source."""
    verified = verify_release(release, ledger)
    shutil.rmtree(scratch, ignore_errors=True)
    restored = restore_release(release, ledger, scratch)
    equal = equal_images(clean, scratch)
    shutil.rmtree(scratch)
    return {
        "pixels": verified.pixels,
        "pixels_in_budget": verified.pixels_held,
        "verified": verified.held,
        "images": len(open_source(clean)),
        "images_restored_bit_for_bit": equal if restored.held else 0,
    }


def equal_images(clean: Path, restored: Path) -> int:
    """Count restored images that equal the decoded originals in every pixel, read again from disk."""
    originals, copies = open_source(clean), open_source(restored)
    pairs = zip(originals, copies, strict=True)
    return sum(bool((a.image == b.image).all()) and a.image.dtype == b.image.dtype for a, b in pairs)


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
    pixels, held = sum(one["pixels"] for one in results), sum(one["pixels_in_budget"] for one in results)
    images, equal = sum(one["images"] for one in results), sum(one["images_restored_bit_for_bit"] for one in results)
    lines += [
        "",
        f"Pixels read back and inside the integer budget: {held} of {pixels}. "
        f"Images restored bit for bit: {equal} of {images}.",
    ]
    return "\n".join(lines)


def published(experiment: Experiment) -> dict[str, Any] | None:
    """Return the row of docs/results.json that was computed with exactly the same settings and victims."""
    wanted = [experiment.recipe.describe(), [victim.describe() for victim in experiment.victims]]
    wanted = json.loads(json.dumps(wanted))  # as a file holds them
    for one in json.loads((DOCS / "results.json").read_text()):
        victims = [recipe["recipe"] for recipe in one["audit"]["recipes"]]
        if one["experiment"] == experiment.label and [one["settings"], victims] == wanted:
            return dict(one)
    return None


def publish(results: Sequence[dict[str, Any]]) -> None:
    """Write docs/results.json and put the table between the markers of docs/README.md."""
    slim = json.loads(json.dumps(list(results)))
    for one in slim:
        for recipe in one["audit"]["recipes"]:
            for run in recipe["runs"]:
                for curve in ("loss_curve", "score_curve"):
                    run[curve] = [round(value, 4) for value in run[curve]]
    (DOCS / "results.json").write_text(json.dumps(slim, indent=1, sort_keys=True) + "\n")
    splice(DOCS / "README.md", table(results))
    shown = [one for one in results if one["dataset"] != "pneumonia_multilabel"]
    splice(ROOT / "README.md", table(shown, victim="small_resnet"))


def splice(path: Path, text: str) -> None:
    """Replace what stands between the two markers of a Markdown file."""
    start, end = "<!-- figures -->", "<!-- end of figures -->"
    before, rest = path.read_text().split(start, 1)
    after = rest.split(end, 1)[1]
    path.write_text(f"{before}{start}\n{text}\n{end}{after}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with medmnist/ and mednist/")
    parser.add_argument("--work", type=Path, default=Path("reproduce_output"), help="where steps are kept")
    parser.add_argument("--only", help="run only experiments whose name contains this")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="torch threads")
    parser.add_argument("--small", action="store_true", help="leave DenseNet121 out")
    parser.add_argument("--finished", action="store_true", help="compute nothing; publish what earlier runs finished")
    parser.add_argument("--keep", action="store_true", help="also publish rows of docs/results.json that still hold")
    parser.add_argument("--publish", action="store_true", help="write the table into docs/, also of a partial run")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    known, results = sources(options.data, options.work), []
    for experiment in experiments(big=not options.small):
        if options.only and options.only not in experiment.label:
            continue
        finished = (options.work / experiment.label / "result.json").exists()
        kept = published(experiment) if options.keep and not finished else None
        if kept is not None:
            results.append(kept)
            continue
        if options.finished and not finished:
            print(f"not finished: {experiment.label}")
            continue
        clean, test = known[experiment.dataset]()
        results.append(perform(experiment, clean, test, options.work, options.seeds))
        print(*table(results[-1:]).splitlines()[2:], sep="\n", flush=True)
    print(table(results))
    if options.publish or not options.only:
        publish(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
