"""The data sets that this bundle publishes figures of, and how each is split."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # the bundles share how figures are made
from reproduction import DataSet, train_and_test

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

    def write(root: Path) -> None:
        for part, name, path in mednist_files(data):
            target = root / part / name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)

    return train_and_test(work / "mednist", write)


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


DATA_SETS: Mapping[str, Callable[[Path, Path], DataSet]] = MappingProxyType(
    {
        "breastmnist": lambda data, work: prepare_medmnist("breastmnist", data),
        "pneumoniamnist": lambda data, work: prepare_medmnist("pneumoniamnist", data),
        "mednist": prepare_mednist,
        "pneumonia_multilabel": prepare_multi_label,
    }
)
"""Prepares each data set, given the data and the work folder."""
