"""What the owner's ledger says about a release: its deltas and the originals that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.errors import LedgerError, ReleaseError, StoreError
from monai_unlearnable.release.budget import ReleaseBudget
from monai_unlearnable.release.formats.by_name import ReleaseFormats
from monai_unlearnable.release.hashing import pixels_sha256
from monai_unlearnable.release.ledger import LedgerContent, read_ledger
from monai_unlearnable.release.options import ReleaseOptions
from monai_unlearnable.release.records import SampleRecord
from monai_unlearnable.release.slabs import slabs
from monai_unlearnable.stores.mapped import MappedStore
from monai_unlearnable.types import StoredArray

__all__ = ["OwnerSide", "open_owner_side", "original_ids"]


@dataclass(frozen=True)
class OwnerSide:
    """A complete ledger, opened for reading.

    Attributes:
        content: what ``ledger.json`` holds.
        budget: the budget of the release.
        deltas: the applied deltas by sample id.
        formats: how the released files are read and written.
    """

    content: LedgerContent
    budget: ReleaseBudget
    deltas: MappedStore
    formats: ReleaseFormats

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

    def original(self, sample: SampleRecord, released: StoredArray) -> StoredArray:
        """Take the delta off a released image and prove that the result is the original.

        Raises:
            ReleaseError: it is not, because the released pixels or the stored delta were changed.
        """
        delta, limits = self.delta(sample, released.shape), np.iinfo(released.dtype)
        original, inside = np.empty_like(released), True
        for part in slabs(released.shape):
            wide = np.subtract(released[part], delta[part], dtype=np.int64)
            inside = inside and int(wide.min()) >= limits.min and int(wide.max()) <= limits.max
            original[part] = wide
        if not inside or pixels_sha256(original) != sample.original_sha256:
            raise ReleaseError(
                "released pixels minus stored delta are not the original: the file or the ledger's deltas were changed"
            )
        return original


def open_owner_side(ledger: str | Path) -> OwnerSide:
    """Open a ledger for verifying or restoring.

    Raises:
        LedgerError: there is none, it is damaged, or its run has not finished.
    """
    content = read_ledger(ledger)
    if content.status != "complete" or content.budget is None:
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
        return OwnerSide(content, content.budget, deltas, formats)
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
