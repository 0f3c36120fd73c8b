"""Time and peak memory of computing the delta of one volume with a mask, once networks are trained.

By one pass of a generator and by the steps of error-minimizing, each in a process of its own; reading and storing are
part of it, training and writing files are not.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch

from tests.benchmarks.measure import REPOSITORY, Outcome, Ratio, Row, Size
from tests.benchmarks.memory import peak_mib
from tests.benchmarks.release_files import make_volume

METHODS = ("generator", "error_minimizing")
_SMALL = (36, 50, 35)


def run(size: Size) -> Outcome:
    """Measure a volume of the size of a hippocampus and a large one, 512 x 512 x 200 voxels of 16 bits."""
    rows, ratios = [], []
    for shape in (_SMALL, (size.memory_slices // 2, size.slice_px, size.slice_px)):
        seconds = {}
        with tempfile.TemporaryDirectory() as folder:
            _make(Path(folder) / "source", shape)
            for method in METHODS:
                command = [sys.executable, "-m", "tests.benchmarks.protect_volume", method, folder]
                done = subprocess.run(
                    command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True, timeout=1800
                )
                seconds[method], peak = (float(one) for one in done.stdout.split()[-2:])
                name = f"{method}, volume of {' x '.join(map(str, shape[::-1]))}"
                rows.append(Row(name=f"{name}: delta", unit="s", values=(seconds[method],)))
                rows.append(Row(name=f"{name}: peak memory", unit="MiB", values=(peak,)))
        quotient = seconds["generator"] / seconds["error_minimizing"]
        name = f"generator / error_minimizing, volume of {' x '.join(map(str, shape[::-1]))}"
        ratios.append(Ratio(name=name, values=(quotient,)))
    return Outcome(tuple(rows), tuple(ratios))


def _make(folder: Path, shape: tuple[int, ...]) -> None:
    volume = make_volume(*shape)
    mask = (volume > np.percentile(volume, 90)).astype(np.uint8)
    for kind, values in (("images", volume), ("labels", mask)):
        (folder / kind).mkdir(parents=True)
        nib.save(nib.Nifti1Image(values.T, np.eye(4)), folder / kind / "volume.nii")


def main() -> None:
    """Compute the delta with the method that the first argument names; print seconds and this process's peak memory."""
    from monai_unlearnable.engines import ProtectionEngine
    from monai_unlearnable.perturbations import Perturbation, on_grid
    from monai_unlearnable.sources import open_source
    from monai_unlearnable.surrogates import Surrogate
    from monai_unlearnable.workflows import ErrorMinimizingRecipe, GeneratorRecipe, ProtectionRun
    from monai_unlearnable.workflows.fitting import fit_recipe

    method, folder = sys.argv[1], Path(sys.argv[2])
    torch.set_num_threads(1)
    images = open_source(folder / "source")
    recipe: Any = fit_recipe(GeneratorRecipe() if method == "generator" else ErrorMinimizingRecipe(), images)
    with ProtectionRun(
        images,
        output=folder / method / "release",
        ledger=folder / method / "ledger",
        method=recipe.name,
        settings=recipe.describe(),
        seed=0,
    ) as protection:
        context = protection.context
        surrogate: Surrogate | None = None
        perturbation: Perturbation
        # Weights of any value take the same time.
        if isinstance(recipe, GeneratorRecipe):
            generator = recipe.build_generator(context.facts)
            perturbation = recipe.perturbation(context.facts, budget=context.budget, generator=generator)
        else:
            surrogate = recipe.surrogate(context.facts)
            method_itself = recipe.perturbation(context.facts, budget=context.budget)
            perturbation = on_grid(method_itself, recipe.surrogate_size_px)
        engine = ProtectionEngine(
            device=context.device,
            max_epochs=1,
            train_data_loader=recipe.loader(context),
            perturbation=perturbation,
            store=context.store,
            surrogate=surrogate,
            key=context.key,
            decollate=False,
        )
        start = time.perf_counter()
        engine.run()
        seconds = time.perf_counter() - start
    print(seconds, peak_mib())


if __name__ == "__main__":
    main()
