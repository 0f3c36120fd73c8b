"""Is there room on the disk, and which place was meant when there was none?"""

from __future__ import annotations

import errno
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from monai_unlearnable.errors import ReleaseError
from monai_unlearnable.release import plan_release
from monai_unlearnable.sources import Source
from monai_unlearnable.sources.stored_levels import is_floating
from monai_unlearnable.stores import StoreHeader

__all__ = ["count_needed_bytes", "errors_name", "require_space"]


def require_space(needed_bytes: Mapping[Path, int]) -> None:
    """Check that there is room for what will surely be written, places on one disk together.

    Memory-mapped files on a full disk end the process without a word, so this is asked before anything is computed.

    Args:
        needed_bytes: how much each folder, which need not exist yet, will hold.

    Raises:
        ReleaseError: names the folders of the disk, what they need and what is free.
    """
    disks: dict[int, list[Path]] = {}
    for folder in needed_bytes:
        disks.setdefault(os.stat(_nearest(folder)).st_dev, []).append(folder)  # noqa: PTH116
    for folders in disks.values():
        needed, free = sum(needed_bytes[one] for one in folders), shutil.disk_usage(_nearest(folders[0])).free
        if needed > free:
            names = " and ".join(map(str, folders))
            raise ReleaseError(
                f"{names}: need about {_megabytes(needed)} MB, the disk has {_megabytes(free)} MB free. Make room, or "
                "give folders on another disk."
            )


def count_needed_bytes(source: Source, header: StoreHeader, *, output: Path, ledger: Path) -> dict[Path, int]:
    """Say how many bytes a run needs in each of its folders.

    Counted are applied and working deltas, those of two checkpoints, what rounding takes from floating-point images,
    and files as large as the source's.

    Args:
        source: the images.
        header: of the store of deltas.
        output: folder of the release.
        ledger: folder of the ledger.
    """
    sizes = [math.prod(source.shape(index)) for index in range(len(source))]
    types = [source.dtype(index) for index in range(len(source))]
    residuals = sum(size * one.itemsize for size, one in zip(sizes, types, strict=True) if is_floating(one))
    working = sum(math.prod(shape) for shape in header.shapes.values())
    plan = plan_release(source)
    files = {one.template for one in plan.files} | {one.template for one in plan.copies}
    return {
        ledger: (sum(sizes) + 3 * working) * header.dtype.itemsize + residuals,
        output: sum(one.stat().st_size for one in files),
    }


@contextmanager
def errors_name(folder: Path) -> Iterator[None]:
    """Name a folder in errors of writing that come without any path."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(folder)) from error
    except RuntimeError as error:
        # torch.save reports a write that failed as a RuntimeError of its archive writer.
        if "PytorchStreamWriter" not in str(error) and "inline_container" not in str(error):
            raise
        raise OSError(errno.EIO, "a checkpoint cannot be written (is the disk full?)", str(folder)) from error


def _nearest(folder: Path) -> Path:
    nearest = folder.absolute()
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    return nearest


def _megabytes(size_bytes: int) -> str:
    return f"{math.ceil(size_bytes / 1e6):,}"
