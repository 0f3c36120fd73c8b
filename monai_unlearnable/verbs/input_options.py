"""Options about what is protected and how its files are released. Loads neither PyTorch nor MONAI."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["add_dicom", "add_generator", "add_inputs"]


def add_inputs(verb: argparse.ArgumentParser) -> None:
    """Add the list of images and labels, what becomes of unreadable files, and names in the release."""
    verb.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="list of a folder's images: CSV of file,label[,mask] or file,mask, or a MONAI datalist .json (default: "
        "the folder's own labels.csv, datalist.json or dataset.json, where it has one)",
    )
    verb.add_argument(
        "--section", metavar="NAME", help="list of the datalist to protect (default: training, or the only one)"
    )
    verb.add_argument(
        "--on-error",
        choices=("stop", "skip"),
        default="stop",
        help="what a file that cannot be read does: stop, or be left out of the release and named with its reason, "
        "with exit code 1 (default: %(default)s)",
    )
    verb.add_argument(
        "--allow-empty-masks",
        action="store_true",
        help="segmentation: take masks that show nothing but background, as those of healthy people",
    )
    verb.add_argument(
        "--rename",
        action="store_true",
        help="neutral file names in the release; only the ledger knows the original ones",
    )


def add_dicom(verb: argparse.ArgumentParser) -> None:
    """Add what is chosen for DICOM files."""
    group = verb.add_argument_group("DICOM")
    group.add_argument("--drop-private-tags", action="store_true", help="leave private elements out of the release")
    group.add_argument(
        "--reference-source", action="store_true", help="name each file's original in SourceImageSequence"
    )
    group.add_argument(
        "--allow-lossy", action="store_true", help="take files compressed with loss; they are released uncompressed"
    )
    group.add_argument(
        "--keep-compressed",
        action="store_true",
        help="keep compressed pixels in the ledger, so that restore gives these files back byte for byte",
    )


def add_generator(verb: argparse.ArgumentParser) -> None:
    """Add the option that names an earlier run's generator."""
    verb.add_argument(
        "--generator",
        type=Path,
        metavar="LEDGER",
        help="ledger of an earlier run with --perturbation generator: its network makes the deltas, nothing is trained",
    )
