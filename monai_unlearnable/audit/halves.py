"""Victims that are trained on one half of a release's images, and what they say of both halves.

The audit's own victims have seen every image of the release, so what they say of released files is no use of a model on
new images, and there is no other image of the same kind to tell members from. A victim that was trained on one half
answers both: the halves differ in nothing but that it was trained on one of them. Odd seeds change the halves, so that
over two seeds every image is on both sides; together they cost a training of half the images for each seed and form.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from monai_unlearnable.audit.authorised_use import UseScores, compare_answers
from monai_unlearnable.audit.batches import WholeBatches
from monai_unlearnable.audit.dense_training import class_map, looking
from monai_unlearnable.audit.loading import ImageSet
from monai_unlearnable.audit.membership import MembershipRun, Told, image_losses, tell_members
from monai_unlearnable.audit.pairing import AuditData, held_out
from monai_unlearnable.audit.runs import RunFolder, run_key
from monai_unlearnable.audit.scores import majority_score
from monai_unlearnable.audit.seen import load_seen
from monai_unlearnable.audit.trivial import trivial_scores
from monai_unlearnable.audit.victim_trainer import fit_victim
from monai_unlearnable.audit.victims import VictimRecipe
from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.base import Task

__all__ = ["HalfResult", "HalfSets", "Halves", "half_of", "load_halves", "train_half"]

_HALF_VERSION = 1
"""Raised whenever the same data, recipe and seed no longer mean the same result."""

_BATCH = 256


@dataclass(frozen=True)
class Halves:
    """Pairs (index in release, index in clean) that are trained on, and as many that are not.

    Attributes:
        trained: what a victim is trained on.
        others: what it is not trained on.
    """

    trained: tuple[tuple[int, int], ...]
    others: tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class HalfSets:
    """Both halves in both forms, as one victim sees them.

    Attributes:
        trained: by form (``clean`` or ``released``) the images that are trained on.
        others: the same of the images that are not.
    """

    trained: dict[str, ImageSet]
    others: dict[str, ImageSet]


@dataclass(frozen=True)
class HalfResult:
    """What one victim of one half said.

    Attributes:
        use: of the other half, clean and released.
        membership: how well its half is told from the other.
    """

    use: UseScores
    membership: MembershipRun


def half_of(data: AuditData, *, seed: int) -> Halves:
    """Choose the half that the victim of a seed is trained on: half of each class, the other half for odd seeds.

    Raises:
        SourceError: there are too few images, or a half has nothing to be scored by.
    """
    ids = [data.clean.sample_ids[index] for _, index in data.train_pairs]
    labels = data.clean.labels[[index for _, index in data.train_pairs]]
    out = held_out(ids, labels, share=0.5) ^ bool(seed % 2)
    parts = [tuple(pair for pair, there in zip(data.train_pairs, out == side, strict=True) if there) for side in (0, 1)]
    for side in (0, 1):
        own = labels[out == side]
        enough = len(own) >= 2
        if enough and data.clean.task is Task.MULTI_LABEL:
            enough = bool((own.min(axis=0) < own.max(axis=0)).any())
        if enough and data.clean.task is Task.SEGMENTATION:
            enough = bool(own[:, 1:].any())
        if not enough:
            raise SourceError(
                f"{data.clean.path}: {len(data.train_pairs)} images to train on cannot be halved: each half needs two "
                "of them, labels of both kinds and masks that show a structure. Leave out authorised use and "
                "membership, or audit more images."
            )
    return Halves(parts[0], parts[1])


def load_halves(data: AuditData, recipe: VictimRecipe, halves: Halves) -> HalfSets:
    """Read both halves in both forms, as a victim sees them.

    Raises:
        SourceError: images cannot be read or do not fit.
    """
    seen = partial(load_seen, recipe=recipe, class_names=data.clean.class_names)

    def both(pairs: tuple[tuple[int, int], ...]) -> dict[str, ImageSet]:
        released, clean = zip(*pairs, strict=True)
        return {"clean": seen(data.clean, indices=clean), "released": seen(data.release, indices=released)}

    return HalfSets(both(halves.trained), both(halves.others))


def train_half(
    recipe: VictimRecipe,
    sets: HalfSets,
    *,
    trained_on: str,
    seed: int,
    runs: RunFolder,
    resume: bool,
    device: torch.device,
) -> HalfResult:
    """Train a victim on one half, or read what an earlier one said.

    Args:
        recipe: the victim.
        sets: both halves.
        trained_on: ``clean`` or ``released``.
        seed: of the training.
        runs: where finished ones are kept.
        resume: use them again.
        device: where to train.

    Raises:
        DivergedError: the loss is no longer finite.
    """
    train, test = sets.trained[trained_on], sets.others["clean"]
    key = _key(run_key(recipe, train, test, seed=seed), sets)
    kept = runs.load_json(key) if resume else None
    result = None if kept is None else _parsed(kept)
    if result is not None:
        return result
    network = fit_victim(recipe, train, seed=seed, device=device)
    result = _look(network, recipe, sets, trained_on=trained_on, seed=seed, device=device)
    about = {"recipe": recipe.describe(), "seed": seed, "trained_on": f"half of the {trained_on} files"}
    runs.save_json(key, asdict(result), about=about)
    return result


def _look(
    network: nn.Module, recipe: VictimRecipe, sets: HalfSets, *, trained_on: str, seed: int, device: torch.device
) -> HalfResult:
    said = partial(_answers, network, recipe, device=device)
    members = {form: said(one) for form, one in sets.trained.items()}
    others = {form: said(one) for form, one in sets.others.items()}
    images = sets.others["clean"]
    use = compare_answers(
        others["clean"][0],
        others["released"][0],
        images.labels,
        task=images.task,
        class_count=images.class_count,
        majority=_majority(images),
    )
    told = {form: tell_members(members[form][1], others[form][1]) for form in members}
    count = len(sets.trained[trained_on])
    run = MembershipRun(trained_on, seed, count, len(images), told["released"], told["clean"])
    return HalfResult(use, run)


def _answers(
    network: nn.Module, recipe: VictimRecipe, images: ImageSet, *, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return what a network answers (logits, of segmentation the class of every pixel) and the loss of each image."""
    look, batches = looking(recipe), WholeBatches(images, generator=None)
    dense = images.task is Task.SEGMENTATION
    size = 1 if recipe.patch_size_px is not None else recipe.batch_size if dense else _BATCH
    answers, losses = [], []
    network.eval()
    with torch.no_grad():
        for start in range(0, len(images), size):
            batch = batches[list(range(start, min(start + size, len(images))))]
            logits = look(batch["image"].to(device), network).float()
            answers.append((class_map(logits) if dense else logits).cpu())
            losses.append(image_losses(logits, batch["label"].to(device), task=images.task).cpu())
    return torch.cat(answers), torch.cat(losses)


def _majority(images: ImageSet) -> float:
    if images.task is Task.SEGMENTATION:
        names = [str(one) for one in range(images.class_count)]
        return max(one.iou for one in trivial_scores(images.labels, names))
    return majority_score(images.labels.numpy(), images.task)


def _key(training: str, sets: HalfSets) -> str:
    seen = [one[form].sha256 for one in (sets.trained, sets.others) for form in ("clean", "released")]
    facts = {"half_version": _HALF_VERSION, "training": training, "seen": seen}
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _parsed(content: dict[str, Any]) -> HalfResult | None:
    try:
        run = content["membership"]
        told = {name: Told(**run[name]) for name in ("seen_released", "seen_clean")}
        return HalfResult(UseScores(**content["use"]), MembershipRun(**{**run, **told}))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
