"""Peak memory of computing deltas for two large volumes, each method in a process of its own; files are not written."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import torch

from tests.benchmarks.measure import REPOSITORY, Outcome, Ratio, Row, Size
from tests.benchmarks.memory import peak_mib
from tests.benchmarks.release_files import make_volume

GOAL_MIB = 2048
_METHODS = ("synthetic", "error_minimizing")


def run(size: Size) -> Outcome:
    """Measure both methods; the ratios are of the goal, 2 GiB for 512 x 512 x 400 voxels of 16 bits."""
    rows, ratios = [], []
    with tempfile.TemporaryDirectory() as folder:
        _make(Path(folder), size.memory_slices, size.slice_px)
        for method in _METHODS:
            command = [sys.executable, "-m", "tests.benchmarks.compute_memory", method, folder]
            done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True, timeout=1800)
            name, peak = f"{method} deltas of volumes: peak memory", float(done.stdout.split()[-1])
            rows.append(Row(name=name, unit="MiB", values=(peak,)))
            ratios.append(Ratio(name=f"{name} / 2 GiB", values=(peak / GOAL_MIB,), goal=1.0))
    return Outcome(tuple(rows), tuple(ratios))


def _make(folder: Path, slices: int, side_px: int) -> None:
    volume = make_volume(slices, side_px, side_px)
    for label in "ab":
        (folder / "source" / label).mkdir(parents=True)
        nib.save(nib.Nifti1Image(volume.T, np.eye(4)), folder / "source" / label / "volume.nii")
        volume = volume[:, ::-1]


def main() -> None:
    """Compute deltas with the method that the first argument names, and print this process's peak memory in MiB."""
    from monai_unlearnable.sources import open_source
    from monai_unlearnable.workflows import ErrorMinimizingRecipe, ProtectionRun, Recipe, SyntheticRecipe
    from monai_unlearnable.workflows.fitting import fit_recipe

    method, folder = sys.argv[1], Path(sys.argv[2])
    torch.set_num_threads(1)
    images = open_source(folder / "source")
    # One round and one step: memory does not depend on how often they are repeated.
    minimizing = ErrorMinimizingRecipe(max_rounds=1, surrogate_epochs=1, steps=1)
    recipe: Recipe = fit_recipe(minimizing if method == minimizing.name else SyntheticRecipe(), images)
    with ProtectionRun(
        images,
        output=folder / method / "release",
        ledger=folder / method / "ledger",
        method=recipe.name,
        settings=recipe.describe(),
        seed=0,
    ) as protection:
        engine, _ = recipe.build(protection.context)
        engine.run()
    print(peak_mib())


if __name__ == "__main__":
    main()
