"""What the ledger remembers of each file and sample, and how it is parsed without trust."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from monai_unlearnable.errors import LedgerError
from monai_unlearnable.release.paths import is_plain_name

__all__ = ["FileRecord", "SampleRecord", "parse_file_record"]

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class SampleRecord:
    """One image of a released file.

    Attributes:
        sample_id: its id in the source.
        label: class index, or a list of 0/1 (of segmentation: which classes its mask shows).
        original_sha256: hash of the original's type, shape and pixels.
        released_sha256: hash of the released image's type, shape and pixels.
        part: None where the file holds the whole image; of a volume that lies in several files, which slice of its
            first space axis this file holds (both hashes are the slice's).
        budget: which of the ledger's budgets it has.
        residual_sha256: hash of what brings back every bit of a floating-point image; '' where that is nothing.
    """

    sample_id: str
    label: int | list[int]
    original_sha256: str
    released_sha256: str
    part: int | None = None
    budget: int = 0
    residual_sha256: str = ""


@dataclass(frozen=True)
class FileRecord:
    """One released file.

    Attributes:
        name: path relative to the release.
        sha256: hash of the released file.
        source_sha256: hash of the source's file ('' for a file that is made by the release).
        source_format: format of the source's file, such as ``jpeg``, or ``csv``.
        converted: whether the source's file was of another format.
        untouched: hash of each named part that is not protected.
        samples: its images, in order.
        format: format of the released file, such as ``png``, or ``csv``.
        original: what the format keeps of the source's file to give it back ('' where it needs nothing); of a list
            whose release has other names, its whole text with the original ones.
        original_name: path that restoring gives it.
    """

    name: str
    sha256: str
    source_sha256: str
    source_format: str
    converted: bool
    untouched: dict[str, str]
    samples: tuple[SampleRecord, ...]
    format: str
    original_name: str
    original: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)


def parse_file_record(value: object, *, where: str) -> FileRecord:
    """Parse what :meth:`FileRecord.to_dict` wrote, checking types, names and hashes.

    Raises:
        LedgerError: something in it is not what a ledger holds.
    """
    entry = _fields(value, FileRecord, where)
    name, untouched, samples = entry["name"], entry["untouched"], entry["samples"]
    for one in (name, entry["original_name"]):
        if not isinstance(one, str) or not is_plain_name(one):
            raise LedgerError(f"{where}: the file name {one!r} is no plain relative path; this ledger is not trusted.")
    where = f"{where}: file {name!r}"
    _require(isinstance(samples, list) and isinstance(untouched, dict), f"{where}: samples or untouched are no lists.")
    _require(isinstance(entry["converted"], bool), f"{where}: converted={entry['converted']!r} is not true or false.")
    for text in ("source_format", "format", "original"):
        _require(isinstance(entry[text], str), f"{where}: {text} is no text.")
    for text in (entry["sha256"], *untouched.values(), *([entry["source_sha256"]] if entry["source_sha256"] else [])):
        _require_sha256(text, where)
    return FileRecord(**{**entry, "samples": tuple(_parse_sample(one, where=where) for one in samples)})


def _parse_sample(value: object, *, where: str) -> SampleRecord:
    entry = _fields(value, SampleRecord, where)
    _require(isinstance(entry["sample_id"], str), f"{where}: sample_id {entry['sample_id']!r} is no text.")
    label = entry["label"] if isinstance(entry["label"], list) else [entry["label"]]
    _require(all(type(one) is int for one in label), f"{where}: label {entry['label']!r} is no whole number.")
    part = entry["part"]
    _require(part is None or (type(part) is int and part >= 0), f"{where}: part {part!r} is no number of a slice.")
    budget = entry["budget"]
    _require(type(budget) is int and budget >= 0, f"{where}: budget {budget!r} is no number of a budget.")
    if entry["residual_sha256"] != "":
        _require_sha256(entry["residual_sha256"], where)
    _require_sha256(entry["original_sha256"], where)
    _require_sha256(entry["released_sha256"], where)
    return SampleRecord(**entry)


def _fields(value: object, record: type[FileRecord] | type[SampleRecord], where: str) -> dict[str, Any]:
    wanted = {one.name for one in fields(record)}
    if not isinstance(value, Mapping) or set(value) != wanted:
        raise LedgerError(f"{where}: an entry does not have the fields {sorted(wanted)}; the ledger is damaged.")
    return dict(value)


def _require_sha256(value: object, where: str) -> None:
    _require(isinstance(value, str) and _SHA256.fullmatch(value) is not None, f"{where}: {value!r} is no SHA-256.")


def _require(held: bool, message: str) -> None:
    if not held:
        raise LedgerError(f"{message} The ledger is damaged.")
