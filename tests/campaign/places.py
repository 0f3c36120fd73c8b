"""What a run of a campaign writes, and what may be found there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.campaign.sources import FLOAT_LEVEL, write_pictures, write_volumes
from tests.cli.running import contents

UNFINISHED = ".unfinished."
TINY_SURROGATE = ("--surrogate-size-px", "12")


@dataclass(frozen=True)
class Case:
    """A source and a method, with options of the command line."""

    name: str
    write: Callable[[Path], Path]
    perturbation: str
    more: tuple[str, ...] = ()

    @property
    def options(self) -> list[str]:
        tiny = TINY_SURROGATE if self.perturbation != "synthetic" else ()
        return [
            "--perturbation",
            self.perturbation,
            "--seed",
            "1234567890123",
            "--radius",
            "40 levels",
            *self.more,
            *tiny,
        ]


CASES = tuple(
    Case(f"{kind}-{method}", write, method, more)
    for kind, write, more in (
        ("pictures", write_pictures, ()),
        ("volumes", write_volumes, ("--level-size", str(FLOAT_LEVEL))),
    )
    for method in ("synthetic", "error_minimizing")
)


@dataclass(frozen=True)
class Place:
    """Where one run of a case writes."""

    case: Case
    source: Path
    folder: Path

    @property
    def release(self) -> Path:
        return self.folder / "release"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    @property
    def restored(self) -> Path:
        return self.folder / "restored"

    def protect(self) -> list[str]:
        places = ["--output", str(self.release), "--ledger", str(self.ledger)]
        return ["protect", str(self.source), *places, *self.case.options]

    def verify(self) -> list[str]:
        return ["verify", str(self.release), "--ledger", str(self.ledger)]

    def restore(self, output: Path | None = None) -> list[str]:
        output = self.restored if output is None else output
        return ["restore", str(self.release), "--ledger", str(self.ledger), "--output", str(output)]

    def beside(self, name: str) -> Place:
        """Another run of the same case."""
        return Place(self.case, self.source, self.folder.with_name(name))

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def unlike(found: Path, final: Path) -> list[str]:
    """Say what a folder that was being written holds under a final name and should not."""
    wanted = contents(final)
    return [
        f"{name} is not as it will be"
        for name, data in (contents(found) if found.is_dir() else {}).items()
        if not Path(name).name.startswith(UNFINISHED) and wanted.get(name) != data
    ]


def differences(place: Place, whole: Place) -> list[str]:
    """Say how a finished run differs from an uninterrupted one."""
    found, wanted = contents(place.release), contents(whole.release)
    said = [f"release: {name}" for name in sorted(found.keys() | wanted.keys()) if found.get(name) != wanted.get(name)]
    mine, other = (_ledger(one) for one in (place, whole))
    return said + [
        f"ledger: {name}" for name in sorted(mine.keys() | other.keys()) if mine.get(name) != other.get(name)
    ]


def _ledger(place: Place) -> dict[str, bytes]:
    """Every file of a ledger; where the release lies is another place for each run."""
    found = contents(place.ledger)
    content = json.loads(found.get("ledger.json", b"{}"))
    if content.pop("release_path", None) == str(place.release.resolve()):
        found["ledger.json"] = json.dumps(content, sort_keys=True).encode()
    return found
