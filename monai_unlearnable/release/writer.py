"""Write a release: original integers plus delta, file by file, and the manifest last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from monai_unlearnable.errors import LedgerError, ReleaseError, StoreError
from monai_unlearnable.release.atomic import UNFINISHED_PREFIX, sync_directory, write_bytes
from monai_unlearnable.release.chosen import formats_for, plan_for
from monai_unlearnable.release.file_writer import FileWriter
from monai_unlearnable.release.hashing import bytes_sha256, file_sha256
from monai_unlearnable.release.ledger import Ledger
from monai_unlearnable.release.lock import hold_folder
from monai_unlearnable.release.manifest import MANIFEST_NAME, Manifest, ManifestFields, ManifestFile
from monai_unlearnable.release.paths import holds_nothing, locate
from monai_unlearnable.release.plain_files import write_copy, write_list
from monai_unlearnable.release.planned import ReleasePlan
from monai_unlearnable.release.records import FileRecord
from monai_unlearnable.sources.base import Progress, Source
from monai_unlearnable.stores.base import DeltaStore
from monai_unlearnable.stores.mapped import MappedStore

__all__ = ["write_release"]

_BATCH_FILES = 64
"""So many files are written before the ledger notes them; a killed run writes at most these again."""


def write_release(
    source: Source,
    store: DeltaStore,
    keys: Sequence[str],
    *,
    release: str | Path,
    ledger: Ledger,
    manifest_fields: ManifestFields,
    progress: Progress | None = None,
) -> Manifest:
    """Write the protected copy of a source, what the owner needs to take it back, and the public manifest.

    A folder without a manifest is an unfinished release. A run that was killed is taken up again by calling this with
    the same arguments: files that the ledger knows to be complete are not written again.

    Args:
        source: the originals.
        store: deltas in whole levels.
        keys: the store's key for each image of the source (several images may share one).
        release: folder to write to; must be empty, or hold the beginning of this ledger's run.
        ledger: the ledger of the run, from :func:`~monai_unlearnable.release.ledger.hold_ledger`.
        manifest_fields: what the manifest says about the run.
        progress: called with (images done, all images).

    Returns:
        The manifest that was written.

    Raises:
        ReleaseError: the release holds something else, two files would get one name, a delta is missing, has another
            shape, or leaves the budget.
        SourceError: an image cannot be read.
    """
    with hold_folder(Path(release)):
        return _write_release(source, store, keys, Path(release), ledger, manifest_fields, progress)


def _write_release(
    source: Source,
    store: DeltaStore,
    keys: Sequence[str],
    folder: Path,
    ledger: Ledger,
    manifest_fields: ManifestFields,
    progress: Progress | None,
) -> Manifest:
    plan = plan_for(source, ledger)
    _check_keys(source, store, keys)
    _check_folder(folder, ledger, plan)
    applied = _open_applied(source, store, ledger)
    records = _records_on_disk(folder, ledger, plan)
    ledger.append(())  # from here on the folder is known to be this run's
    budgets, formats = manifest_fields.budgets, formats_for(source, plan, ledger)
    run = FileWriter(source, store, keys, applied, budgets, folder, ledger.directory, formats)
    done = {sample.sample_id for one in records.values() for sample in one.samples}
    missing = [one for one in plan.files if one.name not in records]
    for start in range(0, len(missing), _BATCH_FILES):
        written = []
        for file in missing[start : start + _BATCH_FILES]:
            written.append(run.write(file))
            done.update(one.sample_id for one in written[-1].samples)
            if progress is not None:
                progress(len(done), len(source))
        for parent in {(folder / one.name).parent for one in written}:
            sync_directory(parent)
        applied.flush()  # what the ledger says is there must be there after a power cut, too
        ledger.append(tuple(written))
        records.update({one.name: one for one in written})
    for copy in plan.copies:
        records[copy.name] = write_copy(copy, folder)
    if plan.list is not None:
        records[plan.list.name] = write_list(plan.list, folder)
    return _finish(folder, ledger, plan, records, manifest_fields, source)


def _check_keys(source: Source, store: DeltaStore, keys: Sequence[str]) -> None:
    if len(keys) != len(source):
        raise ReleaseError(f"{len(source)} images but {len(keys)} keys; every image needs the key of its delta.")
    for index, key in enumerate(keys):
        if key not in store:
            raise ReleaseError(f"{source.sample_ids[index]}: the store holds no delta for its key {key!r}.")
        if store.shape(key) != source.shape(index):
            raise ReleaseError(
                f"{source.sample_ids[index]}: the image has shape {source.shape(index)}, the delta of key {key!r} "
                f"{store.shape(key)}. The store was made for other images."
            )


def _check_folder(folder: Path, ledger: Ledger, plan: ReleasePlan) -> None:
    if str(folder.resolve()) != ledger.read().release_path:
        raise LedgerError(f"{ledger.directory}: belongs to the release {ledger.read().release_path}, not to {folder}.")
    if (folder / MANIFEST_NAME).exists():
        raise ReleaseError(f"{folder}: already holds a release; it is never written over. Give a new folder.")
    if not holds_nothing(folder) and not ledger.has_journal:
        raise ReleaseError(f"{folder}: is not empty and was not begun by this ledger's run. Give a new folder.")
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not path.is_dir():
            locate(folder, name)
            unfinished = path.name.startswith(UNFINISHED_PREFIX)
            planned = path.with_name(path.name.removeprefix(UNFINISHED_PREFIX)).relative_to(folder).as_posix()
            if planned not in plan.names | {MANIFEST_NAME} or path.is_symlink():
                raise ReleaseError(f"{folder}: {name!r} does not belong to this release. Take it out, or start anew.")
            if unfinished:
                path.unlink()
    folder.mkdir(parents=True, exist_ok=True)


def _open_applied(source: Source, store: DeltaStore, ledger: Ledger) -> MappedStore:
    shapes = {sample_id: source.shape(index) for index, sample_id in enumerate(source.sample_ids)}
    # Sorted, because the store's order on disk is that of its header's JSON, which is sorted.
    header = replace(store.header, shapes=dict(sorted(shapes.items())))
    try:
        if ledger.deltas_path.exists():
            return MappedStore.open(ledger.deltas_path, header)
        return MappedStore.create(ledger.deltas_path, header)
    except StoreError as error:
        raise LedgerError(f"{ledger.directory}: its deltas are of another run ({error}).") from error


def _records_on_disk(folder: Path, ledger: Ledger, plan: ReleasePlan) -> dict[str, FileRecord]:
    noted = {one.name: one for one in ledger.read().files} | ledger.read_journal()
    planned = {one.name for one in plan.files}
    return {
        name: record
        for name, record in noted.items()
        if name in planned and (folder / name).is_file() and file_sha256(folder / name) == record.sha256
    }


def _finish(
    folder: Path,
    ledger: Ledger,
    plan: ReleasePlan,
    records: Mapping[str, FileRecord],
    manifest_fields: ManifestFields,
    source: Source,
) -> Manifest:
    listed = () if plan.list is None else (plan.list,)
    files = tuple(records[one.name] for one in (*plan.files, *plan.copies, *listed))
    manifest = Manifest(
        fields=manifest_fields,
        task=source.task.value,
        class_names=source.class_names,
        format=plan.format,
        protected_array=plan.protected_array,
        files=tuple(map(_public, files)),
    )
    data = manifest.to_json().encode()
    complete = replace(
        ledger.read(),
        status="complete",
        format=plan.format,
        protected_array=plan.protected_array,
        budgets=manifest_fields.budgets.distinct,
        manifest_sha256=bytes_sha256(data),
        files=files,
    )
    ledger.write(complete)
    write_bytes(folder / MANIFEST_NAME, data)
    ledger.drop_journal()
    return manifest


def _public(record: FileRecord) -> ManifestFile:
    is_slice = any(one.part is not None for one in record.samples)
    budgets = tuple(one.budget for one in record.samples)
    return ManifestFile(
        name=record.name,
        sha256=record.sha256,
        images=len(record.samples),
        source_format=record.source_format,
        converted=record.converted,
        format=record.format,
        volume=PurePosixPath(record.name).parent.as_posix() if is_slice else "",
        budgets=budgets[:1] if len(set(budgets)) == 1 else budgets,
    )
