"""Names of functions and factories that tell different ones apart, for what is kept on disk under them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from types import CellType, CodeType
from typing import Any

__all__ = ["describe_callable"]

_SETTINGS = (bool, int, float, str, tuple, type(None))


def describe_callable(function: Callable[..., Any]) -> str:
    """Return a function by its dotted name, with what it was given beforehand.

    Functions within functions, and those without a name, get a checksum of what they do: another one may have the same
    name. Instances are told by their settings. The text is the same in every process.

    Example:
        >>> from functools import partial
        >>> describe_callable(partial(int, "11", base=2))
        "builtins.int('11', base=2)"
        >>> twice, thrice = (describe_callable(lambda value, times=times: times * value) for times in (2, 3))
        >>> twice == thrice
        False
    """
    return _described(function, frozenset())


def _described(function: Callable[..., Any], within: frozenset[int]) -> str:
    if id(function) in within:  # a function that knows itself
        return "itself"
    inner = within | {id(function)}
    if isinstance(function, partial):
        return f"{_described(function.func, inner)}({_arguments(function.args, function.keywords, inner)})"
    if not hasattr(function, "__qualname__"):
        own = getattr(function, "__dict__", {})
        settings = {name: value for name, value in own.items() if isinstance(value, _SETTINGS) or callable(value)}
        return f"{_dotted(type(function))}({_arguments((), settings, inner)})" if settings else _dotted(type(function))
    may_be_another = "<" in function.__qualname__ and hasattr(function, "__code__")
    return f"{_dotted(function)} {_code_sha256(function, inner)}" if may_be_another else _dotted(function)


def _arguments(given: tuple[Any, ...], named: dict[str, Any], within: frozenset[int]) -> str:
    texts = [_text(value, within) for value in given]
    return ", ".join([*texts, *(f"{name}={_text(value, within)}" for name, value in sorted(named.items()))])


def _dotted(owner: Any) -> str:
    return f"{owner.__module__}.{owner.__qualname__}"


def _code_sha256(function: Any, within: frozenset[int]) -> str:
    given = (function.__defaults__, function.__kwdefaults__, [_content(one) for one in function.__closure__ or ()])
    return hashlib.sha256(_text((function.__code__, given), within).encode()).hexdigest()[:16]


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # nothing was put into it yet
        return "nothing"


def _text(value: Any, within: frozenset[int]) -> str:
    """Return what is the same in every process: addresses are not."""
    if isinstance(value, CodeType):
        return f"code {value.co_code.hex()} {value.co_names} {_text(value.co_consts, within)}"
    if callable(value):
        return _described(value, within)
    if isinstance(value, tuple | list):
        return f"{type(value).__name__}({', '.join(_text(one, within) for one in value)})"
    if isinstance(value, dict):
        return f"dict({', '.join(f'{_text(one, within)}: {_text(other, within)}' for one, other in value.items())})"
    if isinstance(value, set | frozenset):
        return f"set({', '.join(sorted(_text(one, within) for one in value))})"
    text = repr(value)
    return _dotted(type(value)) if " at 0x" in text else text
