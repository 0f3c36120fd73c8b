"""Give back the original of a released DICOM file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from monai_unlearnable.errors import LedgerError, ReleaseError
from monai_unlearnable.release.formats.dicom.file import MadeFile, file_bytes, with_pixels
from monai_unlearnable.release.formats.dicom.pixel_data import PixelElements
from monai_unlearnable.release.formats.dicom.protect import check_image
from monai_unlearnable.release.formats.dicom.record import (
    OriginalRecord,
    content_sha256,
    read_record,
    record_of,
)
from monai_unlearnable.sources.dicom.cells import levels_to_cells
from monai_unlearnable.sources.dicom.content import DicomContent, parse_content
from monai_unlearnable.sources.dicom.elements import Element
from monai_unlearnable.sources.dicom.errors import errors_name
from monai_unlearnable.sources.dicom.image import LoadedDicom, load_dicom
from monai_unlearnable.sources.dicom.parsing import parse_elements, parse_meta
from monai_unlearnable.sources.dicom.syntaxes import NATIVE
from monai_unlearnable.types import StoredArray

__all__ = ["changed_elements", "write_restored"]


def changed_elements(
    template: Path | LoadedDicom,
    *,
    released: Path,
    keep_compressed: bool = False,
    allow_lossy: bool = False,
    made: MadeFile | None = None,
) -> bytes:
    """Return what :func:`write_restored` needs besides the released file and its original levels, as JSON.

    It holds old UIDs and other elements of the original: it belongs into the ledger, never into a release.

    Args:
        template: the source's file, or what was read of it.
        released: its protected copy.
        keep_compressed: keep compressed pixel data as well (as large as they are), so that the very file comes back.
            Otherwise its pixels come back bit for bit, but compressed anew or uncompressed.
        allow_lossy: take pixels that were compressed with loss.
        made: what was written as ``released``: if these very bytes are there, they are not taken apart once more.

    Raises:
        SourceError: one of the files cannot be read.
    """
    loaded = load_dicom(template, allow_lossy=allow_lossy)
    with errors_name(loaded.content.path):
        data = released.read_bytes()
        copy = made.content if made is not None and made.data == data else parse_content(data, released)
        record = record_of(loaded.content, copy, sign_extended=loaded.sign_extended, keep_compressed=keep_compressed)
        return record.to_bytes()


def write_restored(path: Path, *, released: Path | LoadedDicom, image: StoredArray, record: bytes) -> None:
    """Write the original again: its data set and its pixels.

    A file that was not compressed comes back byte by byte (a deflated one once inflated).

    Args:
        path: where to write; the caller sees to it that a half-written file is never seen.
        released: the protected copy, or what was read of it.
        image: the original's stored integers, ``(sample, [frame,] row, column)``.
        record: from :func:`changed_elements`.

    Raises:
        LedgerError: the record is damaged or belongs to another file.
        ReleaseError: the image does not fit, or what comes out is not the original.
        SourceError: the released file cannot be read.
    """
    kept = read_record(record)
    loaded = load_dicom(released)
    with errors_name(loaded.content.path):
        check_image(image, loaded)
        elements = tuple(_original_elements(kept, loaded))
        meta, _ = parse_meta(kept.meta, 0)
        content = replace(loaded.content, prefix=kept.prefix, meta=meta)
        if kept.has_pixels:
            data = file_bytes(kept.prefix, meta, PixelElements(elements, kept.transfer_syntax))
            written = parse_content(data, loaded.content.path)
        else:
            cells = levels_to_cells(image, loaded.cells, loaded.layout, sign_extended=kept.sign_extended)
            made = with_pixels(elements, replace(loaded, content=content), cells)
            data, written = made.data, made.content
        if kept.has_pixels or kept.transfer_syntax in NATIVE:
            _check_whole(written, loaded.content.path, kept)
    path.write_bytes(data)


def _original_elements(record: OriginalRecord, loaded: LoadedDicom) -> Iterator[Element]:
    """Merge what the record holds with what the released file still has, in the original's order."""
    content = loaded.content
    literal = dict(record.elements)
    untouched = iter([one for one in content.elements if one.tag not in record.replaced])
    for place in range(record.count):
        if place in literal:
            yield parse_elements(literal[place], content.encoding)[0]
            continue
        one = next(untouched, None)
        if one is None:
            raise LedgerError(f"{content.path}: its record is of a file with more elements. Use its own record.")
        yield one
    if next(untouched, None) is not None:
        raise LedgerError(f"{content.path}: its record is of a file with fewer elements. Use its own record.")


def _check_whole(content: DicomContent, released: Path, record: OriginalRecord) -> None:
    if content_sha256(content.prefix, content.meta, content.elements) != record.sha256:
        raise ReleaseError(
            f"{released}: what comes out is not the original: the released file, its delta or its record was changed. "
            "Use the release and the ledger as they were written."
        )
