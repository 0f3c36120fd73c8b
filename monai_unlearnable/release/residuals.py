"""What the owner keeps of floating-point images besides deltas: the bits that rounding took."""

from __future__ import annotations

import hashlib
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.errors import LedgerError
from monai_unlearnable.release.atomic import PRIVATE_FILE, write_bytes
from monai_unlearnable.release.hashing import bytes_sha256
from monai_unlearnable.sources.data_block import inflate
from monai_unlearnable.sources.file_errors import Refused

__all__ = ["read_residual", "write_residual"]

_FOLDER = "residuals"
_PRIVATE_FOLDER = 0o700


def write_residual(ledger: Path, sample_id: str, residual: NDArray[np.integer]) -> str:
    """Write the residual of an image into a ledger, unless it is zero everywhere.

    Args:
        ledger: the ledger's folder.
        sample_id: which image.
        residual: int32 or int64, ``(channel, *space)``.

    Returns:
        The hash of its bytes; '' where it is zero everywhere and nothing is kept.
    """
    if not residual.any():
        return ""
    content = np.ascontiguousarray(residual.astype(residual.dtype.newbyteorder("<"))).tobytes()
    path = _path(ledger, sample_id)
    path.parent.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
    write_bytes(path, zlib.compress(content, 6), permissions=PRIVATE_FILE)
    return bytes_sha256(content)


def read_residual(
    ledger: Path, sample_id: str, *, sha256: str, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> NDArray[np.integer]:
    """Read the residual of an image.

    Args:
        ledger: the ledger's folder.
        sample_id: which image.
        sha256: what :func:`write_residual` returned.
        dtype: float32 or float64, the type of the image.
        shape: of the image.

    Returns:
        int32 or int64 of the image's shape.

    Raises:
        LedgerError: it is missing or damaged.
    """
    kept = np.dtype(f"<i{dtype.itemsize}")
    if not sha256:
        return np.zeros(shape, dtype=kept)
    path = _path(ledger, sample_id)
    try:
        content, _ = inflate(path.read_bytes(), size_bytes=math.prod(shape) * kept.itemsize, gzip=False)
    except (OSError, Refused) as error:
        raise LedgerError(f"{path}: what brings back every bit of {sample_id} cannot be read ({error}).") from error
    if bytes_sha256(content) != sha256:
        raise LedgerError(f"{path}: what brings back every bit of {sample_id} was changed; the ledger is damaged.")
    return np.frombuffer(content, kept).reshape(shape).astype(kept.newbyteorder("="))


def _path(ledger: Path, sample_id: str) -> Path:
    return ledger / _FOLDER / f"{hashlib.sha256(sample_id.encode()).hexdigest()[:32]}.bin"
