"""Peak memory of releasing one large volume: writing, verifying and restoring, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import torch

from monai_unlearnable.release import restore_release, verify_release
from tests.benchmarks.measure import REPOSITORY, Outcome, Ratio, Row, Size
from tests.benchmarks.memory import peak_mib
from tests.benchmarks.release import release_once, write_store
from tests.benchmarks.release_files import make_volume, write_series

GOAL_MIB = 2048
_KINDS = ("DICOM series", "gzipped NIfTI")
_PHASES = ("writing", "verifying", "restoring")


def run(size: Size) -> Outcome:
    """Measure both kinds of files; the ratios are of the goal, 2 GiB for 512 x 512 x 400 voxels of 16 bits."""
    rows, ratios = [], []
    for kind in _KINDS:
        with tempfile.TemporaryDirectory() as folder:
            _start(kind, "making", folder, size)
            for phase in _PHASES:
                name, peak = f"{kind}, {phase}: peak memory", _start(kind, phase, folder, size)
                rows.append(Row(name=name, unit="MiB", values=(peak,)))
                ratios.append(Ratio(name=f"{name} / 2 GiB", values=(peak / GOAL_MIB,), goal=1.0))
    return Outcome(tuple(rows), tuple(ratios))


def _start(kind: str, phase: str, folder: str, size: Size) -> float:
    command = [sys.executable, "-m", "tests.benchmarks.release_memory", kind, phase, folder]
    command += [str(size.memory_slices), str(size.slice_px)]
    done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True, timeout=1800)
    return float(done.stdout.split()[-1])


def _make(kind: str, folder: Path, slices: int, side_px: int) -> None:
    source, volume = folder / "source", make_volume(slices, side_px, side_px)
    name = "series" if kind == "DICOM series" else "volume.nii.gz"
    if name == "series":
        write_series(volume, source / name, number=1)
    else:
        source.mkdir()
        nib.save(nib.Nifti1Image(volume.T, np.eye(4)), source / name)
    (source / "labels.csv").write_text(f"file,label\n{name},only\n", encoding="utf-8")
    write_store(source, folder / "store")


def main() -> None:
    """Do one phase, and print this process's peak memory in MiB."""
    kind, phase, where, slices, side_px = sys.argv[1:]
    folder = Path(where)
    torch.set_num_threads(1)
    if phase == "making":
        _make(kind, folder, int(slices), int(side_px))
    elif phase == "writing":
        release_once(folder / "source", folder / "store", folder)
    elif phase == "verifying":
        _require(verify_release(folder / "release", folder / "ledger").held)
    else:
        _require(restore_release(folder / "release", folder / "ledger", folder / "back").held)
    print(peak_mib())


def _require(held: bool) -> None:
    if not held:
        raise AssertionError("the release does not hold; its memory means nothing.")


if __name__ == "__main__":
    main()
