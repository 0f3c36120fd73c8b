"""Can small networks see that a release is protected, and do the deltas alone say which class an image is of?

A linear network and one of two layers are trained on released files and their originals of half of the samples and
asked about the other half. Images are looked at in two ways. *Small pictures* hide what is finer than their pixels, so
that *fine detail* is looked at as well: pixels of the native grid without the mean around each, of whole images where
they are small, else of random patches. A pattern that is coarser than three pixels of a large image and fainter than
its own structure is seen by neither. That is the limit of "not seen" here.

Of the package's own releases at a radius of 8/255 (one seed, 256 pairs at most) the best of the four networks has an
AUROC of 1.00 (synthetic and error-minimizing BreastMNIST, 0.99 targeted), 1.00 (error-minimizing Kvasir-SEG, 600 pixels
a side; hippocampus volumes) and 0.83 (80 synthetic pictures of 600 pixels); of files that are their own originals 0.50.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

import numpy as np
import torch
from monai.engines import SupervisedTrainer
from monai.handlers import LrScheduleHandler
from monai.metrics import compute_roc_auc
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

from monai_unlearnable.audit.detector_views import (
    LOOKS,
    Frame,
    PairViews,
    fine_detail,
    frame_of,
    patches_of,
    small_pictures,
)

__all__ = ["LEAST_PAIRS", "MOST_PAIRS", "SEEDS", "Detection", "LookResult", "LookRun", "detect"]

LEAST_PAIRS, MOST_PAIRS = 8, 256
SEEDS = (0, 1, 2)
_EPOCHS, _LEAST_STEPS, _BATCH, _WEIGHT_DECAY = 20, 200, 32, 1e-2
_HIDDEN, _FILTERS = 64, 16
_TRAINING_PATCHES, _PATCHES_ASKED = 512, 8
_NETWORKS = ("linear", "two layers")


@dataclass(frozen=True)
class LookRun:
    """One training.

    Attributes:
        seed: of the halves and of the training.
        accuracy: share of right answers about the half that was not trained on.
        auroc: area under the ROC curve of "is released"; None of classes.
        chance: accuracy without looking: one half, or the share of the most frequent class.
    """

    seed: int
    accuracy: float
    auroc: float | None
    chance: float


@dataclass(frozen=True)
class LookResult:
    """What one kind of network sees in one kind of look.

    Attributes:
        look: one of :data:`~monai_unlearnable.audit.detector_views.LOOKS`.
        network: ``linear`` or ``two layers``.
        runs: one for each seed.
    """

    look: str
    network: str
    runs: tuple[LookRun, ...]

    @property
    def accuracy(self) -> float:
        """Mean accuracy over the seeds."""
        return mean(one.accuracy for one in self.runs)

    @property
    def auroc(self) -> float | None:
        """Mean AUROC over the seeds; None of classes."""
        known = [one.auroc for one in self.runs if one.auroc is not None]
        return mean(known) if known else None

    @property
    def chance(self) -> float:
        """Mean accuracy without looking."""
        return mean(one.chance for one in self.runs)

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        means = {"accuracy_mean": self.accuracy, "auroc_mean": self.auroc, "chance_mean": self.chance}
        return {"look": self.look, "network": self.network, **means, "runs": [asdict(one) for one in self.runs]}


@dataclass(frozen=True)
class Detection:
    """Whether released files look released, and whether deltas look like classes.

    Attributes:
        pairs: released images and originals that were looked at.
        released: telling released files from originals.
        classes: telling classes by deltas alone; empty where labels are no single classes, or one class is all there
            is.
    """

    pairs: int
    released: tuple[LookResult, ...]
    classes: tuple[LookResult, ...]

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        return {
            "pairs": self.pairs,
            "released": [one.to_json() for one in self.released],
            "classes": [one.to_json() for one in self.classes],
        }


def detect(views: PairViews, *, seeds: Sequence[int] = SEEDS) -> Detection:
    """Look for what was added, in all ways.

    Args:
        views: at least :data:`LEAST_PAIRS` pairs.
        seeds: of halves and trainings.
    """
    found: dict[tuple[str, str, str], list[LookRun]] = {}
    for seed in seeds:
        order = torch.randperm(len(views.clean), generator=torch.Generator().manual_seed(seed))
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        for look in LOOKS:
            for network in _NETWORKS:
                run = _released_run(views, halves, look=look, network=network, seed=seed)
                found.setdefault(("released", look, network), []).append(run)
                if views.labels is not None and len(views.labels.unique()) > 1:
                    run = _class_run(views, views.labels, halves, look=look, network=network, seed=seed)
                    found.setdefault(("classes", look, network), []).append(run)
    results = {key: LookResult(key[1], key[2], tuple(runs)) for key, runs in found.items()}
    by_question = {one: tuple(results[key] for key in results if key[0] == one) for one in ("released", "classes")}
    return Detection(len(views.clean), by_question["released"], by_question["classes"])


def _released_run(views: PairViews, halves: tuple[Tensor, Tensor], *, look: str, network: str, seed: int) -> LookRun:
    parts = []
    frame = frame_of(views.clean)  # of both halves: a network is asked about what it was trained to look at
    for number, half in enumerate(halves):
        images = [[which[at] for at in half.tolist()] for which in (views.released, views.clean)]
        # Both forms of an image are cut at the same places: nothing but what was added tells them apart.
        looked = [_look(one, look, frame, seed=2 * seed + number, trained=number == 0) for one in images]
        labels = torch.cat([torch.full((len(one),), 1 - place) for place, one in enumerate(looked)])
        parts.append((torch.cat(looked), labels, len(looked[0]) // len(half)))
    (inputs, labels, _), (asked, truth, count) = parts
    logits = _answers(inputs, labels, asked, classes=2, network=network, look=look, seed=seed)
    score = (logits[:, 1] - logits[:, 0]).reshape(-1, count).mean(dim=1)
    truth = truth.reshape(-1, count)[:, 0]
    area = float(np.asarray(compute_roc_auc(score, truth)))
    return LookRun(seed, float(((score > 0) == (truth > 0)).double().mean()), area, 0.5)


def _class_run(
    views: PairViews, labels: Tensor, halves: tuple[Tensor, Tensor], *, look: str, network: str, seed: int
) -> LookRun:
    # The pattern of a class may begin at the same pixel in every image: one place is cut out of all.
    frame = frame_of(views.deltas)
    deltas = [[views.deltas[at] for at in half.tolist()] for half in halves]
    looked = [_look(one, look, frame, seed=None, trained=False) for one in deltas]
    answers = _answers(
        looked[0], labels[halves[0]], looked[1], classes=int(labels.max()) + 1, network=network, look=look, seed=seed
    )
    truth = labels[halves[1]]
    right = float((answers.argmax(dim=1) == truth).double().mean())
    return LookRun(seed, right, None, int(truth.bincount().max()) / len(truth))


def _look(images: Sequence[Tensor], look: str, frame: Frame, *, seed: int | None, trained: bool) -> Tensor:
    if look == LOOKS[0]:
        return small_pictures(images, frame)
    if frame.whole or seed is None:
        return fine_detail(patches_of(images, frame, count=1, generator=None))
    count = max(1, _TRAINING_PATCHES // (2 * len(images))) if trained else _PATCHES_ASKED
    generator = torch.Generator().manual_seed(seed)
    return fine_detail(patches_of(images, frame, count=count, generator=generator))


class _Answers(Dataset[dict[str, Tensor]]):
    """Whole batches by a list of indices."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, indices: list[int]) -> dict[str, Tensor]:
        return {"image": self.images[indices], "label": self.labels[indices]}


class _MeanOfSpace(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        return features.flatten(2).mean(dim=2)


def _network(like: Tensor, *, classes: int, network: str, look: str) -> tuple[nn.Module, float]:
    """Return a network and its learning rate."""
    values, channels = like[0].numel(), like.shape[1]
    if network == "linear":
        layer = nn.Linear(values, classes)
        nn.init.zeros_(layer.weight)
        return nn.Sequential(nn.Flatten(), layer), 1e-3
    if look == LOOKS[0]:
        return nn.Sequential(nn.Flatten(), nn.Linear(values, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, classes)), 1e-3
    convolution = nn.Conv2d if like.ndim == 4 else nn.Conv3d
    seen = min(3, *like.shape[2:])
    return nn.Sequential(
        convolution(channels, _FILTERS, seen), nn.ReLU(), _MeanOfSpace(), nn.Linear(_FILTERS, classes)
    ), 1e-2


def _answers(
    inputs: Tensor, labels: Tensor, asked: Tensor, *, classes: int, network: str, look: str, seed: int
) -> Tensor:
    """Train a network on scaled inputs and return its logits ``(n, classes)`` of what is asked."""
    centre, spread = inputs.mean(), inputs.std().clamp_min(1e-6)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found, rate = _network(inputs, classes=classes, network=network, look=look)
        data = _Answers((inputs - centre) / spread, labels)
        order = RandomSampler(data, generator=torch.Generator().manual_seed(seed))
        loader = DataLoader(data, sampler=BatchSampler(order, _BATCH, drop_last=False), batch_size=None)
        optimizer = torch.optim.AdamW(found.parameters(), lr=rate, weight_decay=_WEIGHT_DECAY)
        epochs = max(_EPOCHS, math.ceil(_LEAST_STEPS / len(loader)))
        schedule = OneCycleLR(optimizer, max_lr=rate, total_steps=epochs * len(loader))
        SupervisedTrainer(
            device=torch.device("cpu"),
            max_epochs=epochs,
            train_data_loader=loader,
            network=found,
            optimizer=optimizer,
            loss_function=nn.CrossEntropyLoss(),
            train_handlers=[LrScheduleHandler(schedule, print_lr=False, epoch_level=False)],  # type: ignore[arg-type]
            decollate=False,
        ).run()
    found.eval()
    with torch.no_grad():
        logits: Tensor = torch.cat([found((part - centre) / spread) for part in asked.split(256)])
    return logits
