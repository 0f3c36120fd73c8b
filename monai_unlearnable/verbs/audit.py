"""``audit``: train victims on a release and on its clean source, and report what they learn."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from monai_unlearnable.audit import VictimRecipe, adam_optimizer, audit_release
from monai_unlearnable.audit.adversaries import adversary_of, with_adversaries
from monai_unlearnable.audit.output import check_outside, claim_output
from monai_unlearnable.audit.pairing import AuditData, open_data
from monai_unlearnable.audit.pretraining import Pretraining
from monai_unlearnable.audit.suites import SUITES
from monai_unlearnable.audit.victims import DENSE_RECIPE
from monai_unlearnable.dense_networks import small_attention_unet, small_segresnet
from monai_unlearnable.errors import ReleaseError
from monai_unlearnable.networks import small_densenet, small_resnet, standard_densenet121, standard_resnet18
from monai_unlearnable.release.owner import original_ids
from monai_unlearnable.sources import Source, Task
from monai_unlearnable.verbs.paths import refuse_missing, require_device, set_threads
from monai_unlearnable.verbs.progress import ProgressBars
from monai_unlearnable.workflows.disk import errors_name
from monai_unlearnable.workflows.fitting import common_size_px, stays_on_its_grid
from monai_unlearnable.workflows.folders import check_writable
from monai_unlearnable.workflows.summaries import describe_audit

__all__ = ["DENSE_VICTIMS", "VICTIMS", "choose_victims", "run_audit"]

_SMALLEST_DENSENET_PX = 32
_DENSE_PICTURE_PX = 128
_PATCH_PX = 32

VICTIMS: Mapping[str, VictimRecipe] = MappingProxyType(
    {
        "small_resnet": VictimRecipe(name="small_resnet", network=small_resnet),
        "small_densenet": VictimRecipe(name="small_densenet", network=small_densenet),
        "resnet18": VictimRecipe(name="resnet18", network=standard_resnet18),
        "densenet121": VictimRecipe(
            name="densenet121",
            network=standard_densenet121,
            optimizer=adam_optimizer,
            learning_rate=1e-3,
            image_size_px=_SMALLEST_DENSENET_PX,
        ),
    }
)
"""Victims of classification that the command line knows by name; the first is the default."""

DENSE_VICTIMS: Mapping[str, VictimRecipe] = MappingProxyType(
    {
        "unet": DENSE_RECIPE,
        "segresnet": replace(DENSE_RECIPE, name="segresnet", network=small_segresnet),
        "attention_unet": replace(DENSE_RECIPE, name="attention_unet", network=small_attention_unet),
    }
)
"""Victims of segmentation that the command line knows by name; the first is the default."""


def run_audit(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Run the verb; 0 when every check held and the verdict is "protected", else 1."""
    refuse_missing(parser, RELEASE=options.release, clean=options.clean, test=options.test, labels=options.labels)
    refuse_missing(parser, other_images=options.other_images, other_labels=options.other_labels)
    refuse_missing(parser, folder=True, ledger=options.ledger)
    _check_victims(options, parser)
    device = require_device(options.device, parser)
    set_threads(options.threads)
    inputs = tuple(one for one in (options.release, options.clean, options.test) if one is not None)
    try:
        check_outside(options.output, inputs=inputs)
        check_writable(options.output)
        claim_output(options.output)
    except ReleaseError as error:
        parser.error(str(error))
    names = {} if options.ledger is None else original_ids(options.ledger)
    plain = _fitted_victims(options, parser, names)
    victims = with_adversaries(
        plain,
        (*SUITES.get(options.suite, ()), *options.countermeasure),
        dense=plain[0].name in DENSE_VICTIMS,
        other=Pretraining(source=options.other_images, labels=options.other_labels),
    )
    with ProgressBars(quiet=options.quiet).epochs("auditing") as show, errors_name(options.output):
        report = audit_release(
            options.release,
            clean=options.clean,
            test=options.test,
            labels=options.labels,
            section=options.section,
            names=names,
            output=options.output,
            recipes=victims,
            seeds=options.seeds,
            first_seed=options.first_seed,
            extras=options.extra,
            device=device,
            progress=show,
        )
    text = (options.output / "audit.json").read_text(encoding="utf-8").strip()
    print(text if options.json else describe_audit(report, options.output))
    return 0 if report.held else 1


def choose_victims(
    options: argparse.Namespace, parser: argparse.ArgumentParser, task: Task
) -> tuple[VictimRecipe, ...]:
    """Return the victims that the options ask for, or the default one of the task."""
    known = DENSE_VICTIMS if task is Task.SEGMENTATION else VICTIMS
    names = tuple(dict.fromkeys(options.victim or list(known)[:1]))
    others = [one for one in names if one not in known]
    if others:
        parser.error(f"--victim {others[0]}: the release's labels are {task.value}; its victims are {', '.join(known)}")
    size = options.victim_size_px
    try:
        victims = tuple(replace(known[name], epochs=options.epochs) for name in names)
        return victims if size is None else tuple(replace(one, image_size_px=size) for one in victims)
    except ValueError as error:
        parser.error(str(error))


def _check_victims(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Refuse at once what no release can make right."""
    size, names = options.victim_size_px, options.victim or ()
    if size is not None and size < _SMALLEST_DENSENET_PX and "densenet121" in names:
        parser.error(f"--victim-size-px {size}: densenet121 needs images of at least {_SMALLEST_DENSENET_PX} pixels")
    for kind in options.countermeasure:
        try:
            adversary_of(DENSE_RECIPE, kind)
        except ValueError as error:
            parser.error(f"--countermeasure: {error}")
    kinds = {name in DENSE_VICTIMS for name in names}
    if len(kinds) > 1:
        parser.error(
            f"--victim: {', '.join(DENSE_VICTIMS)} are for segmentation, {', '.join(VICTIMS)} for classification; "
            "a release is one of them"
        )


def _fitted_victims(
    options: argparse.Namespace, parser: argparse.ArgumentParser, names: Mapping[str, str]
) -> tuple[VictimRecipe, ...]:
    """Choose victims, and one size for them to look at where images have several or are large and none was given."""
    data = open_data(
        options.release,
        clean=options.clean,
        test=options.test,
        labels=options.labels,
        section=options.section,
        names=names,
    )
    victims = choose_victims(options, parser, data.clean.task)
    if options.victim_size_px is not None:
        return victims
    seen = _seen(data)
    if stays_on_its_grid(*seen) and common_size_px(*seen) is not None:
        patch = min(_PATCH_PX, *(_largest_sides(seen)))
        print(
            f"volumes are of several sizes: victims learn from patches of {patch} voxels a side, on the volumes' "
            "own grid (--victim-size-px resamples them instead)",
            file=sys.stderr,
        )
        return tuple(replace(one, patch_size_px=patch) for one in victims)
    size = _size_for(data)
    if size is None:
        return victims
    print(
        f"images are large or of several sizes: victims look at them at {size} px (--victim-size-px)", file=sys.stderr
    )
    return tuple(replace(one, image_size_px=size) for one in victims)


def _seen(data: AuditData) -> list[Source]:
    # A release has the shapes of its originals. Clean images that it lacks may be damaged; nothing reads them.
    return [data.release, *([] if data.test is data.clean else [data.test])]


def _largest_sides(sources: Sequence[Source]) -> list[int]:
    """Return the largest size along each axis in the source where that is smallest."""
    sides = [zip(*(one.shape(index)[1:] for index in range(len(one))), strict=True) for one in sources]
    return [min(sizes) for sizes in zip(*([max(axis) for axis in each] for each in sides), strict=True)]


def _size_for(data: AuditData) -> int | None:
    seen = _seen(data)
    if data.clean.task is Task.SEGMENTATION and len(data.release.shape(0)) == 3:
        return common_size_px(*seen, largest_px=_DENSE_PICTURE_PX)
    return common_size_px(*seen)
