"""The data sets that this bundle publishes figures of, and how they are split.

Kvasir-SEG by file number: 1 to 800 are protected, 901 to 1000 are the clean test; 801 to 900 are left for choices.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

sys.path.insert(0, str(Path(__file__).parents[1]))  # the bundles share how figures are made
from PIL import Image
from reproduction import DataSet, train_and_test

PROTECTED, TESTED = range(1, 801), range(901, 1001)
SMALL_PX = 64
_AT_LEAST_HALF = 127


def prepare_kvasir(data: Path, work: Path) -> DataSet:
    """Copy images and masks into a folder for the protection and one for the test."""
    return train_and_test(work / "kvasir", lambda root: _write(data, root, shutil.copyfile))


def prepare_small_kvasir(data: Path, work: Path) -> DataSet:
    """Write images (by area means) and masks (the nearest pixel's) of 64 pixels a side: as networks look at them."""
    return train_and_test(work / "kvasir_64px", lambda root: _write(data, root, _shrink))


def _write(data: Path, root: Path, write_one: Callable[[Path, Path], object]) -> None:
    """Write every image and mask from its source to its place."""
    for part, numbers in (("train", PROTECTED), ("test", TESTED)):
        for kind, stem in (("images", "colonoscopy"), ("masks", "mask")):
            (root / part / kind).mkdir(parents=True)
            for number in numbers:
                name = f"{stem}_{number:04d}.jpg"
                write_one(data / "kvasir_seg" / kind / name, root / part / kind / name)


def _shrink(source: Path, target: Path) -> None:
    target = target.with_suffix(".png")
    with Image.open(source) as stored:
        if source.parent.name == "images":
            stored.convert("RGB").resize((SMALL_PX, SMALL_PX), Image.Resampling.BOX).save(target)
            return
        # The masks are JPEG files: their two values are blurred.
        small = stored.convert("L").resize((SMALL_PX, SMALL_PX), Image.Resampling.NEAREST)
        small.point(lambda value: 255 * (value > _AT_LEAST_HALF)).save(target)


DATA_SETS: Mapping[str, Callable[[Path, Path], DataSet]] = MappingProxyType(
    {"kvasir": prepare_kvasir, "kvasir_64px": prepare_small_kvasir}
)
