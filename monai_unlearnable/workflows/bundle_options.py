"""Options of a configuration: which are missing, which are misspelt, and what a run really used.

``python -m monai.bundle run`` takes any override, so that ``--raduis 4/255`` changes nothing and says nothing. MONAI
gives expressions no way to the configuration that they are in; it is found on the call stack.
"""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from types import FrameType
from typing import Any, NoReturn

from monai.bundle import ConfigExpression, ConfigParser, ReferenceResolver, run

__all__ = ["check_options", "effective_settings", "refuse"]

_SEPARATOR = ReferenceResolver.sep
_WRONG_USAGE = 2
_ENTRIES = ("imports", "initialize", "run", "finalize", ConfigParser.meta_key)


def check_options(*, required: Sequence[str], optional: Sequence[str]) -> None:
    """End the process with status 2 and one line for each option that is missing, or that nothing uses.

    An unused option is a plain value that is neither declared here nor referred to by any other part of the
    configuration. Whoever extends the configuration refers to what they add, so only misspelt options are left. An
    override of a part that this run does not come to, as a second file has replaced it, is unused as well.

    Args:
        required: names that need a value.
        optional: other names that the configuration declares.
    """
    config = _configuration()
    declared = [*required, *optional]
    faults = [f"--{name} is missing: give it a value." for name in required if config.get(name) is None]
    unused = _unused(config, declared)
    for name in unused:
        close = difflib.get_close_matches(name, declared, n=1)
        hint = f" Did you mean --{close[0]}?" if close else ""
        faults.append(f"--{_shown(name)}: nothing in this configuration uses it.{hint}")
    known = {*_reached(config, _ENTRIES), *_ENTRIES, *declared, *map(_section, unused)}
    faults += [
        f"--{_shown(name)}: this run does not use '{_section(name)}'; another configuration file replaces it."
        for name in _overrides()
        if _section(name) in config and _section(name) not in known
    ]
    if faults:
        refuse(faults)


def effective_settings(*, leave_out: Sequence[str] = (), start: str = "run") -> dict[str, Any]:
    """Return every part of the configuration that ``start`` leads to, overrides included, as JSON values.

    Args:
        leave_out: top-level names that do not belong to the method, such as paths.
        start: where to begin following references.
    """
    config = _configuration()
    return {name: deepcopy(config[name]) for name in sorted(_reached(config, [start]) - {start, *leave_out})}


def _configuration() -> dict[str, Any]:
    for frame in _callers():
        owner = frame.f_locals.get("self")
        if isinstance(owner, ConfigParser):
            content: dict[str, Any] = owner.get()
            return content
    raise RuntimeError("this function works only inside an expression of a MONAI configuration.")


def _overrides() -> list[str]:
    """Return what ``monai.bundle.run`` was called with; nothing where a workflow was made in another way."""
    for frame in _callers():
        if frame.f_code is run.__code__:
            return [name.replace("#", _SEPARATOR) for name in frame.f_locals["override"]]
    return []


def _callers() -> Iterator[FrameType]:
    frame = inspect.currentframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


def _reached(config: Mapping[str, Any], starts: Sequence[str]) -> set[str]:
    reached: set[str] = set()
    waiting = list(starts)
    while waiting:
        name = waiting.pop()
        if name in config and name not in reached:
            reached.add(name)
            waiting += [_section(one) for one in _references(config[name])]
    return reached


def _section(name: str) -> str:
    return name.split(_SEPARATOR)[0]


def _shown(name: str) -> str:
    return name.replace(_SEPARATOR, "#")


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        node = list(node.values())
    if isinstance(node, list):
        for one in node:
            yield from _references(one)
    elif isinstance(node, str):
        yield from ReferenceResolver.match_refs_pattern(node)


def _unused(config: Mapping[str, Any], declared: Sequence[str]) -> list[str]:
    used = {*_references(dict(config)), *declared, ConfigParser.meta_key}

    def walk(node: Mapping[str, Any], prefix: str) -> Iterator[str]:
        for key, value in node.items():
            name = f"{prefix}{key}"
            if name in used:
                continue
            if isinstance(value, Mapping) and "_target_" not in value:  # a target checks its own arguments
                yield from walk(value, name + _SEPARATOR)
            elif _is_plain(value):
                yield name

    return list(walk(config, ""))


def _is_plain(value: Any) -> bool:
    return not isinstance(value, Mapping | list) and not ConfigExpression.is_expression(value)


def refuse(faults: Sequence[str]) -> NoReturn:
    """End the process with status 2 and a line for each fault."""
    for fault in faults:
        print(fault, file=sys.stderr)
    raise SystemExit(_WRONG_USAGE)
