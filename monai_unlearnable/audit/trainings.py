"""All trainings of an audit: each recipe and seed, on released and on clean files, once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any, TypeAlias

import torch
from numpy.typing import NDArray

from monai_unlearnable.audit.apart import MOST_KNOWN, known_share
from monai_unlearnable.audit.contrastive import learn_without_labels
from monai_unlearnable.audit.loading import ImageSet, fitted_images
from monai_unlearnable.audit.outcomes import RecipeOutcome
from monai_unlearnable.audit.pairing import AuditData
from monai_unlearnable.audit.pretraining import Pretraining
from monai_unlearnable.audit.runs import RunFolder, run_key
from monai_unlearnable.audit.scores import majority_score
from monai_unlearnable.audit.seen import load_seen
from monai_unlearnable.audit.self_supervision import SelfSupervision
from monai_unlearnable.audit.starts import StartingWeights, starting_weights
from monai_unlearnable.audit.training import TrainingResult, train_victim
from monai_unlearnable.audit.trivial import trivial_scores
from monai_unlearnable.audit.victim_trainer import fit_victim, own_weights
from monai_unlearnable.audit.victims import VictimRecipe
from monai_unlearnable.countermeasures import DenoisedAs
from monai_unlearnable.errors import NotApplicableError
from monai_unlearnable.sources.base import Task

__all__ = ["AuditProgress", "Trainings"]

AuditProgress: TypeAlias = Callable[[str, int, int], None]
"""Called after every epoch with (what is trained, epochs done, all epochs of the audit)."""
Sets: TypeAlias = tuple[ImageSet, ImageSet, ImageSet]


@dataclass(frozen=True)
class _Seen:
    """What one victim sees: training and test images, those that it learnt before, and those that it stops by."""

    train: ImageSet
    test: ImageSet
    other: ImageSet | None
    validation: ImageSet | None


@dataclass
class Trainings:
    """Train what is not on disk yet.

    Attributes:
        runs: finished trainings.
        resume: use them again.
        device: where to train.
        progress: called after every epoch.
        all_epochs: epochs of the whole audit, for ``progress``.
    """

    runs: RunFolder
    resume: bool
    device: torch.device
    progress: AuditProgress | None
    all_epochs: int
    _done: int = field(default=0, init=False)
    _starts: dict[str, StartingWeights] = field(default_factory=dict, init=False)
    _kept: tuple[tuple[Any, ...], Sets] | None = field(default=None, init=False)

    def outcome(self, recipe: VictimRecipe, data: AuditData, seeds: tuple[int, ...]) -> RecipeOutcome:
        """Train one recipe with every seed on released and on clean files.

        Raises:
            SourceError: images cannot be read or do not fit.
            NotApplicableError: the victim's countermeasure is none for these images, or changes nothing.
            DivergedError: a victim's loss is no longer finite.
        """
        names = data.clean.class_names
        released, clean, test = self._seen(recipe, data)
        _require_change(recipe, released)
        mixed = recipe.clean_part
        plain = recipe if recipe.baseline is None else recipe.baseline
        trivial = trivial_scores(test.labels, names) if test.task is Task.SEGMENTATION else ()
        results: dict[str, list[TrainingResult]] = {"released": [], "clean": []}
        other_images = lru_cache(maxsize=2)(partial(_other_images, clean=clean))  # those of all seeds are the same
        for seed in seeds:
            trained = released if mixed is None else mixed.of(released, clean, seed=seed)
            for one, train, side in ((plain, clean, "clean"), (recipe, trained, "released")):
                validation = None
                if one.early_stopping is not None:
                    train, validation = one.early_stopping.split(train, clean, seed=seed)
                other = None if one.start is None else other_images(one.start, train, test)
                seen = _Seen(train, test, other, validation)
                results[side].append(self._one(one, seen, seed=seed, trained_on=side))
        return RecipeOutcome(
            recipe=recipe,
            task=data.clean.task,
            majority=max(one.iou for one in trivial) if trivial else majority_score(test.labels.numpy(), test.task),
            seeds=seeds,
            released=tuple(results["released"]),
            clean=tuple(results["clean"]),
            trivial=trivial,
        )

    def _seen(self, recipe: VictimRecipe, data: AuditData) -> Sets:
        """Read released, clean and test images; those that undergo nothing are kept for the next victim."""
        view = (data, recipe.image_size_px, recipe.interpolation, recipe.patch_size_px, recipe.pictures)
        if self._kept is not None and self._kept[0] == view:
            return self._kept[1]
        if not recipe.pictures:
            self._kept = None  # before the next ones are read
        seen = partial(load_seen, recipe=recipe, class_names=data.clean.class_names)
        released_indices, clean_indices = zip(*data.train_pairs, strict=True)
        for one in recipe.pictures:
            if isinstance(one, DenoisedAs):
                _refuse_originals(one.images, map(data.clean.read, clean_indices))
        sets = (
            seen(data.release, indices=released_indices),
            seen(data.clean, indices=clean_indices),
            seen(data.test, indices=data.test_indices),
        )
        if not recipe.pictures:
            self._kept = view, sets
        return sets

    def _one(self, recipe: VictimRecipe, seen: _Seen, *, seed: int, trained_on: str) -> TrainingResult:
        train, test, other = seen.train, seen.test, seen.other
        key = run_key(recipe, train, test, seed=seed, start=other, validation=seen.validation)
        what = f"{recipe.name}, {trained_on} files, seed {seed}"
        result = self.runs.load(key) if self.resume else None
        if result is None:
            start = None if other is None else self._start(recipe, other, seed=seed)
            result = train_victim(
                recipe,
                train,
                test,
                seed=seed,
                device=self.device,
                start=start,
                validation=seen.validation,
                on_epoch=lambda: self.tell(what, 1),
            )
            about = {"recipe": recipe.describe(), "seed": seed, "trained_on": trained_on}
            self.runs.save(key, result, about=about)
        else:
            self.tell(what, recipe.epochs)
        return result

    def _start(self, recipe: VictimRecipe, other: ImageSet, *, seed: int) -> StartingWeights:
        """Return what a victim has learnt before; its trainings of one seed start from the same weights."""
        how = recipe.start if isinstance(recipe.start, SelfSupervision) else None
        scratch = replace(recipe, name="pretraining", start=how, fitted=())
        key = run_key(scratch, other, other, seed=seed)
        if key not in self._starts:
            kept: StartingWeights | None = self.runs.load_weights(key) if self.resume else None
            if kept is None:
                kept = self._learn(scratch, other, seed=seed)
                self.runs.save_weights(key, kept)
            self._starts[key] = kept
        return self._starts[key]

    def _learn(self, scratch: VictimRecipe, other: ImageSet, *, seed: int) -> StartingWeights:
        if isinstance(scratch.start, SelfSupervision):
            return learn_without_labels(scratch, scratch.start, other, seed=seed, device=self.device)
        network = fit_victim(scratch, other, seed=seed, device=self.device)
        return starting_weights(network, own_weights(scratch, other))

    def tell(self, what: str, epochs: int) -> None:
        """Count epochs that are done, and tell of them."""
        self._done += epochs
        if self.progress is not None:
            self.progress(what, self._done, self.all_epochs)


def _require_change(recipe: VictimRecipe, released: ImageSet) -> None:
    """Refuse what is fitted to the released images and takes nothing off: the victim would be one without it.

    Raises:
        NotApplicableError: it changes no image.
    """
    if recipe.fitted and torch.equal(fitted_images(released, recipe.fitted).images, released.images.float()):
        raise NotApplicableError("it finds nothing in the released images that it would take off.")


def _refuse_originals(other: Sequence[NDArray[Any]], clean: Iterable[NDArray[Any]]) -> None:
    if known_share(other, clean) > MOST_KNOWN:
        raise NotApplicableError(
            "most of the images that it would learn first are those that the release was made from; name others."
        )


def _other_images(
    start: Pretraining | SelfSupervision, train: ImageSet, test: ImageSet, *, clean: ImageSet
) -> ImageSet:
    """Return what a victim learns before it sees a label of the release.

    Raises:
        NotApplicableError: there is nothing, or it is what the victim is tested on, or what the release was made from.
        SourceError: it cannot be read.
    """
    other = start.images_like(train)
    if isinstance(start, Pretraining):
        _refuse_originals(list(other.images.numpy()), clean.images.numpy())
    if known_share(test.images.numpy(), other.images.numpy()) > MOST_KNOWN:
        raise NotApplicableError("most of the test images are among the images that it would learn first.")
    return other
