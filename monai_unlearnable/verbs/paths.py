"""Paths and machines that the command line names: refused as wrong usage before anything is read."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from monai_unlearnable.errors import UnlearnableError
from monai_unlearnable.release.paths import check_apart, holds_nothing

__all__ = ["refuse_missing", "refuse_used_output", "require_device", "set_threads"]


def refuse_missing(parser: argparse.ArgumentParser, *, folder: bool = False, **paths: Path | None) -> None:
    """End with wrong usage when a path that was given does not exist.

    Args:
        parser: of the verb.
        folder: every path must be a folder.
        paths: the paths by the name of their argument.
    """
    for name, path in paths.items():
        if path is None:
            continue
        if not path.exists():
            parser.error(f"{_shown(name)} {path}: there is no such {'folder' if folder else 'file or folder'}")
        if folder and not path.is_dir():
            parser.error(f"{_shown(name)} {path}: is a file, not a folder")


def refuse_used_output(parser: argparse.ArgumentParser, output: Path, **others: Path) -> None:
    """End with wrong usage when the output holds something already, or lies in one of the others or around it."""
    try:
        check_apart({"output": output, **others})
        if not holds_nothing(output):
            parser.error(f"--output {output}: is not empty; nothing is ever written over. Give a new folder")
    except UnlearnableError as error:
        parser.error(str(error))


def require_device(name: str, parser: argparse.ArgumentParser) -> torch.device:
    """Return the device, or end with wrong usage when this machine has none of that name."""
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        parser.error(f"--device {name}: {str(error).splitlines()[0]}")
    if device.type == "meta":
        parser.error("--device meta: computes nothing; give cpu or cuda")
    return device


def set_threads(count: int | None) -> None:
    """Let torch use so many threads; its own choice where None."""
    if count is not None:
        torch.set_num_threads(count)


def _shown(name: str) -> str:
    return name if name.isupper() else "--" + name.replace("_", "-")
