"""An ``.npz`` file of which one array holds the images."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from monai_unlearnable.errors import ReleaseError, SourceError
from monai_unlearnable.release.formats.base import ReleaseFormat
from monai_unlearnable.sources.npz import NpzSource
from monai_unlearnable.sources.npz_file import read_array, read_headers
from monai_unlearnable.types import StoredValues

__all__ = ["NpzFormat"]

_EPOCH = (1980, 1, 1, 0, 0, 0)
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class NpzFormat(ReleaseFormat):
    """MedMNIST-style arrays; the images of one split are replaced, every other array is copied byte by byte.

    Entries keep their order and compression; their time is fixed, so equal content gives equal files.

    Attributes:
        split: the split whose images are protected.
    """

    split: str = "train"
    name = "npz"

    @property
    def array_name(self) -> str:
        """Name of the array that holds the protected images."""
        return f"{self.split}_images"

    def read(self, path: Path) -> Iterator[StoredValues]:
        """Yield the images of the split, ``(channel, *space)``; see :meth:`ReleaseFormat.read`."""
        source = NpzSource(path, split=self.split)
        return (source.read(index) for index in range(len(source)))

    def write(self, path: Path, *, template: Path, images: Iterator[StoredValues]) -> None:
        """Write the template with other images; see :meth:`ReleaseFormat.write`."""
        read_headers(template)  # refuses pickles and damaged entries before anything is copied
        with zipfile.ZipFile(template) as old, zipfile.ZipFile(path, "w") as new:
            for entry in old.infolist():
                copy = zipfile.ZipInfo(entry.filename, date_time=_EPOCH)
                copy.compress_type = entry.compress_type if entry.compress_type in _COMPRESSIONS else _COMPRESSIONS[1]
                copy.external_attr = 0o600 << 16
                with new.open(copy, "w", force_zip64=entry.file_size >= 1 << 31) as sink:
                    if entry.filename == f"{self.array_name}.npy":
                        self._write_images(sink, template, images)
                        continue
                    with old.open(entry) as stream:
                        shutil.copyfileobj(stream, sink, 1 << 20)

    def untouched_sha256(self, path: Path) -> dict[str, str]:
        """Hash every array but the protected one; see :meth:`ReleaseFormat.untouched_sha256`."""
        names = [name for name in read_headers(path) if name != self.array_name]
        try:
            with zipfile.ZipFile(path) as archive:
                return {name: _entry_sha256(archive, f"{name}.npy") for name in names}
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise SourceError(f"{path}: is not a whole .npz file ({error}).") from error

    def _write_images(self, sink: IO[bytes], template: Path, images: Iterator[StoredValues]) -> None:
        array = read_array(template, self.array_name)
        channels_last = array.ndim == 4 and array.shape[-1] == 3
        count = 0
        for image in images:
            stored = np.moveaxis(image, 0, -1) if channels_last else image[0]
            if count == len(array) or stored.shape != array.shape[1:] or stored.dtype != array.dtype.newbyteorder("="):
                raise ReleaseError(
                    f"{template}: image {count} is {image.dtype} {image.shape}, "
                    f"{self.array_name} is {array.dtype} {array.shape}."
                )
            array[count] = stored
            count += 1
        if count != len(array):
            raise ReleaseError(f"{template}: {self.array_name} holds {len(array)} images, {count} were given.")
        np.lib.format.write_array(sink, array, allow_pickle=False)


def _entry_sha256(archive: zipfile.ZipFile, name: str) -> str:
    content = hashlib.sha256()
    with archive.open(name) as stream:
        while piece := stream.read(1 << 20):
            content.update(piece)
    return content.hexdigest()
