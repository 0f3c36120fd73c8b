"""Which released image belongs to which clean one, what victims train on and what they are tested on."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from monai_unlearnable.audit.apart import MOST_KNOWN, known_share
from monai_unlearnable.errors import ReleaseError, SourceError
from monai_unlearnable.sources import NpzSource, OnError, list_source, open_source
from monai_unlearnable.sources.base import Source
from monai_unlearnable.sources.open import is_archive
from monai_unlearnable.sources.released import is_release

__all__ = ["HELD_OUT_SHARE", "AuditData", "held_out", "match_samples", "open_data", "require_clean_test"]

HELD_OUT_SHARE = 0.2
"""Share of each class that is held out where a source has no test images of its own."""


@dataclass(frozen=True, eq=False)
class AuditData:
    """Everything that an audit reads.

    Attributes:
        release: the released images.
        clean: their originals.
        test: clean images that victims are tested on.
        pairs: (index in release, index in clean) of every image that both have.
        train_pairs: the pairs that victims are trained on.
        test_indices: the images of ``test`` that victims are tested on.
        test_origin: where the test images come from, in words.
    """

    release: Source
    clean: Source
    test: Source
    pairs: tuple[tuple[int, int], ...]
    train_pairs: tuple[tuple[int, int], ...]
    test_indices: tuple[int, ...]
    test_origin: str


def open_data(
    release: str | Path,
    *,
    clean: str | Path,
    test: str | Path | None = None,
    labels: str | Path | None = None,
    section: str | None = None,
    names: Mapping[str, str] | None = None,
) -> AuditData:
    """Open a release, its clean source and the test images.

    An ``.npz`` source is tested on its own test split, a folder on ``test`` or on a hold-out: a fifth of each
    class, which is then not trained on.

    Args:
        release: the release (any source of labelled images).
        clean: the source that it was made from.
        test: clean test images, instead of the above.
        labels: labels CSV or datalist of the clean folder.
        section: which list of a datalist.
        names: the clean sample id of each released one that has another, from the owner's ledger.

    Raises:
        SourceError: a source cannot be read, holds another kind of labels, or is a release where it should be clean.
        ReleaseError: no released image has a clean original.
    """
    _refuse_releases(clean, test)
    released = open_source(release, allow_empty_masks=True)
    # What cannot be listed is not in the release either, and what was compressed with loss can be read.
    original = list_source(
        clean, labels, section=section, on_error=OnError.SKIP, allow_lossy=True, allow_empty_masks=True
    )
    if released.task is not original.task:
        raise ReleaseError(
            f"{released.path}: its labels are {released.task.value}, the clean source's "
            f"{original.task.value}; one is not a release of the other."
        )
    known = {} if names is None else names
    pairs = match_samples([known.get(one, one) for one in released.sample_ids], original.sample_ids)
    if not pairs:
        raise ReleaseError(
            f"{released.path}: no released image has a clean original of its name in {original.path} "
            f"(first released: {released.sample_ids[0]!r}, first clean: {original.sample_ids[0]!r}). "
            "Give the source that the release was made from, and where its files were renamed the ledger."
        )
    if test is not None:
        return _with_test(released, original, pairs, _open_test(test), "the test images given with --test")
    if isinstance(original, NpzSource):
        return _with_test(released, original, pairs, _own_test(clean), "the test split of the clean .npz file")
    return _with_hold_out(released, original, pairs)


def require_clean_test(data: AuditData) -> None:
    """Check that victims are tested neither on released images nor on those that they were trained on.

    Raises:
        SourceError: most of the test images are, pixel for pixel, those of the release, or those that it was made from.
            A few may be: sets hold the same picture twice.
    """
    if len(data.train_pairs) < len(data.pairs):
        return  # some are held out
    released, clean = zip(*data.train_pairs, strict=True)
    for source, indices, what in (
        (data.release, released, "the release's own"),
        (data.clean, clean, "those that the release was made from"),
    ):
        share = known_share(map(data.test.read, data.test_indices), map(source.read, indices))
        if share > MOST_KNOWN:
            raise SourceError(
                f"{data.test.path}: {share:.0%} of the test images are {what}; victims are tested on clean images that "
                "they were not trained on. Give others (--test), or leave --test out to hold some out."
            )


def match_samples(release_ids: Sequence[str], clean_ids: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Pair images by sample id; a picture's suffix may have changed (``a.jpeg`` is released as ``a.png``).

    Example:
        >>> match_samples(["CXR/1.png", "CXR/2.png"], ["CXR/2.jpeg", "CXR/1.jpeg"])
        ((0, 1), (1, 0))
    """
    exact = {one: index for index, one in enumerate(clean_ids)}
    by_stem: dict[str, list[int]] = defaultdict(list)
    for index, one in enumerate(clean_ids):
        by_stem[_stem(one)].append(index)
    pairs: dict[int, int] = {}
    for index, one in enumerate(release_ids):
        alike = by_stem[_stem(one)]
        found = exact.get(one, exact.get(_stem(one), alike[0] if len(alike) == 1 else None))
        if found is not None:
            pairs.setdefault(found, index)
    return tuple(sorted((released, clean) for clean, released in pairs.items()))


def held_out(
    sample_ids: Sequence[str], labels: NDArray[np.int64], *, share: float = HELD_OUT_SHARE
) -> NDArray[np.bool_]:
    """Choose test images: the same share of each class, by the SHA-256 of the sample id.

    Multi-label images count as one class if they have the same labels; combinations of fewer than five images
    are one class together. A class of a single image stays in training.

    Returns:
        ``(n,)``, true where an image is held out.
    """
    rows = [tuple(np.atleast_1d(one).tolist()) for one in labels]
    classes: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        classes[row].append(index)
    if labels.ndim == 2:
        rare = [row for row, members in classes.items() if len(members) < 5]
        classes[()] = [index for row in rare for index in classes.pop(row)]
    chosen = np.zeros(len(sample_ids), dtype=np.bool_)
    for members in classes.values():
        count = max(1, round(share * len(members))) if len(members) > 1 else 0
        members.sort(key=lambda index: hashlib.sha256(sample_ids[index].encode()).digest())
        chosen[members[:count]] = True
    return chosen


def _stem(sample_id: str) -> str:
    return str(PurePosixPath(sample_id).with_suffix(""))


def _refuse_releases(clean: str | Path, test: str | Path | None) -> None:
    # The test split of a released archive is clean.
    for path, option in ((clean, "--clean"), *([] if test is None or is_archive(test) else [(test, "--test")])):
        if is_release(path):
            raise SourceError(
                f"{path}: is a release (there is its manifest.json); {option} needs clean images. Give the originals."
            )


def _open_test(test: str | Path) -> Source:
    return open_source(test, split="test" if is_archive(test) else "train", allow_empty_masks=True)


def _own_test(clean: str | Path) -> Source:
    try:
        return open_source(clean, split="test")
    except SourceError as error:
        raise SourceError(
            f"{error} Without clean test images an audit can say nothing of what victims learn; give some (--test)."
        ) from error


def _with_test(
    release: Source, clean: Source, pairs: tuple[tuple[int, int], ...], test: Source, origin: str
) -> AuditData:
    if test.task is not clean.task:
        raise SourceError(f"{test.path}: its labels are {test.task.value}, the clean source's {clean.task.value}.")
    return AuditData(release, clean, test, pairs, pairs, tuple(range(len(test))), origin)


def _with_hold_out(release: Source, clean: Source, pairs: tuple[tuple[int, int], ...]) -> AuditData:
    ids = [clean.sample_ids[index] for _, index in pairs]
    out = held_out(ids, clean.labels[[index for _, index in pairs]])
    if not out.any() or out.all():
        raise SourceError(f"{clean.path}: {len(pairs)} images are too few to hold some out; give test images (--test).")
    train = tuple(pair for pair, is_out in zip(pairs, out, strict=True) if not is_out)
    test_indices = tuple(pair[1] for pair, is_out in zip(pairs, out, strict=True) if is_out)
    origin = (
        f"a hold-out: {len(test_indices)} clean originals ({HELD_OUT_SHARE:.0%} of each class), "
        "which no victim was trained on"
    )
    return AuditData(release, clean, clean, pairs, train, test_indices, origin)
