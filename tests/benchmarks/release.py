"""Releasing and restoring files against a plain read-and-rewrite of the same files with their own library.

Hashes of files and pixels, durable writing and reading back are part of what releasing costs; rows say how much of it.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from monai_unlearnable.release import (
    ManifestFields,
    ReleaseBudget,
    ReleaseBudgets,
    hold_ledger,
    restore_release,
    verify_release,
    write_release,
)
from monai_unlearnable.release.hashing import file_sha256, pixels_sha256
from monai_unlearnable.sources import open_source
from monai_unlearnable.stores import MappedStore, StoreHeader
from tests.benchmarks.measure import Outcome, Ratio, Row, Size, interleaved_seconds, quotients
from tests.benchmarks.release_files import KINDS, Kind, make_volume

GOAL = 1.3
_CHECKED = "durable checked rewrite"
"""The plain rewrite, then one fsync of each new file, and one SHA-256 of each file that was read and written: the least
that a careful program does. A release hashes pixels as well and keeps what brings the original back."""

_RADIUS = 8
BUDGET = ReleaseBudget(norm="linf", radius_levels=_RADIUS, low_level=-32768, high_level=65535)
BUDGETS = ReleaseBudgets(distinct=(BUDGET,))


def run(size: Size) -> Outcome:
    """Measure every kind of file."""
    rows: list[Row] = []
    ratios: list[Ratio] = []
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            found = _measure(kind, Path(folder), size)
        rows += found.rows
        ratios += found.ratios
    return Outcome(tuple(rows), tuple(ratios))


def write_store(source_path: Path, folder: Path) -> None:
    """Write deltas of up to 8 levels for every image of a source."""
    source = open_source(source_path)
    shapes = {sample_id: source.shape(index) for index, sample_id in enumerate(source.sample_ids)}
    store = MappedStore.create(folder, StoreHeader(shapes, _RADIUS, {}, "synthetic", 0))
    generator = torch.Generator().manual_seed(0)
    for sample_id, shape in shapes.items():
        for at in range(shape[-1]):
            region = (*(slice(0, one) for one in shape[:-1]), slice(at, at + 1))
            levels = torch.randint(-_RADIUS, _RADIUS + 1, (*shape[:-1], 1), generator=generator, dtype=torch.int8)
            store.write_region(sample_id, region, levels)


def release_once(source_path: Path, store_path: Path, folder: Path) -> None:
    """Write ``folder/release`` and ``folder/ledger``."""
    source = open_source(source_path)
    with hold_ledger(folder / "ledger", source=source_path, release=folder / "release", configuration={}) as ledger:
        write_release(
            source,
            MappedStore.open(store_path),
            source.sample_ids,
            release=folder / "release",
            ledger=ledger,
            manifest_fields=ManifestFields(method="synthetic", budgets=BUDGETS, configuration={}),
        )


def _measure(kind: Kind, folder: Path, size: Size) -> Outcome:
    kind.write(make_volume(size.slices, size.slice_px, size.slice_px), folder / "source")
    write_store(folder / "source", folder / "store")
    release_once(folder / "source", folder / "store", folder / "first")
    seconds = interleaved_seconds(_functions(kind, folder), size)
    plain, checked = seconds["rewrite"], seconds[_CHECKED]
    rows = tuple(Row(name=f"{kind.name}: {name}", unit="s", values=values) for name, values in seconds.items())
    return Outcome(
        rows,
        (
            Ratio(name=f"{kind.name}: release / rewrite", values=quotients(seconds["release"], plain), goal=GOAL),
            Ratio(name=f"{kind.name}: restore / rewrite", values=quotients(seconds["restore"], plain), goal=GOAL),
            Ratio(name=f"{kind.name}: release / {_CHECKED}", values=quotients(seconds["release"], checked)),
            Ratio(name=f"{kind.name}: restore / {_CHECKED}", values=quotients(seconds["restore"], checked)),
        ),
    )


def _functions(kind: Kind, folder: Path) -> dict[str, Callable[[], None]]:
    first, numbers = folder / "first", itertools.count()
    files = [one for one in sorted((folder / "source").rglob("*")) if one.is_file()]

    def fresh() -> Path:
        target = folder / f"target {next(numbers)}"
        target.mkdir()
        return target

    def verify() -> None:
        verify_release(first / "release", first / "ledger")

    return {
        "rewrite": lambda: _rewrite(kind, files, fresh()),
        _CHECKED: lambda: _checked_rewrite(kind, files, fresh()),
        "release": lambda: release_once(folder / "source", folder / "store", fresh()),
        "restore": lambda: _require(restore_release(first / "release", first / "ledger", fresh() / "back").held),
        "verify": verify,
        "of which reading and hashes": lambda: _hash(files, folder / "source"),
        "of which copying durably": lambda: _copy_durably(files, fresh()),
    }


def _rewrite(kind: Kind, files: Sequence[Path], target: Path) -> None:
    for number, file in enumerate(files):
        kind.rewrite(file, target / f"{number}{''.join(file.suffixes)}")


def _checked_rewrite(kind: Kind, files: Sequence[Path], target: Path) -> None:
    for number, file in enumerate(files):
        copy = target / f"{number}{''.join(file.suffixes)}"
        file_sha256(file)
        kind.rewrite(file, copy)
        _sync(copy)
        file_sha256(copy)


def _hash(files: Sequence[Path], source_path: Path) -> None:
    for file in files:
        file_sha256(file)
        file_sha256(file)
    source = open_source(source_path)
    for index in range(len(source)):
        image = source.read(index)
        pixels_sha256(image)
        pixels_sha256(image)


def _copy_durably(files: Sequence[Path], target: Path) -> None:
    for number, file in enumerate(files):
        shutil.copyfile(file, target / str(number))
        _sync(target / str(number))


def _sync(file: Path) -> None:
    with file.open("rb+") as stream:
        os.fsync(stream.fileno())


def _require(held: bool) -> None:
    if not held:
        raise AssertionError("the release did not come back; its time means nothing.")
