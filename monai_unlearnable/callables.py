"""Names of functions and factories that tell different ones apart, for what is kept on disk under them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

__all__ = ["describe_callable"]

_SETTINGS = (bool, int, float, str, tuple, type(None))


def describe_callable(function: Callable[..., Any]) -> str:
    """Return a function by its dotted name, with what it was given beforehand.

    Functions within functions, and those without a name, get a checksum of what they do: another one may have the same
    name. Instances are told by their settings.

    Example:
        >>> from functools import partial
        >>> describe_callable(partial(int, "11", base=2))
        "builtins.int('11', base=2)"
        >>> twice, thrice = (describe_callable(lambda value, times=times: times * value) for times in (2, 3))
        >>> twice == thrice
        False
    """
    if isinstance(function, partial):
        return f"{describe_callable(function.func)}({_arguments(function.args, function.keywords)})"
    if not hasattr(function, "__qualname__"):
        settings = {name: value for name, value in vars(function).items() if isinstance(value, _SETTINGS)}
        return f"{_dotted(type(function))}({_arguments((), settings)})" if settings else _dotted(type(function))
    may_be_another = "<" in function.__qualname__ and hasattr(function, "__code__")
    return f"{_dotted(function)} {_code_sha256(function)}" if may_be_another else _dotted(function)


def _arguments(given: tuple[Any, ...], named: dict[str, Any]) -> str:
    return ", ".join([*map(repr, given), *(f"{name}={value!r}" for name, value in sorted(named.items()))])


def _dotted(owner: Any) -> str:
    return f"{owner.__module__}.{owner.__qualname__}"


def _code_sha256(function: Any) -> str:
    code, cells = function.__code__, function.__closure__ or ()
    given = (function.__defaults__, function.__kwdefaults__, [one.cell_contents for one in cells])
    return hashlib.sha256(repr((code.co_code, code.co_consts, code.co_names, given)).encode()).hexdigest()[:16]
