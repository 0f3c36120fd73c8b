"""Where source, release and ledger may lie: everything that can be refused before an image is read."""

from __future__ import annotations

import os
from pathlib import Path

from monai_unlearnable.errors import LedgerError, ReleaseError, SourceError
from monai_unlearnable.release import MANIFEST_NAME, read_ledger
from monai_unlearnable.release.paths import check_apart, holds_nothing
from monai_unlearnable.sources.released import is_release

__all__ = ["check_folders", "check_writable"]

_LEDGER_NAMES = frozenset({"ledger.json", "lock"})


def check_folders(source: str | Path, *, output: str | Path, ledger: str | Path) -> None:
    """Refuse places that a run cannot use, before hours are spent.

    Args:
        source: where the originals lie.
        output: where the release will lie: nothing, an empty folder, or the beginning of this ledger's run.
        ledger: the ledger's folder: nothing, an empty folder, or a ledger.

    Raises:
        SourceError: the source is a release itself.
        ReleaseError: two of the places lie in one another, or the output holds something.
        LedgerError: the ledger's folder holds something that is no ledger.
    """
    origin, target, private = Path(source), Path(output), Path(ledger)
    check_apart({"ledger": private, "release": target, "source": origin})
    _refuse_release(origin)
    if private.exists() and not private.is_dir():
        raise LedgerError(f"{private}: is a file; a ledger is a folder. Give a new one.")
    if not holds_nothing(private) and not _LEDGER_NAMES & {one.name for one in private.iterdir()}:
        raise LedgerError(f"{private}: is not empty and holds no ledger. Give a new folder for the ledger.")
    if (target / MANIFEST_NAME).exists():
        own = _release_of(private) == target.resolve()
        whose = _finished_run(private) if own else "a release; it is never written over"
        raise ReleaseError(f"{target}: already holds {whose}. Nothing was changed.")
    if not holds_nothing(target) and _release_of(private) != target.resolve():
        raise ReleaseError(f"{target}: is not empty; a release is never written over anything. Give a new folder.")


def check_writable(*folders: str | Path) -> None:
    """Refuse folders that cannot be made or written to.

    Raises:
        ReleaseError: names the folder, and the part of its path that is in the way.
    """
    for folder in map(Path, folders):
        nearest = folder.absolute()
        while not nearest.exists() and nearest != nearest.parent:
            nearest = nearest.parent
        if not nearest.is_dir():
            raise ReleaseError(f"{folder}: cannot be written to: {nearest} is a file.")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise ReleaseError(f"{folder}: cannot be written to: {nearest} is read-only. Give another folder.")


def _refuse_release(source: Path) -> None:
    if is_release(source):
        raise SourceError(
            f"{source}: is a release already (there is its {MANIFEST_NAME}). Deltas on top of deltas would leave the "
            "budget, and the new ledger could not give the originals back. Protect the originals."
        )


def _finished_run(ledger: Path) -> str:
    run = read_ledger(ledger).configuration
    return (
        f"the finished release of this ledger's run ({run.get('method')}, radius {run.get('radius')}); nothing is left "
        "to do. For other settings or images give a new output and a new ledger"
    )


def _release_of(ledger: Path) -> Path | None:
    """Return where the run of a ledger writes its release."""
    try:
        return Path(read_ledger(ledger).release_path)
    except LedgerError:
        return None
