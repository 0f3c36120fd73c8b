"""Prove a release from its files: against its manifest, and pixel by pixel against the owner's ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.errors import LedgerError, ReleaseError, UnlearnableError
from monai_unlearnable.release.budget import largest_level
from monai_unlearnable.release.formats.base import ReleaseFormat
from monai_unlearnable.release.formats.by_name import ReleaseFormats
from monai_unlearnable.release.hashing import file_sha256, pixels_sha256
from monai_unlearnable.release.manifest import MANIFEST_NAME, ManifestFile, read_manifest
from monai_unlearnable.release.owner import OwnerSide, open_owner_side
from monai_unlearnable.release.paths import locate
from monai_unlearnable.release.records import FileRecord, SampleRecord
from monai_unlearnable.release.report import Failure, VerifyReport
from monai_unlearnable.sources.base import Progress
from monai_unlearnable.sources.open import open_source
from monai_unlearnable.types import StoredValues

__all__ = ["verify_release"]


def verify_release(
    release: str | Path, ledger: str | Path | None = None, *, progress: Progress | None = None
) -> VerifyReport:
    """Read every file of a release again and check what its manifest, and its ledger, say about it.

    Without a ledger: the manifest keeps to its schema, every file is there, has its checksum and decodes, none is
    too many, and the folder opens as a labelled source. With the ledger also: every pixel differs from the original
    by exactly the stored delta, inside the budget in whole levels and inside the valid range, and what is not
    protected is as it was.

    Args:
        release: the folder.
        ledger: the owner's ledger.
        progress: called with (images done, all images).

    Returns:
        What was found; nothing is repaired.

    Raises:
        ReleaseError: there is no such folder.
        LedgerError: the ledger is missing, damaged or unfinished.
    """
    folder = Path(release)
    if not folder.is_dir():
        raise ReleaseError(f"{folder}: there is no such folder.")
    owner = None if ledger is None else open_owner_side(ledger)
    tally = _Tally(folder)
    _check_manifest(tally, owner)
    if owner is not None:
        for record in owner.content.files:
            _check_file(tally, owner, record)
            if progress is not None:
                progress(tally.images, owner.content.image_count)
        for sample_id, parts in tally.volumes.items():
            _check_volume(tally, owner, sample_id, parts)
    else:
        for file in tally.expected:
            _check_decodes(tally, file)
            if progress is not None:
                progress(tally.images, tally.image_count)
    return VerifyReport(
        mode="public" if owner is None else "owner",
        files=len(tally.names),
        images=tally.images,
        pixels=tally.pixels,
        pixels_held=tally.pixels_held,
        largest_delta_levels=tally.largest,
        failures=tuple(tally.failures),
    )


@dataclass
class _Tally:
    """What has been found so far."""

    folder: Path
    formats: ReleaseFormats = field(default_factory=ReleaseFormats)
    names: set[str] = field(default_factory=set)
    expected: tuple[ManifestFile, ...] = ()
    image_count: int = 0
    volumes: dict[str, list[int]] = field(default_factory=dict)
    failures: dict[Failure, None] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)
    images: int = 0
    pixels: int = 0
    pixels_held: int = 0
    largest: int = 0

    def see(self, volume: str, part: int = 0) -> None:
        """Count a slice of a volume; all of them are one image."""
        if volume not in self.volumes:
            self.images += 1
        self.volumes.setdefault(volume, []).append(part)

    def fail(self, file: str, reason: object, sample_id: str = "") -> None:
        """Note a failure once."""
        self.failures.setdefault(Failure(file, str(reason), sample_id))

    def checksum(self, name: str) -> str:
        """Return the checksum of a released file, read once."""
        if name not in self.checksums:
            self.checksums[name] = file_sha256(locate(self.folder, name))
        return self.checksums[name]


def _check_manifest(tally: _Tally, owner: OwnerSide | None) -> None:
    """Check the manifest, the checksum of each file it lists, and that no other file is there."""
    try:
        manifest = read_manifest(tally.folder)
    except ReleaseError as error:
        tally.fail(MANIFEST_NAME, error)
        return
    tally.formats = ReleaseFormats(protected_array=manifest.protected_array)
    if owner is not None:
        if file_sha256(tally.folder / MANIFEST_NAME) != owner.content.manifest_sha256:
            tally.fail(MANIFEST_NAME, "is not the manifest that the ledger's run wrote")
        listed, known = {one.name for one in manifest.files}, {one.name for one in owner.content.files}
        for name in sorted(listed ^ known):
            tally.fail(name, "is listed by only one of manifest and ledger")
    _check_checksums(tally, {one.name: one.sha256 for one in manifest.files})
    tally.expected = tuple(one for one in manifest.files if one.images)
    tally.image_count = manifest.image_count
    _check_surplus(tally)
    _check_opens(tally, manifest.image_count)


def _check_checksums(tally: _Tally, checksums: Mapping[str, str]) -> None:
    for name, said in checksums.items():
        tally.names.add(name)
        try:
            if tally.checksum(name) != said:
                tally.fail(name, "its checksum is not the one that was published")
        except FileNotFoundError:
            tally.fail(name, "is missing")
        except (OSError, ReleaseError) as error:
            tally.fail(name, f"cannot be read ({error})")


def _check_surplus(tally: _Tally) -> None:
    for path in sorted(tally.folder.rglob("*")):
        name = path.relative_to(tally.folder).as_posix()
        if path.is_symlink() or (not path.is_dir() and name not in tally.names | {MANIFEST_NAME}):
            tally.fail(name, "is not part of the release")


def _check_opens(tally: _Tally, image_count: int) -> None:
    """Check that a stranger can open the folder and finds as many labelled images as were published."""
    try:
        # Whether empty masks are wanted was the owner's choice; here they are as they were published.
        found = len(open_source(tally.folder, split=tally.formats.split, allow_empty_masks=True))
        if found != image_count:
            tally.fail(MANIFEST_NAME, f"lists {image_count} images, the folder opens with {found}")
    except (UnlearnableError, OSError) as error:
        tally.fail(MANIFEST_NAME, f"the folder does not open as a labelled source: {error}")


def _check_decodes(tally: _Tally, file: ManifestFile) -> None:
    try:
        found = sum(1 for _ in tally.formats.named(file.format).read(locate(tally.folder, file.name)))
        if file.volume:
            tally.see(file.volume)
        else:
            tally.images += found
        if found != file.images:
            tally.fail(file.name, f"holds {found} images, the manifest says {file.images}")
    except (UnlearnableError, OSError) as error:
        tally.fail(file.name, f"cannot be decoded: {error}")


def _check_file(tally: _Tally, owner: OwnerSide, record: FileRecord) -> None:
    """Check one file against the ledger, image by image."""
    _check_checksums(tally, {record.name: record.sha256})
    if not record.samples:
        return
    try:
        path = locate(tally.folder, record.name)
        form = owner.formats.named(record.format)
        if form.untouched_sha256(path) != record.untouched:
            tally.fail(record.name, "what is not protected is not as it was in the source")
        for sample, released in zip(record.samples, form.read(path), strict=True):
            if sample.part is None:
                tally.images += 1
            else:
                tally.see(sample.sample_id, sample.part)
            found = _check_sample(tally, owner, record, sample, released)
            if found is not None:
                _check_padding(tally, form, record, *found)
    except ValueError as error:  # every error of this package that reading can raise is one, and so is zip's
        tally.fail(record.name, f"cannot be decoded: {error}")


def _check_sample(
    tally: _Tally, owner: OwnerSide, record: FileRecord, sample: SampleRecord, released: StoredValues
) -> tuple[NDArray[np.integer], StoredValues] | None:
    """Check one image, and return its delta and its original; None where they do not belong to it."""
    tally.pixels += released.size
    before = len(tally.failures)
    try:
        delta, budget = owner.delta(sample, released.shape), owner.budget(sample)
        original = owner.original(sample, released)
    except (ReleaseError, LedgerError) as error:
        tally.fail(record.name, error, sample.sample_id)
        return None
    tally.largest = max(tally.largest, largest_level(delta))
    if pixels_sha256(released) != sample.released_sha256:
        tally.fail(record.name, "its pixels are not those that were released", sample.sample_id)
    for reason in budget.faults(original, released, delta):
        tally.fail(record.name, reason, sample.sample_id)
    if len(tally.failures) == before:
        tally.pixels_held += released.size
    return delta, original


def _check_padding(
    tally: _Tally, form: ReleaseFormat, record: FileRecord, delta: NDArray[np.integer], original: StoredValues
) -> None:
    """Check that padding stayed as it was, and that nothing else became padding."""
    if len(record.samples) != 1:
        return
    path, sample = locate(tally.folder, record.name), record.samples[0]
    now = form.untouchable(path)
    if now is None:
        return
    before = form.untouchable(path, original)
    if before is None or not np.array_equal(now, before) or bool((delta[now] != 0).any()):
        tally.fail(record.name, "its padding is not as it was in the source", sample.sample_id)


def _check_volume(tally: _Tally, owner: OwnerSide, sample_id: str, parts: list[int]) -> None:
    """Check a volume as a whole: every slice is there once, and all of them together are inside the budget."""
    shape = owner.deltas.shape(sample_id) if sample_id in owner.deltas else ()
    if sorted(parts) != list(range(shape[1] if len(shape) > 1 else 0)):
        tally.fail(sample_id, f"{len(set(parts))} slices are there, the ledger has {shape[1:2]}", sample_id)
        return
    delta = owner.deltas.read_region(sample_id, tuple(slice(0, size) for size in shape)).numpy()
    samples = (sample for file in owner.content.files for sample in file.samples)
    budget = next(owner.budget(one) for one in samples if one.sample_id == sample_id)
    if not budget.holds(delta):
        tally.fail(sample_id, budget.radius_fault(delta), sample_id)
