"""The command line: thin; every verb runs a workflow that Python users can call too."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from monai_unlearnable import __version__

__all__ = ["build_parser", "main"]

_DESCRIPTION = """\
Protect shared medical images from unauthorised training.

  protect   write a protected copy of a labelled set (the release) and what only you keep (the ledger)
  verify    prove a release from its files, with the ledger pixel by pixel
  restore   take the perturbation off again, bit for bit
  audit     train models on the release and report what they still learn

SOURCE is an .npz file (MedMNIST style), a folder of class folders, or a folder with --labels labels.csv
(columns file,label; several label columns of 0/1 make a multi-label set).
"""
_EXIT_CODES = """\
exit code: 0 all held; 1 something did not (a file or a check failed); 2 wrong usage.
Protection is not a guarantee, and this software does not de-identify images.
"""
_PERTURBATIONS = ("error_minimizing", "targeted_adversarial", "synthetic")
_VICTIMS = ("small_resnet", "resnet18", "densenet121")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="monai-unlearnable", description=_DESCRIPTION, epilog=_EXIT_CODES, formatter_class=raw, allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, add, about in (
        ("protect", _add_protect, "write a protected copy of a labelled set and the owner's ledger"),
        ("verify", _add_verify, "prove a release from its files"),
        ("restore", _add_restore, "take the perturbation off a release again"),
        ("audit", _add_audit, "train models on a release and report what they still learn"),
    ):
        verb = verbs.add_parser(
            name,
            help=about,
            description=about.capitalize() + ".",
            epilog=_EXIT_CODES,
            formatter_class=raw,
            allow_abbrev=False,
        )
        add(verb)
        verb.add_argument("--json", action="store_true", help="print one JSON object for machines, nothing else")
        verb.add_argument("--quiet", action="store_true", help="no progress bars")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: words after the program's name; those of the process by default.

    Returns:
        0 when all held, 1 when something did not. Wrong usage ends the process with 2.
    """
    parser = build_parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    # Loading torch and MONAI takes seconds: --help and wrong usage should not wait for it.
    from monai_unlearnable import verbs
    from monai_unlearnable.errors import UnlearnableError

    try:
        return verbs.VERBS[options.verb](options, parser)
    except (UnlearnableError, OSError) as error:
        print(f"monai-unlearnable {options.verb}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; run the same command again to go on.", file=sys.stderr)
        return 1


def _add_protect(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("source", metavar="SOURCE", type=Path, help="the images; never changed")
    verb.add_argument("--output", required=True, type=Path, metavar="RELEASE", help="new folder for the release")
    verb.add_argument("--ledger", required=True, type=Path, help="private folder for what only you keep")
    verb.add_argument("--labels", type=Path, metavar="FILE", help="CSV of file,label for a folder of pictures")
    verb.add_argument(
        "--perturbation", choices=_PERTURBATIONS, default=_PERTURBATIONS[0], help="method (default: %(default)s)"
    )
    verb.add_argument(
        "--radius",
        default="8/255",
        metavar="R",
        help="largest change: 8/255 of the intensity range, or '8 levels' (default: %(default)s)",
    )
    verb.add_argument(
        "--norm", choices=("linf", "l2"), default="linf", help="what the radius limits (default: %(default)s)"
    )
    verb.add_argument(
        "--seed",
        type=_natural,
        metavar="N",
        help="seed of everything random (default: drawn and kept in the ledger; a seed that others can "
        "guess lets them compute synthetic deltas)",
    )
    verb.add_argument("--class-wise", action="store_true", help="one delta for each class instead of each image")
    verb.add_argument("--surrogate-size-px", type=_positive, metavar="N", help="size the surrogate sees images at")
    verb.add_argument("--device", default="cpu", help="torch device (default: %(default)s)")


def _add_verify(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("release", metavar="RELEASE", type=Path, help="the folder of protected files")
    verb.add_argument("--ledger", type=Path, help="the owner's ledger: prove every pixel too")


def _add_restore(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("release", metavar="RELEASE", type=Path, help="the folder of protected files")
    verb.add_argument("--ledger", required=True, type=Path, help="the owner's ledger")
    verb.add_argument("--output", required=True, type=Path, metavar="DIRECTORY", help="new folder for the originals")


def _add_audit(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("release", metavar="RELEASE", type=Path, help="the folder of protected files")
    verb.add_argument("--clean", required=True, type=Path, metavar="SOURCE", help="the source it was made from")
    verb.add_argument(
        "--test",
        type=Path,
        metavar="SOURCE",
        help="clean test images (default: the .npz's test split, else a fifth of each class)",
    )
    verb.add_argument("--output", required=True, type=Path, metavar="DIRECTORY", help="folder for the report")
    verb.add_argument("--labels", type=Path, metavar="FILE", help="CSV of file,label of the clean folder")
    verb.add_argument(
        "--seeds", type=_positive, default=3, metavar="N", help="trainings of each kind (default: %(default)s)"
    )
    verb.add_argument(
        "--first-seed", type=_natural, default=0, metavar="N", help="their first seed (default: %(default)s)"
    )
    verb.add_argument(
        "--victim",
        action="append",
        choices=_VICTIMS,
        metavar="NAME",
        help=f"network to train: {', '.join(_VICTIMS)}; may be repeated (default: {_VICTIMS[0]})",
    )
    verb.add_argument(
        "--epochs", type=_positive, default=20, metavar="N", help="passes of a training (default: %(default)s)"
    )
    verb.add_argument("--device", default="cpu", help="torch device (default: %(default)s)")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _natural(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**62:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0 and below 2**62")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
