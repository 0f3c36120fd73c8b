"""What the bundles' reproduce.py share: protect, verify, restore and audit, step by step, and publish.

Every step that is finished is kept in the work folder, so a stopped run goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ignite.handlers import ProgressBar
from kept_results import merged, missing_victims, of_whole_audit, published

from monai_unlearnable.audit import VictimRecipe, audit_release
from monai_unlearnable.audit.extras import Extra
from monai_unlearnable.release import restore_release, verify_release
from monai_unlearnable.sources import open_source
from monai_unlearnable.workflows import Recipe, protect

RELEASE_SEED = 20230305
"""Fixed so that the figures can be repeated; a release for real draws its own."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One release and the victims trained on it.

    Attributes:
        dataset: name of the data set.
        radius: as on the command line.
        recipe: the method.
        victims: who is trained on it.
        variant: what tells it from others of the same data, method and radius.
        level_size: what one level adds to a value of floating-point files.
        extras: what the audit looks at besides its victims' scores.
    """

    dataset: str
    radius: str
    recipe: Recipe
    victims: tuple[VictimRecipe, ...]
    variant: str = ""
    level_size: float | None = None
    extras: tuple[Extra, ...] = ()

    @property
    def label(self) -> str:
        """Name of its folder and of its row."""
        parts = (self.dataset, self.recipe.name, self.variant, self.radius.replace("/", "of"))
        return "-".join(part.replace(" ", "_") for part in parts if part)


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """Where the images of an experiment lie.

    Attributes:
        clean: what is protected.
        test: clean images for the test; None for the test split of ``clean``.
        labels: list of the images of ``clean``; None where the folder says it.
    """

    clean: Path
    test: Path | None = None
    labels: Path | None = None


def train_and_test(root: Path, write: Callable[[Path], None]) -> DataSet:
    """Return the folders ``train`` and ``test`` of a root, written by ``write`` unless that was done to the end."""
    if not (root / "complete").exists():
        shutil.rmtree(root, ignore_errors=True)
        write(root)
        (root / "complete").touch()
    return DataSet(clean=root / "train", test=root / "test")


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """What one bundle publishes.

    Attributes:
        folder: of the bundle.
        description: for ``--help``.
        datasets: prepares each data set, given the data and the work folder.
        experiments: every experiment, with the long ones or without, given the data folder.
        table: rows of the published table in Markdown.
        publish: writes the table wherever it is published.
        results_name: file in the bundle's ``docs`` that holds the published figures.
    """

    folder: Path
    description: str
    datasets: Mapping[str, Callable[[Path, Path], DataSet]]
    experiments: Callable[[bool, Path], Sequence[Experiment]]
    table: Callable[[Sequence[dict[str, Any]]], str]
    publish: Callable[[Sequence[dict[str, Any]]], None]
    results_name: str = "results.json"

    @property
    def results(self) -> Path:
        """Where the published figures are."""
        return self.folder / "docs" / self.results_name


def perform(
    experiment: Experiment, data: DataSet, work: Path, seeds: int, *, kept: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Protect, verify, restore and audit one experiment; steps already done are not repeated.

    Args:
        experiment: what is computed.
        data: its images.
        work: where steps are kept.
        seeds: trainings of each kind.
        kept: an earlier result; who is among its victims is not trained again.
    """
    folder = work / experiment.label
    result = folder / "result.json"
    content = dict(json.loads(result.read_text())) if result.exists() else kept
    missing = experiment.victims if content is None else missing_victims(experiment, content["audit"])
    if content is not None and not missing:
        return content
    about = {
        "experiment": experiment.label,
        "dataset": experiment.dataset,
        "method": experiment.recipe.name,
        "variant": experiment.variant,
        "radius": experiment.radius,
        "settings": experiment.recipe.describe(),
        "protect_seconds": protect_once(experiment, data, folder),
        **prove_files(data, folder),
    }
    audit = _audit(experiment, data, work, missing, seeds)
    if content is not None and len(missing) < len(experiment.victims):
        about, audit = content, merged(experiment, content["audit"], audit)
    content = {**about, "audit": audit}
    unfinished = result.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(content, indent=1))
    unfinished.rename(result)
    return content


def _audit(
    experiment: Experiment, data: DataSet, work: Path, missing: Sequence[VictimRecipe], seeds: int
) -> dict[str, Any]:
    """Audit a release by missing victims, and by plain ones, whom the others are compared with."""
    return audit_release(
        work / experiment.label / "release",
        clean=data.clean,
        labels=data.labels,
        test=data.test,
        output=work / experiment.label / "audit",
        recipes=[one for one in experiment.victims if one in missing or one.is_plain],
        extras=experiment.extras if len(missing) == len(experiment.victims) else (),
        seeds=seeds,
        runs=work / "trainings",
    ).to_json()


def protect_once(experiment: Experiment, data: DataSet, folder: Path) -> float:
    """Write the release and the ledger of an experiment unless they are there; return the seconds it took."""
    proof = folder / "protect.json"
    if not proof.exists():
        bars = (ProgressBar(desc=experiment.label, file=sys.stderr),) if sys.stderr.isatty() else ()
        report = protect(
            data.clean,
            labels=data.labels,
            output=folder / "release",
            ledger=folder / "ledger",
            recipe=experiment.recipe,
            radius=experiment.radius,
            level_size=experiment.level_size,
            seed=RELEASE_SEED,
            handlers=bars,
        )
        proof.write_text(report.to_json())
    return float(json.loads(proof.read_text())["seconds"])


def prove_files(data: DataSet, folder: Path) -> dict[str, Any]:
    """Verify every pixel of a release, restore it, and compare what was restored with the source; done once."""
    kept = folder / "proved.json"
    if kept.exists():
        return dict(json.loads(kept.read_text()))
    scratch = folder / "restored"
    verified = verify_release(folder / "release", folder / "ledger")
    shutil.rmtree(scratch, ignore_errors=True)
    restored = restore_release(folder / "release", folder / "ledger", scratch)
    equal = equal_images(data, scratch)
    shutil.rmtree(scratch)
    proved = {
        "pixels": verified.pixels,
        "pixels_in_budget": verified.pixels_held,
        "verified": verified.held,
        "images": len(open_source(data.clean, data.labels)),
        "images_restored_bit_for_bit": equal if restored.held else 0,
    }
    kept.write_text(json.dumps(proved))
    return proved


def equal_images(data: DataSet, restored: Path) -> int:
    """Count restored images that equal the decoded originals in every pixel, read again from disk."""
    labels = None if data.labels is None else restored / data.labels.relative_to(data.clean)
    originals, copies = open_source(data.clean, data.labels), open_source(restored, labels)
    pairs = zip(originals, copies, strict=True)
    return sum(bool((a.image == b.image).all()) and a.image.dtype == b.image.dtype for a, b in pairs)


def proof_line(results: Sequence[dict[str, Any]]) -> str:
    """Say in a line what was read back from disk."""
    pixels, held = sum(one["pixels"] for one in results), sum(one["pixels_in_budget"] for one in results)
    images, equal = sum(one["images"] for one in results), sum(one["images_restored_bit_for_bit"] for one in results)
    return (
        f"Pixels read back and inside the integer budget: {held} of {pixels}. "
        f"Images restored bit for bit: {equal} of {images}."
    )


def write_results(results: Sequence[dict[str, Any]], file: Path, *, curves: bool = True) -> None:
    """Write the figures of every run without pictures, and with rounded curves or without.

    What follows from all victims of an audit together is left out; the figures that it follows from are there.
    """
    slim = json.loads(json.dumps(list(results)))
    for one in slim:
        one["audit"] = of_whole_audit(one["audit"])
        for recipe in one["audit"]["recipes"]:
            recipe.pop("overlays", None)
            for run in recipe["runs"]:
                run.pop("predictions", None)
                for curve in {"loss_curve", "score_curve"} & run.keys():  # rows that are kept may have none
                    rounded = [round(value, 4) for value in run.pop(curve)]
                    if curves:
                        run[curve] = rounded
    file.write_text(json.dumps(slim, indent=1, sort_keys=True) + "\n")


def publish_in_docs(
    folder: Path, table: Callable[[Sequence[dict[str, Any]]], str]
) -> Callable[[Sequence[dict[str, Any]]], None]:
    """Return what writes a bundle's docs/results.json and puts the table between the markers of its docs/README.md."""

    def publish(results: Sequence[dict[str, Any]]) -> None:
        write_results(results, folder / "docs" / "results.json")
        splice(folder / "docs" / "README.md", table(results))

    return publish


def splice(path: Path, text: str, *, name: str = "figures") -> None:
    """Replace what stands between the two markers of that name in a Markdown file."""
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, rest = path.read_text().split(start, 1)
    after = rest.split(end, 1)[1]
    path.write_text(f"{before}{start}\n{text}\n{end}{after}")


def main(bundle: Bundle) -> int:
    """Run the experiments of a bundle as the command line says."""
    options = _options(bundle)
    torch.set_num_threads(options.threads)
    results: list[dict[str, Any]] = []
    for experiment in bundle.experiments(not options.small, options.data):
        if options.only and options.only not in experiment.label:
            continue
        finished = (options.work / experiment.label / "result.json").exists()
        kept = published(experiment, bundle.results) if options.keep and not finished else None
        if kept is not None and not missing_victims(experiment, kept["audit"]):
            results.append(kept)
            continue
        if options.finished and not finished:
            print(f"not finished: {experiment.label}")
            continue
        data = bundle.datasets[experiment.dataset](options.data, options.work)
        results.append(perform(experiment, data, options.work, options.seeds, kept=kept))
        print(bundle.table(results[-1:]), flush=True)
    print(bundle.table(results))
    if options.publish or not options.only:
        bundle.publish(results)
    return 0


def _options(bundle: Bundle) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=bundle.description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--work", type=Path, default=Path("reproduce_output"), help="where steps are kept")
    parser.add_argument("--only", help="run only experiments whose name contains this")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="torch threads")
    parser.add_argument("--small", action="store_true", help="leave the longest trainings out")
    parser.add_argument("--finished", action="store_true", help="compute nothing; publish what earlier runs finished")
    parser.add_argument("--keep", action="store_true", help="take rows in docs/ that still hold; train what they lack")
    parser.add_argument("--publish", action="store_true", help="write the table into docs/, also of a partial run")
    return parser.parse_args()
