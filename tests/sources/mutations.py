"""Damage files in many ways, and prove that only named errors come out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from monai_unlearnable.errors import ReleaseError, SourceError
from monai_unlearnable.release.formats.base import ReleaseFormat
from monai_unlearnable.sources.image_file import ImageFormat

Repair = Callable[[bytes], bytes]


def mutations(data: bytes, *, count: int, seed: int, focus_bytes: int = 400) -> Iterator[bytes]:
    """Yield ``count`` damaged copies: cut short, bits flipped, bytes set, pieces taken out, doubled or swapped.

    Half of the damage lies in the first ``focus_bytes``, where headers are.
    """
    generator = np.random.default_rng(seed)
    for number in range(count):
        mutant = bytearray(data)
        for _ in range(int(generator.integers(1, 4))):
            limit = min(focus_bytes, len(mutant)) if generator.random() < 0.5 else len(mutant)
            position = int(generator.integers(0, max(limit, 1)))
            length = int(generator.integers(1, 9))
            kind = number % 6
            if kind == 0 and position < len(mutant):
                mutant[position] ^= 1 << int(generator.integers(0, 8))
            elif kind == 1:
                del mutant[position:]
            elif kind == 2:
                mutant[position : position + length] = generator.bytes(length)
            elif kind == 3:
                del mutant[position : position + length]
            elif kind == 4:
                mutant[position:position] = mutant[position : position + length]
            elif position < len(mutant):
                mutant[position] = int(generator.choice([0, 1, 0x30, 0x39, 0x2D, 0x7F, 0x80, 0xFF]))
        yield bytes(mutant)


def survives(path: Path, *, reader: ImageFormat, release: ReleaseFormat) -> bool:
    """Read, hash and rewrite a maybe damaged file; return whether it was read.

    Only SourceError and ReleaseError that name the file are let through; whatever can be read must round-trip.
    """
    copy = path.with_name(f".unfinished.{path.name}")
    try:
        header = reader.header(path)
    except SourceError as error:
        assert str(error).startswith(f"{path}: "), error
        header = None
    try:
        image = reader.read(path)
        untouched = release.untouched_sha256(path)
        release.write(copy, template=path, images=release.read(path))
    except (SourceError, ReleaseError) as error:
        assert str(error).startswith(str(path.parent)), error
        return False
    assert header is not None
    assert (header.shape, header.dtype) == (image.shape, image.dtype)
    again = reader.read(copy)
    assert again.dtype == image.dtype
    assert np.array_equal(again, image)
    assert release.untouched_sha256(copy) == untouched
    return True
