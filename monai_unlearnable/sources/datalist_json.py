"""A datalist as MONAI reads it (``{"training": [{"image": ..., "label": ...}, ...]}``), parsed without trust."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.listed import list_bytes

__all__ = ["DEFAULT_SECTION", "Datalist", "is_datalist", "read_datalist"]

DEFAULT_SECTION = "training"
"""The section that is read where none is named."""


@dataclass(frozen=True)
class Datalist:
    """One section of a datalist.

    Attributes:
        path: the file.
        section: name of the section.
        items: what it lists.
        labels: what the file says of all classes, as it is there (Decathlon: an object of names by number); None
            where it says nothing.
    """

    path: Path
    section: str
    items: tuple[Mapping[str, Any], ...]
    labels: object = None

    def place(self, index: int) -> str:
        """Return where an item is, for messages."""
        return f"{self.section}[{index}]"

    def refuse(self, index: int, reason: str) -> NoReturn:
        """Raise an error about an item.

        Raises:
            SourceError: always.
        """
        raise SourceError(f"{self.path}: {self.place(index)}: {reason}")


def read_datalist(path: Path, *, section: str | None = None) -> Datalist:
    """Read one section of a datalist.

    Args:
        path: the JSON file, UTF-8.
        section: which list of it; by default ``training``, or the only one there is.

    Raises:
        SourceError: it is no datalist, too large, or has no such section; NaN and keys that are there twice are
            refused.
    """
    content = _parse(path)
    sections = [name for name, value in content.items() if isinstance(value, list)]
    name = _choose(sections, section, path)
    if not content[name]:
        raise SourceError(f"{path}: section {name!r} lists no image.")
    for index, item in enumerate(content[name]):
        if not isinstance(item, dict):
            raise SourceError(
                f"{path}: {name}[{index}]: is {str(item)[:80]!r}, without any label; protecting needs an object of "
                '"image" and "label".'
            )
    return Datalist(path, name, tuple(content[name]), content.get("labels"))


def is_datalist(path: Path) -> bool:
    """Tell whether a file is a JSON file with a list of images; other software has a ``dataset.json``, too."""
    try:
        content = _parse(path) if path.is_file() else {}
    except SourceError:
        return False
    lists = [one for one in content.values() if isinstance(one, list) and one]
    return any(isinstance(one[0], dict) and "image" in one[0] for one in lists)


def _parse(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(
            list_bytes(path).decode("utf-8-sig"), parse_constant=_refuse_constant, object_pairs_hook=_unique
        )
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is one of them
        raise SourceError(f"{path}: cannot be read as UTF-8 JSON ({str(error)[:200]}).") from error
    if not isinstance(content, dict):
        raise SourceError(
            f'{path}: must be an object of lists, such as {{"{DEFAULT_SECTION}": [{{"image": ..., "label": ...}}]}}, '
            f"not a {type(content).__name__}."
        )
    return content


def _choose(sections: list[str], section: str | None, path: Path) -> str:
    there = ", ".join(map(repr, sections))[:200] or "none"
    if section is not None and section not in sections:
        raise SourceError(f"{path}: has no section {section!r}; there are: {there}.")
    if section is not None:
        return section
    if DEFAULT_SECTION in sections or len(sections) == 1:
        return DEFAULT_SECTION if DEFAULT_SECTION in sections else sections[0]
    raise SourceError(f"{path}: has no section {DEFAULT_SECTION!r}; name one of those there are (--section): {there}.")


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no value of JSON; give every image a label")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice[:80]!r} is there twice in one object")
    return found
