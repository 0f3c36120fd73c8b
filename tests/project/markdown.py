"""Fenced blocks of a Markdown file, and the commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SHELLS = frozenset({"bash", "console", "sh", "shell"})
_FENCE = re.compile(
    r"^(?P<indent> *)(?P<marks>`{3,})(?P<language>[\w-]*)[^\n]*\n(?P<text>.*?)^ *(?P=marks) *$", re.M | re.S
)
_SEPARATORS = re.compile(r"^(?:&&|\|\||[;|>])$")


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its text and the line on which its text starts."""

    language: str
    text: str
    line: int


def blocks(markdown: str) -> Iterator[Block]:
    for match in _FENCE.finditer(markdown):
        indent = match["indent"]
        text = "".join(line.removeprefix(indent) for line in match["text"].splitlines(keepends=True))
        yield Block(match["language"].lower(), text, markdown.count("\n", 0, match.start("text")) + 1)


def commands(found: Iterable[Block]) -> Iterator[list[str]]:
    """Split the shell blocks' lines into arguments; of a console block only the lines after ``$``."""
    for block in found:
        if block.language not in SHELLS:
            continue
        lines = block.text.replace("\\\n", " ").splitlines()
        if any(line.startswith("$ ") for line in lines):
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        for line in lines:
            yield from _simple_commands(shlex.split(line, comments=True))


def _simple_commands(arguments: list[str]) -> Iterator[list[str]]:
    command: list[str] = []
    for argument in [*arguments, ";"]:
        if not _SEPARATORS.match(argument):
            command.append(argument)
        elif command:
            yield command
            command = []
