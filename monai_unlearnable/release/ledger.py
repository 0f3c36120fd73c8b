"""The private side of a release: deltas, seed, effective configuration and checksums."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_unlearnable.errors import LedgerError, ReleaseError
from monai_unlearnable.release.atomic import PRIVATE_FILE, write_bytes
from monai_unlearnable.release.budget import ReleaseBudget
from monai_unlearnable.release.lock import hold_lock
from monai_unlearnable.release.manifest import MANIFEST_NAME
from monai_unlearnable.release.paths import check_apart, holds_nothing
from monai_unlearnable.release.records import FileRecord, parse_file_record

__all__ = ["Ledger", "LedgerContent", "hold_ledger", "read_ledger"]

_LEDGER_NAME = "ledger.json"
_JOURNAL_NAME = "journal.jsonl"
_LOCK_NAME = "lock"
_PRIVATE_FOLDER = 0o700
_VERSION = 4
_UID_SECRET_BYTES = 32


@dataclass(frozen=True)
class LedgerContent:
    """What ``ledger.json`` holds.

    Attributes:
        status: ``running``, or ``complete`` once every file of the release is on the disk.
        configuration: the effective configuration of the run, seed included.
        release_path: where the run writes its release.
        uid_secret: random bytes in hexadecimal that new DICOM UIDs are made with, so that a run that is taken up again
            gives the same.
        format: name of the format of every file with images, or ``mixed`` ('' while running).
        protected_array: name of the protected array, where files hold several.
        budgets: the budgets of the release, each once (none while running).
        manifest_sha256: hash of the public manifest ('' while running).
        files: every released file but the manifest.
    """

    status: str
    configuration: Mapping[str, Any]
    release_path: str
    uid_secret: str
    format: str = ""
    protected_array: str = ""
    budgets: tuple[ReleaseBudget, ...] = ()
    manifest_sha256: str = ""
    files: tuple[FileRecord, ...] = ()

    @property
    def image_count(self) -> int:
        """Number of protected images; a volume in several files is one."""
        return len({sample.sample_id for file in self.files for sample in file.samples})


@dataclass(frozen=True)
class Ledger:
    """A ledger that this process has locked for its run; see :func:`hold_ledger`.

    Attributes:
        directory: the private folder. Whatever else a run keeps (surrogate, checkpoints) may lie in it too.
    """

    directory: Path

    @property
    def deltas_path(self) -> Path:
        """Folder of the store of applied deltas."""
        return self.directory / "deltas"

    def read(self) -> LedgerContent:
        """Read ``ledger.json``; see :func:`read_ledger`."""
        return read_ledger(self.directory)

    def write(self, content: LedgerContent) -> None:
        """Replace ``ledger.json`` as a whole."""
        fields = {
            "version": _VERSION,
            **content.__dict__,
            "budgets": [one.to_dict() for one in content.budgets],
            "files": [one.to_dict() for one in content.files],
        }
        data = json.dumps(fields, sort_keys=True).encode()
        write_bytes(self.directory / _LEDGER_NAME, data, permissions=PRIVATE_FILE)

    @property
    def has_journal(self) -> bool:
        """Whether the run has begun to write its release."""
        return (self.directory / _JOURNAL_NAME).exists()

    def append(self, records: tuple[FileRecord, ...]) -> None:
        """Note durably that these files are complete."""
        path = self.directory / _JOURNAL_NAME
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE), "w") as stream:
            stream.writelines(json.dumps(one.to_dict()) + "\n" for one in records)
            stream.flush()
            os.fsync(stream.fileno())

    def read_journal(self) -> dict[str, FileRecord]:
        """Return the files noted so far, by name; a line that was cut short when the run was killed is left out."""
        path = self.directory / _JOURNAL_NAME
        if not path.exists():
            return {}
        records: dict[str, FileRecord] = {}
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                continue
            record = parse_file_record(value, where=str(path))
            records[record.name] = record
        # A cut last line must not run into the next one.
        text = "".join(json.dumps(one.to_dict()) + "\n" for one in records.values())
        write_bytes(path, text.encode(), permissions=PRIVATE_FILE)
        return records

    def discard(self) -> None:
        """Remove everything but the lock: the run has come to nothing."""
        for one in self.directory.iterdir():
            if one.is_dir() and not one.is_symlink():
                shutil.rmtree(one)
            elif one.name != _LOCK_NAME:
                one.unlink()

    def drop_journal(self) -> None:
        """Remove the journal, once ``ledger.json`` holds everything."""
        (self.directory / _JOURNAL_NAME).unlink(missing_ok=True)


@contextmanager
def hold_ledger(
    directory: str | Path, *, source: str | Path, release: str | Path, configuration: Mapping[str, Any]
) -> Iterator[Ledger]:
    """Make a private ledger for a run, or take up that of the same run again, and keep it locked meanwhile.

    Args:
        directory: the ledger's folder; nobody but its owner can enter it.
        source: where the originals lie.
        release: where the release will lie; must be empty, unless a run of this ledger is taken up.
        configuration: effective configuration, JSON values, seed included.

    Raises:
        LedgerError: another run holds the ledger, or it belongs to another configuration or release.
        ReleaseError: ledger, release and source lie in one another, or the release is finished or not empty.
    """
    folder, target = Path(directory), Path(release)
    check_apart({"ledger": folder, "release": target, "source": Path(source)})
    wanted = json.loads(json.dumps(dict(configuration)))
    _make_private(folder)
    with hold_lock(folder / _LOCK_NAME):
        ledger = Ledger(folder)
        if (folder / _LEDGER_NAME).exists():
            content = ledger.read()
            _check_same_run(content, wanted, target, folder)
            if (target / MANIFEST_NAME).exists():
                raise ReleaseError(f"{target}: already holds this run's finished release; nothing is left to do.")
            if content.status == "complete" and not ledger.has_journal:
                raise LedgerError(
                    f"{folder}: its run is finished, and its release is no longer at {target}. Computed again, deltas "
                    "could be others, and what you have released could not be restored. Move it back, or give a new "
                    "ledger and output."
                )
        elif not holds_nothing(target):
            raise ReleaseError(f"{target}: is not empty; a release is never written over anything. Give a new folder.")
        else:
            ledger.write(LedgerContent("running", wanted, str(target.resolve()), secrets.token_hex(_UID_SECRET_BYTES)))
        try:
            yield ledger
        finally:
            _restrict(folder)


def read_ledger(directory: str | Path) -> LedgerContent:
    """Read and check ``ledger.json``.

    Raises:
        LedgerError: there is none, or it is damaged.
    """
    path = Path(directory) / _LEDGER_NAME
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise LedgerError(f"{directory}: holds no {_LEDGER_NAME}; give the ledger of this release.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise LedgerError(f"{path}: cannot be read ({error}).") from error
    if not isinstance(fields, dict) or "version" not in fields:
        raise LedgerError(f"{path}: is not a ledger; give the ledger of this release.")
    version = fields.pop("version")
    if version != _VERSION:
        raise LedgerError(
            f"{path}: is a ledger of version {str(version)[:20]}, and this package reads version {_VERSION}. Use the "
            "version of this package that wrote it."
        )
    texts = ("status", "release_path", "uid_secret", "format", "protected_array", "manifest_sha256")
    if set(fields) != set(LedgerContent.__dataclass_fields__) or not all(isinstance(fields[one], str) for one in texts):
        raise LedgerError(f"{path}: does not have the fields of a ledger; it is damaged.")
    lists = isinstance(fields["files"], list) and isinstance(fields["budgets"], list)
    if not lists or not isinstance(fields["configuration"], dict):
        raise LedgerError(f"{path}: its files, budgets or configuration are damaged.")
    if re.fullmatch(rf"[0-9a-f]{{{2 * _UID_SECRET_BYTES}}}", fields["uid_secret"]) is None:
        raise LedgerError(f"{path}: its secret for new UIDs is damaged.")
    files = tuple(parse_file_record(one, where=str(path)) for one in fields["files"])
    try:
        budgets = tuple(ReleaseBudget(**one) for one in fields["budgets"])
    except (TypeError, ReleaseError) as error:
        raise LedgerError(f"{path}: its budgets are damaged ({error}).") from error
    used = max((sample.budget for one in files for sample in one.samples), default=-1)
    if fields["status"] == "complete" and used >= len(budgets):
        raise LedgerError(f"{path}: an image has budget number {used} of {len(budgets)}; it is damaged.")
    return LedgerContent(**{**fields, "files": files, "budgets": budgets})


def _make_private(folder: Path) -> None:
    if not holds_nothing(folder) and not (folder / _LEDGER_NAME).exists() and not _holds_only_lock(folder):
        raise LedgerError(f"{folder}: is not empty and holds no ledger. Give a new folder for the ledger.")
    folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    folder.chmod(_PRIVATE_FOLDER)


def _holds_only_lock(folder: Path) -> bool:
    return {one.name for one in folder.iterdir()} <= {_LOCK_NAME, f".unfinished.{_LEDGER_NAME}"}


def _check_same_run(content: LedgerContent, wanted: dict[str, Any], release: Path, folder: Path) -> None:
    for name in sorted(wanted.keys() | content.configuration.keys()):
        mine, other = content.configuration.get(name), wanted.get(name)
        if mine != other:
            raise LedgerError(
                f"{folder}: belongs to a run with {name}={mine!r}, this one has {other!r}. Use the same settings to "
                "take that run up again, or give a new ledger."
            )
    if content.release_path != str(release.resolve()):
        raise LedgerError(
            f"{folder}: belongs to the release {content.release_path}, not to {release}. Give a ledger of its own."
        )


def _restrict(folder: Path) -> None:
    """Take everybody else's permissions off everything in the ledger, whoever wrote it there."""
    for one in folder.rglob("*"):
        if not one.is_symlink():
            one.chmod(_PRIVATE_FOLDER if one.is_dir() else PRIVATE_FILE)
