"""What the owner's ledger says about a release: its deltas and the originals that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.errors import LedgerError, ReleaseError, StoreError
from monai_unlearnable.release.budget import ReleaseBudget
from monai_unlearnable.release.formats.by_name import ReleaseFormats
from monai_unlearnable.release.hashing import pixels_sha256
from monai_unlearnable.release.ledger import LedgerContent, read_ledger
from monai_unlearnable.release.options import ReleaseOptions
from monai_unlearnable.release.records import SampleRecord
from monai_unlearnable.release.residuals import read_residual
from monai_unlearnable.release.slabs import slabs
from monai_unlearnable.sources.float_levels import FloatValues, undo_levels
from monai_unlearnable.sources.stored_levels import is_floating
from monai_unlearnable.stores.mapped import MappedStore
from monai_unlearnable.types import StoredValues

__all__ = ["OwnerSide", "open_owner_side", "original_ids"]


@dataclass(frozen=True)
class OwnerSide:
    """A complete ledger, opened for reading.

    Attributes:
        directory: the ledger's folder.
        content: what ``ledger.json`` holds.
        deltas: the applied deltas by sample id.
        formats: how the released files are read and written.
    """

    directory: Path
    content: LedgerContent
    deltas: MappedStore
    formats: ReleaseFormats

    def budget(self, sample: SampleRecord) -> ReleaseBudget:
        """Return the budget of an image."""
        return self.content.budgets[sample.budget]

    def delta(self, sample: SampleRecord, shape: tuple[int, ...]) -> NDArray[np.integer]:
        """Return the applied delta of an image, or of the slice that a file holds of it, int8 or int16 levels.

        Args:
            sample: which image.
            shape: of what the file holds, ``(channel, *space)``.

        Raises:
            ReleaseError: the ledger has no delta of this shape for it.
        """
        whole = self.deltas.shape(sample.sample_id) if sample.sample_id in self.deltas else ()
        expected = whole if sample.part is None else (*whole[:1], *whole[2:])
        if expected != shape or (sample.part is not None and sample.part >= whole[1]):
            raise ReleaseError("the ledger holds no delta of this image's shape")
        region = [slice(0, size) for size in whole]
        if sample.part is not None:
            region[1] = slice(sample.part, sample.part + 1)
        levels: NDArray[np.integer] = self.deltas.read_region(sample.sample_id, tuple(region)).numpy()
        return levels.reshape(shape)

    def original(self, sample: SampleRecord, released: StoredValues) -> StoredValues:
        """Take the delta off a released image and prove that the result is the original.

        Raises:
            ReleaseError: it is not, because the released pixels or the stored delta were changed.
            LedgerError: what brings back every bit of a floating-point image is missing or damaged.
        """
        delta = self.delta(sample, released.shape)
        floating = is_floating(released.dtype)
        original = self._undone(sample, released, delta) if floating else _difference(released, delta)
        if original is None or pixels_sha256(original) != sample.original_sha256:
            raise ReleaseError(
                "released pixels minus stored delta are not the original: the file or the ledger's deltas were changed"
            )
        return original

    def _undone(self, sample: SampleRecord, released: StoredValues, delta: NDArray[np.integer]) -> StoredValues:
        residual = read_residual(
            self.directory,
            sample.sample_id,
            sha256=sample.residual_sha256,
            dtype=released.dtype,
            shape=released.shape,
        )
        size = self.budget(sample).stored_level_size
        return undo_levels(cast(FloatValues, released), delta, residual, level=size)


def _difference(released: StoredValues, delta: NDArray[np.integer]) -> StoredValues | None:
    """Return ``released - delta`` in the type of the integers; None where it does not fit."""
    limits, original = np.iinfo(cast(Any, released.dtype)), np.empty_like(released)
    for part in slabs(released.shape):
        some, taken = released[part], delta[part]
        lowest, highest = int(some.min()) - int(taken.max()), int(some.max()) - int(taken.min())
        if lowest < limits.min or highest > limits.max:  # perhaps: these need not be of one voxel
            wide = np.subtract(some, taken, dtype=np.int64)
            if int(wide.min()) < limits.min or int(wide.max()) > limits.max:
                return None
        np.subtract(some, taken, out=original[part], dtype=released.dtype, casting="unsafe")
    return original


def open_owner_side(ledger: str | Path) -> OwnerSide:
    """Open a ledger for verifying or restoring.

    Raises:
        LedgerError: there is none, it is damaged, or its run has not finished.
    """
    content = read_ledger(ledger)
    if content.status != "complete" or not content.budgets:
        raise LedgerError(f"{ledger}: its run has not finished; take it up again with the command that began it.")
    try:
        deltas = MappedStore.open(Path(ledger) / "deltas")
    except StoreError as error:
        raise LedgerError(f"{ledger}: its deltas cannot be read ({error}).") from error
    try:
        options = ReleaseOptions.of(content.configuration)
        formats = ReleaseFormats(protected_array=content.protected_array, options=options)
        for name in {one.format for one in content.files if one.samples}:
            formats.named(name)
        return OwnerSide(Path(ledger), content, deltas, formats)
    except ReleaseError as error:
        raise LedgerError(f"{ledger}: {error}") from error


def original_ids(ledger: str | Path) -> dict[str, str]:
    """Return the sample id in the source for each sample id in the release that is another one.

    Raises:
        LedgerError: there is no ledger, or it is damaged.
    """
    found: dict[str, str] = {}
    for file in read_ledger(ledger).files:
        if len(file.samples) == 1:
            sample = file.samples[0]
            released = file.name if sample.part is None else PurePosixPath(file.name).parent.as_posix()
            if released != sample.sample_id:
                found[released] = sample.sample_id
    return found
