"""The data set that this bundle publishes figures of, and how it is split.

Kvasir-SEG by file number: 1 to 800 are protected, 901 to 1000 are the clean test; 801 to 900 are left for choices.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

sys.path.insert(0, str(Path(__file__).parents[1]))  # the bundles share how figures are made
from reproduction import DataSet

PROTECTED, TESTED = range(1, 801), range(901, 1001)


def prepare_kvasir(data: Path, work: Path) -> DataSet:
    """Copy images and masks into a folder for the protection and one for the test."""
    root = work / "kvasir"
    if not (root / "complete").exists():
        shutil.rmtree(root, ignore_errors=True)
        for part, numbers in (("train", PROTECTED), ("test", TESTED)):
            for kind, stem in (("images", "colonoscopy"), ("masks", "mask")):
                (root / part / kind).mkdir(parents=True)
                for number in numbers:
                    name = f"{stem}_{number:04d}.jpg"
                    shutil.copyfile(data / "kvasir_seg" / kind / name, root / part / kind / name)
        (root / "complete").touch()
    return DataSet(clean=root / "train", test=root / "test")


DATA_SETS: Mapping[str, Callable[[Path, Path], DataSet]] = MappingProxyType({"kvasir": prepare_kvasir})
