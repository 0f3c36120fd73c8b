"""Effective settings as the ledger keeps them: what differs between two runs, in words."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_unlearnable.errors import LedgerError
from monai_unlearnable.release import read_ledger

__all__ = ["describe_differences", "find_differences", "take_up"]

_ABSENT = object()
_MOST_SHOWN = 6


def find_differences(kept: Mapping[str, Any], given: Mapping[str, Any], *, prefix: str = "") -> list[str]:
    """Say for each setting that differs what the ledger has and what is given.

    Values of a seed and of hashes are not shown: a seed is a secret, and nobody reads hashes.

    Args:
        kept: what the ledger holds (JSON values).
        given: what is asked for; compared as JSON.
        prefix: in front of the settings' names.

    Example:
        >>> find_differences({"steps": 20, "deep": {"a": 1}}, {"steps": 5, "deep": {"a": 1}})
        ['steps is 20 there and 5 here']
    """
    wanted = json.loads(json.dumps(dict(given)))
    found: list[str] = []
    # What both have comes first: another method lacks many settings, and its name says more than they do.
    for name in sorted(kept.keys() | wanted.keys(), key=lambda one: ((one in kept) != (one in wanted), one)):
        mine, other = kept.get(name, _ABSENT), wanted.get(name, _ABSENT)
        if isinstance(mine, Mapping) and isinstance(other, Mapping):
            found += find_differences(mine, other, prefix=f"{prefix}{name}.")
        elif mine != other:
            found.append(_difference(prefix + name, mine, other))
    return found


def describe_differences(differences: list[str]) -> str:
    """Join differences, the first few of them."""
    more = len(differences) - _MOST_SHOWN
    return "; ".join(differences[:_MOST_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def take_up(ledger: Path, configuration: Mapping[str, Any], seed: int | None) -> tuple[int, bool]:
    """Return the seed, that of an unfinished run where none is given, and whether there is such a run.

    Args:
        ledger: the ledger's folder, which need not exist.
        configuration: effective settings of this run, without the seed.
        seed: the seed that was asked for.

    Raises:
        LedgerError: the ledger's run has other settings; the message names them.
    """
    if not (ledger / "ledger.json").exists():
        return (secrets.randbits(62) if seed is None else seed), False
    content = read_ledger(ledger)
    kept = content.configuration.get("seed")
    if not isinstance(kept, int):
        raise LedgerError(f"{ledger}: its seed is no whole number; the ledger is damaged.")
    found = find_differences(content.configuration, {**configuration, "seed": kept if seed is None else seed})
    if found:
        raise LedgerError(
            f"{ledger}: belongs to a run with other settings: {describe_differences(found)}. Use the same settings to "
            "take that run up again, or give a new ledger and a new output."
        )
    return kept, True


def _difference(name: str, mine: object, other: object) -> str:
    if name == "data_sha256":
        return "the images or labels are others"
    if name == "seed":
        return "the seed is another one"
    return f"{name} is {_show(mine)} there and {_show(other)} here"


def _show(value: object) -> str:
    return "not set" if value is _ABSENT else repr(value)[:80]
