"""Options of an audit. Loads neither PyTorch nor MONAI."""

from __future__ import annotations

import argparse
from pathlib import Path

from monai_unlearnable.verbs.number_types import natural, positive, size

__all__ = ["add_audit", "add_machine"]

_VICTIMS = ("small_resnet", "small_densenet", "resnet18", "densenet121")
_DENSE_VICTIMS = ("unet", "segresnet", "attention_unet")
_COUNTERMEASURES = (
    "jpeg:QUALITY",
    "jpeg2000:RATIO",
    "bits:BITS",
    "grey",
    "blur:SIGMA",
    "median:RADIUS",
    "gamma:GAMMA",
    "low-resolution:FACTOR",
    "denoiser:SOURCE",
    "projection",
    "notch",
    "noise:SIGMA",
    "affine",
    "cutout",
    "mixup",
    "cutmix",
    "ueraser:COUNT",
    "adversarial:RADIUS",
    "pretrained:all",
    "pretrained:last",
    "self-supervised",
    "clean-part:SHARE",
    "clean-part-alone:SHARE",
    "early-stopping:SHARE",
)
_SUITES = ("quick", "standard", "full")
_EXTRAS = ("detector", "authorised-use", "membership")


def add_audit(verb: argparse.ArgumentParser) -> None:
    """Add what is audited, with which victims and countermeasures, and where the report goes."""
    verb.add_argument("release", metavar="RELEASE", type=Path, help="the folder of protected files")
    verb.add_argument("--clean", required=True, type=Path, metavar="SOURCE", help="the source it was made from")
    verb.add_argument(
        "--test",
        type=Path,
        metavar="SOURCE",
        help="clean test images (default: the .npz's test split, else a fifth of each class)",
    )
    verb.add_argument("--output", required=True, type=Path, metavar="DIRECTORY", help="folder for the report")
    verb.add_argument("--labels", type=Path, metavar="FILE", help="list of the clean folder (CSV or datalist)")
    verb.add_argument("--section", metavar="NAME", help="list of the datalist (default: training, or the only one)")
    verb.add_argument(
        "--ledger", type=Path, help="the owner's ledger: which clean image a released one is, where --rename was used"
    )
    _add_victims(verb)
    _add_adversaries(verb)
    add_machine(verb)


def _add_victims(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--seeds", type=positive, default=3, metavar="N", help="trainings of each kind (default: %(default)s)"
    )
    verb.add_argument(
        "--first-seed", type=natural, default=0, metavar="N", help="their first seed (default: %(default)s)"
    )
    verb.add_argument(
        "--victim",
        action="append",
        choices=(*_VICTIMS, *_DENSE_VICTIMS),
        metavar="NAME",
        help=f"network to train: {', '.join(_VICTIMS)}, or for segmentation {', '.join(_DENSE_VICTIMS)}; may be "
        f"repeated (default: {_VICTIMS[0]}, for segmentation {_DENSE_VICTIMS[0]})",
    )
    verb.add_argument(
        "--victim-size-px",
        type=size,
        metavar="N",
        help="size victims see images at (default: their own; up to 96 for large ones or several sizes, up to 128 for "
        "pictures with masks)",
    )
    verb.add_argument(
        "--epochs", type=positive, default=20, metavar="N", help="passes of a training (default: %(default)s)"
    )


def _add_adversaries(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--countermeasure",
        action="append",
        default=[],
        metavar="KIND",
        help="train each victim once more with a countermeasure, and may be repeated: " + ", ".join(_COUNTERMEASURES),
    )
    verb.add_argument(
        "--suite",
        choices=_SUITES,
        help="countermeasures that go together; takes about 4, 50 or 75 times as long as none (default: none)",
    )
    verb.add_argument(
        "--other-images",
        type=Path,
        metavar="SOURCE",
        help="other public images with labels, that pretrained victims learn first",
    )
    verb.add_argument("--other-labels", type=Path, metavar="FILE", help="list of that folder (CSV or datalist)")
    verb.add_argument(
        "--extra",
        action="append",
        default=[],
        choices=_EXTRAS,
        metavar="NAME",
        help=f"look at more than scores, which takes longer, and may be repeated: {', '.join(_EXTRAS)}",
    )


def add_machine(verb: argparse.ArgumentParser) -> None:
    """Add where to compute."""
    verb.add_argument("--device", default="cpu", help="torch device (default: %(default)s)")
    verb.add_argument("--threads", type=positive, metavar="N", help="CPU threads (default: torch's own choice)")
