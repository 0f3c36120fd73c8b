"""Transfer syntaxes: which are handled, and which of them lose something."""

from __future__ import annotations

from pydicom.uid import UID

__all__ = [
    "DEFLATED",
    "EXPLICIT_BIG",
    "EXPLICIT_LITTLE",
    "IMPLICIT_LITTLE",
    "LOSSLESS",
    "LOSSY",
    "NATIVE",
    "REWRITABLE",
    "syntax_text",
]

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
_RLE = "1.2.840.10008.1.2.5"
_JPEG_LS = "1.2.840.10008.1.2.4.80"
_JPEG_2000 = "1.2.840.10008.1.2.4.90"

NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG})
"""Pixels lie in the file as they are."""

REWRITABLE = frozenset({_RLE, _JPEG_LS, _JPEG_2000})
"""Compressed without loss, and pydicom's plugins can compress so again."""

LOSSLESS = REWRITABLE | {
    "1.2.840.10008.1.2.4.57",  # JPEG lossless, process 14
    "1.2.840.10008.1.2.4.70",  # JPEG lossless, process 14, first-order prediction
    "1.2.840.10008.1.2.4.201",  # HTJ2K lossless
    "1.2.840.10008.1.2.4.202",  # HTJ2K lossless, RPCL
}
"""Compressed without loss."""

LOSSY = frozenset(
    {
        "1.2.840.10008.1.2.4.50",  # JPEG baseline
        "1.2.840.10008.1.2.4.51",  # JPEG extended
        "1.2.840.10008.1.2.4.81",  # JPEG-LS near-lossless
        "1.2.840.10008.1.2.4.91",  # JPEG 2000, may lose something
        "1.2.840.10008.1.2.4.203",  # HTJ2K, may lose something
    }
)
"""Compressed, and something may be lost."""


def syntax_text(uid: str) -> str:
    """Name a transfer syntax for a message.

    Example:
        >>> syntax_text(EXPLICIT_LITTLE)
        'Explicit VR Little Endian (1.2.840.10008.1.2.1)'
    """
    name = UID(uid).name
    return f"{name} ({uid})" if name != uid else uid
