"""Take the perturbation off a release again: the original pixels, bit for bit."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from monai_unlearnable.errors import LedgerError, ReleaseError, UnlearnableError
from monai_unlearnable.release.atomic import atomic_file, sync_directory
from monai_unlearnable.release.formats.base import ReleaseFormat
from monai_unlearnable.release.hashing import file_sha256, pixels_sha256
from monai_unlearnable.release.manifest import MANIFEST_NAME
from monai_unlearnable.release.owner import OwnerSide, open_owner_side
from monai_unlearnable.release.paths import check_apart, holds_nothing, locate
from monai_unlearnable.release.records import FileRecord
from monai_unlearnable.release.report import Failure, RestoreReport
from monai_unlearnable.sources.base import Progress
from monai_unlearnable.types import StoredValues

__all__ = ["restore_release"]


def restore_release(
    release: str | Path, ledger: str | Path, output: str | Path, *, progress: Progress | None = None
) -> RestoreReport:
    """Write the originals of a release, each proved by the ledger's hash of its pixels before it appears.

    Files get their original names, and the formats of the release: a source that was JPEG comes back as a PNG of its
    decoded pixels, and the report names it. It also names every file that is the source's byte for byte, as
    uncompressed DICOM is.

    Args:
        release: the folder of protected files.
        ledger: the owner's ledger.
        output: folder to write to; must be empty.
        progress: called with (images done, all images).

    Returns:
        What was restored, and which file could not be and why. A file that cannot is not written.

    Raises:
        ReleaseError: the release is missing, or the output is not empty or lies in another of the folders.
        LedgerError: the ledger is missing, damaged or unfinished, or that of another release.
    """
    folder, target = Path(release), Path(output)
    if not folder.is_dir():
        raise ReleaseError(f"{folder}: there is no such folder.")
    owner = open_owner_side(ledger)
    check_apart({"output": target, "release": folder, "ledger": Path(ledger)})
    if not holds_nothing(target):
        raise ReleaseError(f"{target}: is not empty; originals are never written over anything. Give a new folder.")
    target.mkdir(parents=True, exist_ok=True)
    restored: list[FileRecord] = []
    failures: list[Failure] = []
    identical: list[str] = []
    done, total = set[str](), owner.content.image_count
    for record in owner.content.files:
        try:
            is_source = _restore_file(owner, record, folder, target)
            restored.append(record)
            if is_source:
                identical.append(record.original_name)
        except (UnlearnableError, OSError) as error:
            failures.append(Failure(record.name, str(error)))
        done.update(one.sample_id for one in record.samples)
        if progress is not None:
            progress(len(done), total)
    if not any(one.samples for one in restored):  # masks and lists are the same in other releases
        _refuse_other_release(folder, owner, target, restored, failures)
    for parent in {(target / one.original_name).parent for one in restored}:
        sync_directory(parent)
    return RestoreReport(
        files=tuple(one.original_name for one in restored),
        images=_whole_images(owner, restored),
        converted=tuple(one.original_name for one in restored if one.converted),
        failures=tuple(failures),
        identical=tuple(identical),
    )


def _refuse_other_release(
    folder: Path, owner: OwnerSide, target: Path, copied: list[FileRecord], failures: list[Failure]
) -> None:
    """Leave no folders where no image could be restored, and say so where the ledger is that of another release."""
    manifest = folder / MANIFEST_NAME
    is_other = bool(failures) and manifest.is_file() and file_sha256(manifest) != owner.content.manifest_sha256
    if is_other:
        for record in copied:
            locate(target, record.original_name).unlink()
    for one in sorted(target.rglob("*"), reverse=True):
        with suppress(OSError):
            one.rmdir()
    if is_other:
        raise LedgerError(
            f"{owner.directory}: nothing can be restored with it, and {manifest} is not the one that its run wrote: it "
            f"is the ledger of another release. Give that of the run that wrote {folder}. (First file: {failures[0]})"
        )


def _whole_images(owner: OwnerSide, restored: list[FileRecord]) -> int:
    """Count images of which every file was restored."""
    everything = Counter(sample.sample_id for file in owner.content.files for sample in file.samples)
    back = Counter(sample.sample_id for file in restored for sample in file.samples)
    return sum(back[one] == count for one, count in everything.items())


def _restore_file(owner: OwnerSide, record: FileRecord, folder: Path, target: Path) -> bool:
    """Restore a file, and tell whether it is the source's byte for byte."""
    released, path = locate(folder, record.name), locate(target, record.original_name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path, sync_folder=False) as unfinished:
        if not record.samples:
            shutil.copyfile(released, unfinished)
            if file_sha256(unfinished) != record.sha256:
                raise ReleaseError("its checksum is not the one that was published")
            if record.original:  # a list with other names than the original one
                unfinished.write_text(record.original, encoding="utf-8", newline="")
            return file_sha256(unfinished) == record.source_sha256
        form = owner.formats.named(record.format)
        if form.untouched_sha256(released) != record.untouched:
            raise ReleaseError("what is not protected is not as it was in the source")
        images = _originals(form, owner, record, released)
        form.restore(unfinished, released=released, images=images, kept=record.original)
        is_source = file_sha256(unfinished) == record.source_sha256
        if not is_source:  # or there would be nothing left to prove
            _prove(form, record, unfinished)
        return is_source


def _originals(form: ReleaseFormat, owner: OwnerSide, record: FileRecord, released: Path) -> Iterator[StoredValues]:
    for index, image in enumerate(form.read(released)):
        if index >= len(record.samples):
            raise ReleaseError(f"holds more than the {len(record.samples)} images that were released")
        sample = record.samples[index]
        try:
            yield owner.original(sample, image)
        except ReleaseError as error:
            raise ReleaseError(f"{sample.sample_id}: {error}") from error


def _prove(form: ReleaseFormat, record: FileRecord, path: Path) -> None:
    """Read a restored file back and compare it with the ledger before it gets its name."""
    found = [pixels_sha256(image) for image in form.read(path)]
    if found != [one.original_sha256 for one in record.samples]:
        raise ReleaseError("the file read back does not hold the original pixels")
    if form.untouched_sha256(path) != record.untouched:
        raise ReleaseError("the file read back does not hold what was not protected")
