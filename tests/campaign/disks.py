"""Disks that fill up: small file systems in memory, which take root to mount."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.campaign.forks import Forks
from tests.campaign.places import Case, Place, differences, unlike

PAGE_KB = 4
_ROOMY_KB = 65536


@dataclass(frozen=True)
class Disk:
    """A small file system."""

    folder: Path

    def resize(self, size_kb: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size_kb}k", str(self.folder)], check=True)


@contextmanager
def small_disk(folder: Path, size_kb: int) -> Iterator[Disk]:
    """Mount a file system of a size, and take it off with the block.

    Raises:
        OSError: this process may not mount.
    """
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(folder)]
    answer = subprocess.run(command, check=False, capture_output=True, text=True)
    if answer.returncode != 0:
        raise OSError(f"a file system cannot be mounted here: {answer.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def why_not(folder: Path) -> str:
    """Say why this machine lets us mount nothing; '' where it does."""
    try:
        with small_disk(folder, PAGE_KB):
            return ""
    except OSError as error:
        return str(error)


@dataclass
class Filled:
    """What a disk of one size led to.

    Attributes:
        case: source and method.
        on_it: what lay on the small disk.
        size_kb: its size.
        outcome: ``refused at the start``, ``full on the way`` or ``fits``.
        problems: what is not as it should be.
    """

    case: str
    on_it: str
    size_kb: int
    outcome: str = ""
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SplitPlace(Place):
    """A place whose release or ledger, or both, lie on a small disk."""

    disk: Path = Path()
    on_it: str = "release"

    @property
    def release(self) -> Path:
        return (self.folder if self.on_it == "ledger" else self.disk) / "release"

    @property
    def ledger(self) -> Path:
        return (self.folder if self.on_it == "release" else self.disk) / "ledger"


def fill(forks: Forks, whole: Place, *, on_it: str, size_kb: int) -> Filled:
    """Protect onto a small disk, make room, and go on."""
    filled = Filled(whole.case.name, on_it, size_kb)
    folder = whole.folder.with_name(f"disk-{on_it}-{size_kb}")
    with small_disk(folder / "disk", size_kb) as disk:
        place = SplitPlace(whole.case, whole.source, folder / "rest", disk.folder, on_it)
        place.folder.mkdir()
        ended = forks.command(*place.protect())
        filled.outcome = "fits" if ended.status == 0 else "full on the way"
        if ended.status != 0:
            if "Make room, or" in ended.err:
                filled.outcome = "refused at the start"
            filled.problems += _complaint(ended.err, ended.status, place)
            filled.problems += unlike(place.release, whole.release)
            disk.resize(_ROOMY_KB)
            again = forks.command(*place.protect())
            if again.status != 0:
                filled.problems.append(f"does not go on: {again.status} {again.err[-300:]}")
        if not filled.problems:
            filled.problems += differences(place, whole)
        if not filled.problems and forks.command(*place.verify()).status != 0:
            filled.problems.append("does not verify")
    return filled


def _complaint(err: str, status: int, place: Place) -> list[str]:
    named = any(str(one) in err for one in (place.release, place.ledger))
    good = status == 1 and named and "Traceback" not in err
    return [] if good else [f"ends with {status} and says {err[-300:]!r}"]


def sweep(forks: Forks, whole: Place, *, on_it: str, growth: float = 1.3, most_kb: int = 16384) -> Iterator[Filled]:
    """Fill larger and larger disks until the run fits."""
    size_kb = PAGE_KB
    while size_kb <= most_kb:
        filled = fill(forks, whole, on_it=on_it, size_kb=size_kb)
        yield filled
        if filled.outcome == "fits":
            return
        size_kb = max(size_kb + PAGE_KB, PAGE_KB * round(size_kb * growth / PAGE_KB))


def restore_onto(forks: Forks, whole: Place, *, size_kb: int) -> Filled:
    """Restore onto a small disk, and anew onto one with room."""
    filled = Filled(whole.case.name, "restored", size_kb)
    folder = whole.folder.with_name(f"disk-restored-{size_kb}")
    with small_disk(folder / "disk", size_kb) as disk:
        ended = forks.command(*whole.restore(disk.folder / "back"))
        filled.outcome = "fits" if ended.status == 0 else "full on the way"
        if ended.status not in (0, 1) or ended.crashed:
            filled.problems.append(f"ends with {ended.status} and says {ended.err[-300:]!r}")
        if ended.status == 1 and "No space left" not in ended.out + ended.err:
            filled.problems.append(f"does not say why: {ended.out[-300:]} {ended.err[-300:]}")
        filled.problems += unlike(disk.folder / "back", whole.restored)
    return filled


def summary(results: list[Filled]) -> dict[str, Any]:
    """Return counts by what lay on the disk, and every size that led to a problem."""
    outcomes: dict[str, int] = {}
    for one in results:
        key = f"{one.on_it}: {one.outcome}"
        outcomes[key] = outcomes.get(key, 0) + 1
    return {
        "disks": len(results),
        "sizes_kb": [min(one.size_kb for one in results), max(one.size_kb for one in results)] if results else [],
        "by_outcome": dict(sorted(outcomes.items())),
        "disks_with_problems": [asdict(one) for one in results if one.problems],
    }


__all__ = ["Case", "Filled", "fill", "restore_onto", "small_disk", "summary", "sweep", "why_not"]
