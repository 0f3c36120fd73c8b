"""What an owner chooses about a release that has nothing to do with how deltas are computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from monai_unlearnable.errors import LedgerError

__all__ = ["OPTIONS_KEY", "ReleaseOptions"]

OPTIONS_KEY = "release"
"""Where the configuration in a ledger holds these options."""


@dataclass(frozen=True, kw_only=True)
class ReleaseOptions:
    """How files are released. The ledger keeps it, so that a run is taken up, verified and restored in the same way.

    Attributes:
        rename: give files neutral names (``image-000001.png``) in an order that says nothing; only the ledger knows
            the original ones.
        drop_private_tags: leave the private elements of DICOM files out.
        reference_source: let DICOM files name the original they were made from (SourceImageSequence).
        allow_lossy: take DICOM pixels that were compressed with loss; they are released uncompressed.
        keep_compressed: keep compressed DICOM pixels in the ledger as they are, so that restoring gives these files
            back byte for byte, and not only in every pixel.

    Example:
        >>> ReleaseOptions.of({OPTIONS_KEY: ReleaseOptions(rename=True).describe()}).rename
        True
    """

    rename: bool = False
    drop_private_tags: bool = False
    reference_source: bool = False
    allow_lossy: bool = False
    keep_compressed: bool = False

    def describe(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)

    @classmethod
    def of(cls, configuration: Mapping[str, Any]) -> ReleaseOptions:
        """Read them from a ledger's configuration; the defaults where it has none.

        Raises:
            LedgerError: they are damaged.
        """
        fields = configuration.get(OPTIONS_KEY, {})
        known = cls.__dataclass_fields__
        if not isinstance(fields, Mapping) or not all(
            one in known and isinstance(value, bool) for one, value in fields.items()
        ):
            raise LedgerError(f"the ledger's configuration of the release is damaged ({str(fields)[:80]}).")
        return cls(**fields)
