"""Releases of DICOM series for the tests, made as a user makes them."""

from __future__ import annotations

import csv
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from monai_unlearnable.release import read_manifest
from monai_unlearnable.sources.dicom import DicomSeries
from monai_unlearnable.workflows import ProtectReport, SyntheticRecipe, protect


@dataclass(frozen=True)
class SeriesRoad:
    """A source of DICOM series, each in its folder, and its release."""

    root: Path
    names: tuple[str, ...]

    @property
    def source(self) -> Path:
        return self.root / "source"

    @property
    def release(self) -> Path:
        return self.root / "release"

    @property
    def deltas(self) -> Path:
        return self.root / "ledger" / "deltas"

    def pairs(self, name: str = "") -> list[tuple[Path, Path]]:
        """Every original slice and its protected copy, of one series or of all, in the order of the slices."""
        names = [name] if name else list(self.names)
        files = [path for one in names for path in DicomSeries().files(self.source / one)]
        return [(path, self.release / path.relative_to(self.source)) for path in files]


def protect_folder(root: Path, *, name: str = "source", labels: Path | None = None) -> ProtectReport:
    """Protect ``root / name`` into ``root / "release"``."""
    return protect(
        root / name,
        output=root / "release",
        ledger=root / "ledger",
        labels=labels,
        recipe=SyntheticRecipe(),
        radius="8 levels",
    )


def protect_series(root: Path, *, folders: dict[str, list[Path]]) -> SeriesRoad:
    """Copy slices into a folder for each series, protect all of them, and check that nothing was left out."""
    road = SeriesRoad(root, tuple(folders))
    for name, files in folders.items():
        (road.source / name).mkdir(parents=True)
        for path in files:
            shutil.copy(path, road.source / name / path.name)
    labels = root / "labels.csv"
    with labels.open("w", newline="") as stream:
        rows = [[name, ("one", "other")[number % 2]] for number, name in enumerate(folders)]
        csv.writer(stream).writerows([["file", "label"], *rows])
    report = protect_folder(root, labels=labels)
    assert report.held, report.verification.failures
    assert {one.name for one in read_manifest(road.release).files if one.images} == {
        path.relative_to(road.release).as_posix() for _, path in road.pairs()
    }
    return road


def series_slices(folder: Path, *, start: int, count: int) -> list[Path]:
    """Some neighbouring slices of a series; a test that asks for more than there are fails."""
    files = list(DicomSeries().files(folder))[start : start + count]
    if len(files) < count:
        pytest.fail(f"{folder}: holds fewer than {start + count} slices")
    return files
