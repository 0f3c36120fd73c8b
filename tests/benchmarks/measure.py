"""What every benchmark shares: repeated measuring, results, and where they were measured."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

REPOSITORY = Path(__file__).resolve().parents[2]
_PACKAGES = ("monai-unlearnable", "monai", "torch", "pytorch-ignite", "numpy")


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is measured: enough for a figure, or just enough to see that the benchmark runs.

    ``clock`` is ``wall``, or ``cpu`` for a machine that does other work at the same time (with one thread both say the
    same on an idle one, waiting for the disk apart).
    """

    quick: bool
    repeats: int
    images: int
    delta_steps: int
    pictures: int
    memory_images: int
    slices: int
    slice_px: int
    memory_slices: int
    clock: str = "wall"

    @classmethod
    def full(cls) -> Size:
        return cls(
            quick=False,
            repeats=5,
            images=256,
            delta_steps=10,
            pictures=64,
            memory_images=300,
            slices=40,
            slice_px=512,
            memory_slices=400,
        )

    @classmethod
    def small(cls) -> Size:
        return cls(
            quick=True,
            repeats=1,
            images=4,
            delta_steps=2,
            pictures=2,
            memory_images=8,
            slices=4,
            slice_px=16,
            memory_slices=4,
        )


@dataclass(frozen=True, kw_only=True)
class Row:
    """One quantity: the median and the spread of its repeats."""

    name: str
    unit: str
    values: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "unit": self.unit,
            "median": statistics.median(self.values),
            "min": min(self.values),
            "max": max(self.values),
            "repeats": len(self.values),
        }


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """One quantity against another, repeat by repeat; below or at its goal, if it has one."""

    name: str
    values: tuple[float, ...]
    goal: float | None = None

    def to_json(self) -> dict[str, Any]:
        median = statistics.median(self.values)
        row = Row(name=self.name, unit="1", values=self.values).to_json()
        return row | {"goal": self.goal, "met": None if self.goal is None else median <= self.goal}


@dataclass(frozen=True)
class Outcome:
    """What one benchmark found."""

    rows: tuple[Row, ...]
    ratios: tuple[Ratio, ...]


def interleaved_seconds(functions: Mapping[str, Callable[[], Any]], size: Size) -> dict[str, tuple[float, ...]]:
    """Time every function once, then all of them again: what slows the machine for a while slows each alike.

    Every other round runs backwards, so that none always follows the same one; a first, untimed round warms up.
    """
    clock = {"wall": time.perf_counter, "cpu": time.process_time}[size.clock]
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for number in range(size.repeats + 1):
        for name in list(functions) if number % 2 else reversed(list(functions)):
            start = clock()
            functions[name]()
            if number:
                seconds[name].append(clock() - start)
    return {name: tuple(values) for name, values in seconds.items()}


def quotients(values: tuple[float, ...], reference: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(one / other for one, other in zip(values, reference, strict=True))


def scaled(values: tuple[float, ...], factor: float) -> tuple[float, ...]:
    return tuple(value * factor for value in values)


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str | None:
    """The commit that is checked out; None outside git."""
    git = shutil.which("git")
    if git is None:
        return None
    done = subprocess.run([git, "rev-parse", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def machine() -> dict[str, Any]:
    """What the figures depend on; no name of a host or a user."""
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "vector_instructions": torch.backends.cpu.get_cpu_capability(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2) if sys.platform != "win32" else None,
    }
