"""Peak memory of a process that protects n images, and of one that protects 10 n, with a mapped store.

Images are made one at a time, so that what grows is what the package keeps. Every size runs in a process of its own,
because a process's peak never falls again.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from tests.benchmarks.measure import REPOSITORY, Outcome, Ratio, Row, Size, quotients

# Holding every delta (16 KiB an image, 2700 images more) would cost 42 MiB on top of about 500.
GOAL = 1.03
_SIDE_PX = 128
_GROWTH = 10


def run(size: Size) -> Outcome:
    """Measure both sizes, each in fresh processes."""
    repeats = min(size.repeats, 3)
    counts = (size.memory_images, _GROWTH * size.memory_images)
    few: list[float] = []
    many: list[float] = []
    for _ in range(repeats):
        started = [_start(count) for count in counts]
        few_peak, many_peak = (_finish(process) for process in started)
        few.append(few_peak)
        many.append(many_peak)
    return Outcome(
        (
            Row(name=f"peak memory, {counts[0]} images", unit="MiB", values=tuple(few)),
            Row(name=f"peak memory, {counts[1]} images", unit="MiB", values=tuple(many)),
        ),
        (Ratio(name="peak memory, 10x the images", values=quotients(tuple(many), tuple(few)), goal=GOAL),),
    )


def _start(count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.benchmarks.memory", str(count)]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


def _finish(process: subprocess.Popen[str]) -> float:
    output, _ = process.communicate(timeout=600)
    if process.returncode:
        raise RuntimeError(f"the measured process ended with {process.returncode}.")
    return float(output.split()[-1])


class _MadeImages(Dataset[dict[str, Any]]):
    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        image = torch.full((1, _SIDE_PX, _SIDE_PX), float(index % 200 + 20))
        return {"image": image, "label": index % 2, "sample_id": f"train/{index:06d}"}


def _protect(count: int) -> None:
    from monai_unlearnable.budgets import LinfBudget
    from monai_unlearnable.engines import ProtectionEngine
    from monai_unlearnable.perturbations import Synthetic
    from monai_unlearnable.stores import MappedStore, StoreHeader

    budget = LinfBudget(radius_levels=8)
    shapes = {f"train/{index:06d}": (1, _SIDE_PX, _SIDE_PX) for index in range(count)}
    with tempfile.TemporaryDirectory() as folder:
        header = StoreHeader(shapes, float(budget.radius_levels), budget.describe(), Synthetic.name, 0)
        ProtectionEngine(
            device="cpu",
            max_epochs=1,
            train_data_loader=DataLoader(_MadeImages(count), batch_size=8),
            perturbation=Synthetic(budget=budget, num_classes=2, seed=0),
            store=MappedStore.create(Path(folder) / "store", header),
            decollate=False,
        ).run()


def peak_mib() -> float:
    """Return this process's peak resident memory in MiB.

    Linux hands ``ru_maxrss`` on from the process that starts another one, so a small child of a large parent would
    report its parent's peak; ``VmHWM`` begins anew.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 2**10
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    """Protect as many images as the first argument says, and print this process's peak memory in MiB."""
    torch.set_num_threads(1)
    _protect(int(sys.argv[1]))
    print(peak_mib())


if __name__ == "__main__":
    main()
