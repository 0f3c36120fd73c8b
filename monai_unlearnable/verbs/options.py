"""What the command line understands: verbs, options and their help. Loads neither PyTorch nor MONAI."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NoReturn

from monai_unlearnable import __version__
from monai_unlearnable.verbs.audit_options import add_audit, add_machine
from monai_unlearnable.verbs.input_options import add_dicom, add_generator, add_inputs
from monai_unlearnable.verbs.number_types import block_size, level_size, natural, share, signs, size

__all__ = ["UsageError", "build_parser"]

_DESCRIPTION = """\
Protect shared medical images from unauthorised training.

  protect   write a protected copy of a labelled set (the release) and what only you keep (the ledger)
  verify    prove a release from its files, with the ledger pixel by pixel
  restore   take the perturbation off again, bit for bit
  audit     train models on the release and report what they still learn

SOURCE is an .npz file (MedMNIST style), a folder of class folders, or a folder with --labels LIST: a CSV file
(file,label; several label columns of 0/1 make a multi-label set; a column mask names masks) or a MONAI datalist
({"training": [{"image": ..., "label": ...}]}). Images are PNG, JPEG, BMP, TIFF, NIfTI, MetaImage, NRRD and DICOM
files; a folder of DICOM slices is one volume.

example:
  monai-unlearnable protect breastmnist.npz --output release --ledger ledger
  monai-unlearnable verify release --ledger ledger
  monai-unlearnable audit release --clean breastmnist.npz --output report
  monai-unlearnable restore release --ledger ledger --output originals
"""
_EXIT_CODES = """\
exit code:
  0  all held
  1  something did not: a file cannot be read or written, a check failed, an audit's verdict is not "protected", the
     images are not for this method, or the run was interrupted
  2  wrong usage: an unknown option, a value that cannot be used, or a path that is missing or holds something already

Protection is not a guarantee, and this software does not de-identify images.
"""
_PROTECT = """\
Write a protected copy of a labelled set (the release, to share) and the owner's ledger (to keep: it takes the
perturbation off again). SOURCE is only read. A run that was killed goes on where it was when the same command is given
again. Deltas are whole grey levels on the image's own grid. Folders and names stay, a list is released with its images,
masks are released unchanged. Files keep their format, but JPEG and BMP become PNG and .mhd becomes .mha; DICOM files
get new UIDs.

examples:
  monai-unlearnable protect breastmnist.npz --output release --ledger ledger
  monai-unlearnable protect images/ --labels labels.csv --output release --ledger ledger --radius "8 levels"
  monai-unlearnable protect studies/ --labels datalist.json --output release --ledger ledger --rename --on-error skip
"""
_VERIFY = """\
Read every file of a release again. Without --ledger: checksums, contents and the manifest, which everybody can check.
With it also that every pixel is original plus delta, inside the budget and the range of the file.

example:
  monai-unlearnable verify release --ledger ledger
"""
_RESTORE = """\
Write the originals of a release, bit for bit, each proved by the ledger's checksum before it appears.

example:
  monai-unlearnable restore release --ledger ledger --output originals
"""
_AUDIT = """\
Train models (victims) on the released files and, the same way, on the clean ones; test both on clean images; write
audit.html (one page for people) and audit.json. Finished trainings are kept, so an interrupted audit goes on.

example:
  monai-unlearnable audit release --clean breastmnist.npz --output report --seeds 3
"""
_PERTURBATIONS = (
    "synthetic",
    "error_minimizing",
    "robust_error_minimizing",
    "linear_error_minimizing",
    "targeted_adversarial",
    "autoregressive",
    "generator",
)


class UsageError(SystemExit):
    """Wrong usage; ends the process with 2 where nobody catches it.

    Attributes:
        message: what is wrong.
        usage: how the verb is used.
    """

    def __init__(self, message: str, *, usage: str) -> None:
        super().__init__(2)
        self.message, self.usage = message, usage


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise what :func:`main` prints, as text or as JSON."""
        raise UsageError(message, usage=f"{self.format_usage()}(monai-unlearnable --help says more)")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all verbs."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = _Parser(
        prog="monai-unlearnable", description=_DESCRIPTION, epilog=_EXIT_CODES, formatter_class=raw, allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, add, about, description in (
        ("protect", _add_protect, "write a protected copy of a labelled set and the owner's ledger", _PROTECT),
        ("verify", _add_verify, "prove a release from its files", _VERIFY),
        ("restore", _add_restore, "take the perturbation off a release again", _RESTORE),
        ("audit", add_audit, "train models on a release and report what they still learn", _AUDIT),
    ):
        verb = verbs.add_parser(
            name, help=about, description=description, epilog=_EXIT_CODES, formatter_class=raw, allow_abbrev=False
        )
        add(verb)
        verb.add_argument("--json", action="store_true", help="print one JSON object on stdout, errors too")
        verb.add_argument("--quiet", action="store_true", help="no progress bars (there are none in a log file)")
        verb.set_defaults(parser=verb)
    return parser


def _add_protect(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("source", metavar="SOURCE", type=Path, help="the images; never changed")
    verb.add_argument("--output", required=True, type=Path, metavar="RELEASE", help="new folder for the release")
    verb.add_argument("--ledger", required=True, type=Path, help="private folder for what only you keep")
    add_inputs(verb)
    verb.add_argument(
        "--perturbation", choices=_PERTURBATIONS, default=_PERTURBATIONS[0], help="method (default: %(default)s)"
    )
    add_generator(verb)
    _add_budget(verb)
    verb.add_argument(
        "--seed",
        type=natural,
        metavar="N",
        help="seed of everything random (default: drawn and kept in the ledger; a seed that others can "
        "guess lets them compute synthetic deltas)",
    )
    verb.add_argument(
        "--class-wise", action="store_true", help="one delta for each class instead of each image (images of one size)"
    )
    verb.add_argument(
        "--surrogate-size-px",
        type=size,
        metavar="N",
        help="size the surrogate sees images at (default: their own; up to 96 for large ones or several sizes)",
    )
    _add_shape(verb)
    add_dicom(verb)
    add_machine(verb)


def _add_shape(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--block-size-px",
        type=block_size,
        metavar="N",
        help="make deltas even over blocks of N stored pixels a side, so that more of them survives JPEG, blur and "
        "resampling (default: as fine as the method makes them; not of generator)",
    )
    verb.add_argument(
        "--low-pass",
        type=share,
        metavar="S",
        help="in the place of blocks: keep this share of a delta's waves, from the longest, such as 0.5 for half of "
        "them along each axis (default: all; of methods with a surrogate)",
    )
    verb.add_argument(
        "--channel-signs",
        type=signs,
        metavar="SIGNS",
        help="sign of the patterns in each channel, of synthetic and autoregressive, such as ++- for red, green and "
        "blue, of which grey pictures keep three quarters (default: all alike; where labels are masks +-+)",
    )
    verb.add_argument(
        "--phases",
        type=int,
        choices=(1, 2),
        help="how many phases the stripes of a class have, of synthetic and of what error-minimizing deltas start "
        "from; of one phase alone, taking off what a linear network reads takes the stripes off (default: 2 of "
        "synthetic, 1 where labels are masks, and of others)",
    )
    verb.add_argument(
        "--kept-share",
        type=share,
        metavar="S",
        help="combine two methods: a synthetic pattern of each class keeps this share of the radius, and a method with "
        "a surrogate has the rest (default: the method alone)",
    )


def _add_budget(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--radius",
        default="8/255",
        metavar="R",
        help="largest change: 8/255 of the intensity range, '8 levels' or '10 HU' (default: %(default)s); the range of "
        "8-bit images is 255, of each deeper one what the brightest and darkest half percent of it leave",
    )
    verb.add_argument(
        "--level-size",
        type=level_size,
        metavar="SIZE",
        help="size of one level of floating-point files, in the values that they store, such as 0.5 (default: 1, for "
        "files that hold whole numbers only; others need it)",
    )
    verb.add_argument(
        "--norm", choices=("linf", "l2"), default="linf", help="what the radius limits (default: %(default)s)"
    )
    verb.add_argument(
        "--region",
        metavar="R",
        help="change only a part of each image: structures[:PX[:SHARE]] of its mask, contour[:PX[:SHARE]], background, "
        "body (what is brighter than the darkest level) or salient[:SHARE] (default: all of it)",
    )


def _add_verify(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("release", metavar="RELEASE", type=Path, help="the folder of protected files")
    verb.add_argument("--ledger", type=Path, help="the owner's ledger: prove every pixel too")


def _add_restore(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("release", metavar="RELEASE", type=Path, help="the folder of protected files")
    verb.add_argument("--ledger", required=True, type=Path, help="the owner's ledger")
    verb.add_argument("--output", required=True, type=Path, metavar="DIRECTORY", help="new folder for the originals")
