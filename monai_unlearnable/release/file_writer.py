"""One file of a release after the other: original plus delta, its hashes, and what the owner keeps of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import torch

from monai_unlearnable.release.atomic import atomic_file
from monai_unlearnable.release.budgets import ReleaseBudgets
from monai_unlearnable.release.formats.base import ReleaseFormat
from monai_unlearnable.release.formats.by_name import ReleaseFormats
from monai_unlearnable.release.hashing import HashThread, file_sha256, pixels_sha256
from monai_unlearnable.release.padding import off_padding
from monai_unlearnable.release.planned import PlannedFile
from monai_unlearnable.release.records import FileRecord, SampleRecord
from monai_unlearnable.release.residuals import write_residual
from monai_unlearnable.sources.base import Source
from monai_unlearnable.sources.float_levels import FloatValues, level_residual
from monai_unlearnable.sources.stored_levels import add_delta, is_floating
from monai_unlearnable.stores.base import DeltaStore
from monai_unlearnable.stores.mapped import MappedStore
from monai_unlearnable.types import StoredValues

__all__ = ["FileWriter"]


@dataclass(frozen=True)
class _Image:
    original: StoredValues
    protected: StoredValues
    residual_sha256: str


@dataclass(frozen=True, kw_only=True)
class _Hashed:
    index: int
    original: Future[str]
    protected: Future[str]
    residual_sha256: str


@dataclass
class FileWriter:
    """Writes the files of one release, and what the owner keeps of their images.

    Attributes:
        source: the originals.
        store: deltas in whole levels.
        keys: the store's key for each image of the source.
        applied: where the deltas go that images really got, by sample id.
        budgets: how large each image's delta may be.
        folder: the release.
        private: the ledger's folder.
        formats: how files are written.
        newest: the image that was made last.
        hashes: takes hashes while the file is made and written.
    """

    source: Source
    store: DeltaStore
    keys: Sequence[str]
    applied: MappedStore
    budgets: ReleaseBudgets
    folder: Path
    private: Path
    formats: ReleaseFormats
    newest: tuple[int, _Image] | None = None  # slices of a volume follow each other
    hashes: HashThread = field(default_factory=HashThread)

    def write(self, file: PlannedFile) -> FileRecord:
        """Write one file of the release, and the deltas of its images.

        Raises:
            ReleaseError: a delta has another shape than its image, or leaves the budget.
            SourceError: an image cannot be read.
        """
        hashed: list[_Hashed] = []
        path, form = self.folder / file.name, self.formats.named(file.format)
        path.parent.mkdir(parents=True, exist_ok=True)
        source_sha256 = self.hashes.later(file_sha256, file.template, size_bytes=file.template.stat().st_size)
        with atomic_file(path, sync_folder=False) as unfinished:
            form.write(unfinished, template=file.template, images=self._protected(file, form, hashed))
        return FileRecord(
            name=file.name,
            original_name=file.original_name,
            sha256=file_sha256(path),
            source_sha256=source_sha256.result(),
            source_format=file.source_format,
            converted=file.converted,
            untouched=form.untouched_sha256(file.template),
            samples=tuple(self._record(file, one) for one in hashed),
            format=file.format,
            original=form.keep(file.template, released=path),
        )

    def _protected(self, file: PlannedFile, form: ReleaseFormat, hashed: list[_Hashed]) -> Iterator[StoredValues]:
        for index in file.indices:
            image = self._image(index, file, form)
            original, protected = image.original, image.protected
            if file.part is not None:
                original, protected = (np.ascontiguousarray(one[:, file.part]) for one in (original, protected))
            before, after = (
                self.hashes.later(pixels_sha256, one, size_bytes=one.nbytes) for one in (original, protected)
            )
            hashed.append(_Hashed(index=index, original=before, protected=after, residual_sha256=image.residual_sha256))
            yield protected

    def _record(self, file: PlannedFile, hashed: _Hashed) -> SampleRecord:
        sample_id = self.source.sample_ids[hashed.index]
        return SampleRecord(
            sample_id=sample_id,
            label=self.source.labels[hashed.index].tolist(),
            original_sha256=hashed.original.result(),
            released_sha256=hashed.protected.result(),
            part=file.part,
            budget=self.budgets.index(sample_id),
            residual_sha256=hashed.residual_sha256,
        )

    def _original(self, index: int, file: PlannedFile, form: ReleaseFormat) -> StoredValues:
        if file.part is not None or len(file.indices) > 1:
            return self.source.read(index)
        (image,) = form.read(file.template)  # it has read the file already, to write it anew
        return image

    def _image(self, index: int, file: PlannedFile, form: ReleaseFormat) -> _Image:
        if self.newest is not None and self.newest[0] == index:
            return self.newest[1]
        sample_id, original = self.source.sample_ids[index], self._original(index, file, form)
        whole, budget = tuple(slice(0, size) for size in original.shape), self.budgets.of(sample_id)
        delta = self.store.read_region(self.keys[index], whole).numpy()
        applied = off_padding(self.source, index, original, budget.apply(original, delta, where=sample_id))
        self.applied.write_region(sample_id, whole, torch.from_numpy(applied))
        size = budget.stored_level_size
        protected, kept = add_delta(original, applied, level_size=size), ""
        if is_floating(original.dtype):
            residual = level_residual(cast(FloatValues, original), cast(FloatValues, protected), applied, level=size)
            kept = write_residual(self.private, sample_id, residual)
        self.newest = (index, _Image(original, protected, kept))
        return self.newest[1]
