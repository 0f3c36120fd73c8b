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
from typing import Any, NoReturn

from monai.bundle import ConfigExpression, ConfigParser, ReferenceResolver

__all__ = ["check_options", "effective_settings"]

_SEPARATOR = ReferenceResolver.sep
_WRONG_USAGE = 2


def check_options(*, required: Sequence[str], optional: Sequence[str]) -> None:
    """End the process with status 2 and one line for each option that is missing, or that nothing uses.

    An unused option is a plain value that is neither declared here nor referred to by any other part of the
    configuration. Whoever extends the configuration refers to what they add, so only misspelt options are left.

    Args:
        required: names that need a value.
        optional: other names that the configuration declares.
    """
    config = _configuration()
    declared = [*required, *optional]
    faults = [f"--{name} is missing: give it a value." for name in required if config.get(name) is None]
    for name in _unused(config, declared):
        close = difflib.get_close_matches(name, declared, n=1)
        hint = f" Did you mean --{close[0]}?" if close else ""
        faults.append(f"--{name.replace(_SEPARATOR, '#')}: nothing in this configuration uses it.{hint}")
    if faults:
        _refuse(faults)


def effective_settings(*, leave_out: Sequence[str] = (), start: str = "run") -> dict[str, Any]:
    """Return every part of the configuration that ``start`` leads to, overrides included, as JSON values.

    Args:
        leave_out: top-level names that do not belong to the method, such as paths.
        start: where to begin following references.
    """
    config = _configuration()
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in config and name not in reached:
            reached.add(name)
            waiting += [one.split(_SEPARATOR)[0] for one in _references(config[name])]
    return {name: deepcopy(config[name]) for name in sorted(reached - {start, *leave_out})}


def _configuration() -> dict[str, Any]:
    frame = inspect.currentframe()
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, ConfigParser):
            content: dict[str, Any] = owner.get()
            return content
        frame = frame.f_back
    raise RuntimeError("this function works only inside an expression of a MONAI configuration.")


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


def _refuse(faults: list[str]) -> NoReturn:
    for fault in faults:
        print(fault, file=sys.stderr)
    raise SystemExit(_WRONG_USAGE)
