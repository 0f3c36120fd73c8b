"""Names of files and folders that look as if they told who somebody is. A guess from patterns, and no more."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from monai_unlearnable.sources import Source
from monai_unlearnable.sources.folder import ClassFolderSource
from monai_unlearnable.sources.image_source import ImageFileSource

__all__ = ["notices_of_names", "what_it_tells"]

_DATE = re.compile(
    r"(?<!\d)(?:(?:19|20)\d\d([-_.]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])([-_.])(?:0?[1-9]|1[0-2])\2(?:19|20)\d\d)(?!\d)"
)
_UID = re.compile(r"(?<![\d.])\d+(?:\.\d+){5,}")
_LONG_NUMBER = re.compile(r"(?<!\d)\d{7,}(?!\d)")
_NUMBERED_PERSON = re.compile(
    r"(?:^|[^a-z])(?:mrn|pid|patid|patient(?:id)?|pat|acc(?:ession)?|ssn|dob|nhs|subj(?:ect)?)[-_ #.]*\d+",
    re.IGNORECASE,
)
_PERSON = re.compile(r"[A-Za-z]{2,}\^[A-Za-z]{2,}|(?:^|[^A-Za-z])[A-Z][a-z]{2,}(?:,\s*|[_ ])[A-Z][a-z]{2,}(?![A-Za-z])")
_EVERYDAY_WORDS = """
abdomen abnormal acquisition anatomy axial benign brain breast case cell chest class contrast
coronal cyst dataset disease dose early edema effusion female fracture group hand head heart image
images label labels large late left lesion liver lobe low lower lung male malignant mass normal
nodule oblique organ other patch phase plane pneumonia post posterior pre right sagittal scan scans
series set skin slice small spine study test tissue train training tumor tumour upper valid
validation view volume
"""
"""Words in names of pairs such as ``Left_Lung`` that are no people."""

_EVERYDAY = frozenset(_EVERYDAY_WORDS.split())


def what_it_tells(name: str) -> str:
    """Say what a name looks like: a date, an id, a person's name; '' where no pattern fits.

    A name that fits no pattern may still tell everything, and one that fits may be harmless.

    Example:
        >>> [what_it_tells(one) for one in ("20190312.png", "MRN-4711.png", "DOE^JANE.png", "Smith_John.nii.gz")]
        ['a date', 'an id', "a person's name", "a person's name"]
        >>> [what_it_tells(one) for one in ("000069.jpeg", "hippocampus_001.nii.gz", "Left_Lung", "1-01.dcm")]
        ['', '', '', '']
    """
    if _DATE.search(name):
        return "a date"
    if _UID.search(name) or _LONG_NUMBER.search(name) or _NUMBERED_PERSON.search(name):
        return "an id"
    person = _PERSON.search(name)
    if person and not _EVERYDAY & set(re.findall(r"[a-z]+", person.group().lower())):
        return "a person's name"
    return ""


def notices_of_names(source: Source, *, rename: bool) -> tuple[str, ...]:
    """Return a sentence for each kind of telling name among those that a release will show.

    Args:
        source: the images; an ``.npz`` file's own name is not looked at.
        rename: whether files get neutral names, so that only those of class folders are shown.
    """
    if not isinstance(source, ImageFileSource):
        return ()
    advice = "Rename these folders: --rename keeps them." if rename else "--rename gives neutral names."
    found: dict[str, list[str]] = {}
    for part in _shown_parts(source, rename=rename):
        kind = what_it_tells(part)
        if kind:
            found.setdefault(kind, []).append(part)
    return tuple(
        f"{len(names)} {'name looks' if len(names) == 1 else 'names look'} like {kind}, such as {names[0]!r}, and will "
        f"be public. {advice} (A guess from patterns: names that no pattern fits may tell as much.)"
        for kind, names in found.items()
    )


def _shown_parts(source: ImageFileSource, *, rename: bool) -> Iterable[str]:
    """Return each part of each path that a release shows, once."""
    if rename:
        return source.class_names if isinstance(source, ClassFolderSource) else ()
    slices = [file.name for index in range(len(source)) for file in source.slice_files(index) or ()]
    return dict.fromkeys([*_parts(source.sample_ids), *_parts(source.masks), *slices])


def _parts(names: Sequence[str]) -> Iterable[str]:
    return (part for name in names for part in PurePosixPath(name).parts)
