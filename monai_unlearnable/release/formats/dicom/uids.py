"""New UIDs for released files, the same at every run."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from dataclasses import dataclass, field

from monai_unlearnable.errors import ReleaseError

__all__ = ["UidMap"]

_MINIMUM_SECRET_BYTES = 16


@dataclass(frozen=True)
class UidMap:
    """Maps an old UID to a new one by a rule that only the secret's owner can repeat.

    Attributes:
        secret: at least 16 random bytes; equal secrets give equal UIDs, so an interrupted run goes on with the same.

    Raises:
        ReleaseError: the secret is too short.

    Example:
        >>> uids = UidMap(b"only an example.")
        >>> uids.new("1.2.3") == uids.new("1.2.3"), uids.new("1.2.3") == uids.new("1.2.4")
        (True, False)
        >>> uids.new("1.2.3").startswith("2.25."), len(uids.new("1.2.3")) <= 64
        (True, True)
    """

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) < _MINIMUM_SECRET_BYTES:
            raise ReleaseError(
                f"The secret for new UIDs is {len(self.secret)} bytes long; {_MINIMUM_SECRET_BYTES} random bytes are "
                "the least (secrets.token_bytes(32))."
            )

    def new(self, old: str) -> str:
        """Return the UID that stands for ``old`` in a release: ``2.25.`` and a UUID as a decimal number."""
        digest = hmac.digest(self.secret, b"DICOM UID " + old.encode(), hashlib.sha256)
        # Version 8 and the variant's bits make a UUID of the digest that is made as its owner likes (RFC 9562).
        bits = int.from_bytes(digest[:16], "big") & ~(0xF << 76) & ~(0x3 << 62) | (0x8 << 76) | (0x2 << 62)
        return f"2.25.{uuid.UUID(int=bits).int}"
