"""Train one victim with MONAI's stock engines and score it on clean images after every epoch."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from ignite.engine import Engine, Events
from ignite.metrics import Accuracy, EpochMetric, Metric
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler

from monai_unlearnable.audit.batches import WholeBatches
from monai_unlearnable.audit.dense_scores import DenseScores, mean_image_iou, score_masks
from monai_unlearnable.audit.dense_training import KEPT_PREDICTIONS, class_map, looking, predict_masks
from monai_unlearnable.audit.loading import ImageSet, fitted_images
from monai_unlearnable.audit.packed import PackedMap
from monai_unlearnable.audit.scores import balanced_accuracy, macro_auroc
from monai_unlearnable.audit.starts import StartingWeights
from monai_unlearnable.audit.victim_trainer import victim_network, victim_trainer
from monai_unlearnable.audit.victims import VictimRecipe
from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.base import Task

__all__ = ["TrainingResult", "train_victim"]

_EVALUATION_BATCH = 256


@dataclass(frozen=True)
class TrainingResult:
    """One finished training.

    Attributes:
        score: headline score (accuracy, macro AUROC or mean IoU) on the clean test images after the last epoch, or
            after the one that images to stop by have chosen; so are the other scores but the curves.
        peak: the best of ``score_curve``: a reader who could stop early on clean images.
        balanced_accuracy: after the last epoch; None for multiple labels and segmentation.
        loss_curve: mean training loss of each epoch.
        score_curve: headline score on the clean test images after each epoch.
        seconds: wall-clock time of the training.
        dense: scores of the masks after the last epoch, of segmentation.
        predictions: predicted masks of the first test images, of segmentation.
    """

    score: float
    peak: float
    balanced_accuracy: float | None
    loss_curve: tuple[float, ...]
    score_curve: tuple[float, ...]
    seconds: float
    dense: DenseScores | None = None
    predictions: tuple[PackedMap, ...] = ()


def train_victim(
    recipe: VictimRecipe,
    train: ImageSet,
    test: ImageSet,
    *,
    seed: int,
    device: str | torch.device = "cpu",
    start: StartingWeights | None = None,
    validation: ImageSet | None = None,
    on_epoch: Callable[[], None] | None = None,
) -> TrainingResult:
    """Train a victim and score it on the test images after every epoch.

    Every image is normalised as a reader would who has only its file: its window becomes -1 to 1, unclipped. On a CPU
    the same seed gives the same result.

    Args:
        recipe: the victim.
        train: images that the victim is trained on.
        test: clean images that it is scored on.
        seed: of weights, order of images and augmentation.
        device: where to train.
        start: weights of a victim with ``recipe.start``; None for one who starts from scratch.
        validation: images that choose the epoch whose network is scored, the first of the best; None for the last.
        on_epoch: called after every epoch.

    Raises:
        SourceError: too few training images, or test images of another kind.
        NotApplicableError: the victim's countermeasure is none for these images or labels.
        DivergedError: the loss is no longer finite.
        ValueError: a segmentation victim whose network gives no logits for every pixel.
    """
    _check_sets(recipe, train, test)
    started = time.perf_counter()
    train = fitted_images(train, recipe.fitted)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = victim_network(recipe, train, device=torch.device(device), start=start)
        trainer = victim_trainer(recipe, network, train, seed=seed, device=torch.device(device))
        evaluator = _evaluator(recipe, network, test, device=torch.device(device))
        stopping = None
        if validation is not None:
            stopping = _BestEpoch(network, _evaluator(recipe, network, validation, device=torch.device(device)))
        losses, scores = _run(trainer, evaluator, stopping, on_epoch)
        dense, predictions = _masks(recipe, network, test, device=torch.device(device))
    balanced = evaluator.state.metrics.get("balanced_accuracy")
    return TrainingResult(
        score=float(evaluator.state.metrics["score"]),
        peak=max(scores),
        balanced_accuracy=None if balanced is None else float(balanced),
        loss_curve=tuple(losses),
        score_curve=tuple(scores),
        seconds=time.perf_counter() - started,
        dense=dense,
        predictions=predictions,
    )


def _check_sets(recipe: VictimRecipe, train: ImageSet, test: ImageSet) -> None:
    if len(train) < 2:
        raise SourceError(f"a victim cannot be trained on {len(train)} image; at least 2 are needed.")
    one, other = (train.task, train.class_count, train.channels), (test.task, test.class_count, test.channels)
    if one != other:
        raise SourceError(
            f"test images do not fit the training images: (task, classes, channels) is {other}, expected {one}."
        )
    if recipe.patch_size_px is not None and train.task is not Task.SEGMENTATION:
        raise SourceError(
            f"victim {recipe.name!r} learns from patches, but {train.task.value} labels are of whole images."
        )
    # Networks of voxels take any size.
    if train.task is not Task.SEGMENTATION and train.images.shape[2:] != test.images.shape[2:]:
        raise SourceError(
            f"test images have size {tuple(test.images.shape[2:])}, training images {tuple(train.images.shape[2:])}; "
            f"give victim {recipe.name!r} an image_size_px."
        )


def _evaluation_batch(recipe: VictimRecipe, test: ImageSet) -> int:
    # Logits of every pixel are large; what could be trained on at once can be tested at once.
    if test.task is not Task.SEGMENTATION:
        return _EVALUATION_BATCH
    return recipe.batch_size if recipe.patch_size_px is None else 1


def _masks(
    recipe: VictimRecipe, network: nn.Module, test: ImageSet, *, device: torch.device
) -> tuple[DenseScores | None, tuple[PackedMap, ...]]:
    if test.task is not Task.SEGMENTATION:
        return None, ()
    looked = partial(looking(recipe), network=network)
    predicted = predict_masks(network, test, batch_size=_evaluation_batch(recipe, test), device=device, look=looked)
    kept = tuple(PackedMap.of(one.numpy()) for one in predicted[:KEPT_PREDICTIONS])
    return score_masks(predicted, test.labels, class_count=test.class_count), kept


class _BestEpoch:
    """Keeps the weights of the first epoch that is best on images to stop by, in memory."""

    def __init__(self, network: nn.Module, evaluator: SupervisedEvaluator) -> None:
        self._network, self._evaluator = network, evaluator
        self._best, self._weights = -math.inf, network.state_dict()

    def look(self) -> None:
        self._evaluator.run()
        score = float(self._evaluator.state.metrics["score"])
        if score > self._best:
            self._best, self._weights = score, copy.deepcopy(self._network.state_dict())

    def load(self) -> None:
        self._network.load_state_dict(self._weights)


def _run(
    trainer: SupervisedTrainer,
    evaluator: SupervisedEvaluator,
    stopping: _BestEpoch | None,
    on_epoch: Callable[[], None] | None,
) -> tuple[list[float], list[float]]:
    losses: list[float] = []
    scores: list[float] = []

    @trainer.on(Events.EPOCH_COMPLETED)
    def _score(engine: Engine) -> None:
        losses.append(float(engine.state.metrics["loss"]))
        evaluator.run()
        scores.append(float(evaluator.state.metrics["score"]))
        if stopping is not None:
            stopping.look()
        if on_epoch is not None:
            on_epoch()

    trainer.run()
    if stopping is not None:
        stopping.load()
        evaluator.run()
    return losses, scores


def _evaluator(
    recipe: VictimRecipe, network: nn.Module, test: ImageSet, *, device: torch.device
) -> SupervisedEvaluator:
    batch_size = _evaluation_batch(recipe, test)
    batches = WholeBatches(test, generator=None)
    sampler = BatchSampler(SequentialSampler(batches), batch_size, drop_last=False)
    additional: dict[str, Metric] = {}
    if test.task is Task.SINGLE_LABEL:
        key: Metric = Accuracy(output_transform=_prediction_and_label)
        additional["balanced_accuracy"] = _over_all_images(balanced_accuracy)
    elif test.task is Task.SEGMENTATION:
        score = partial(mean_image_iou, class_count=test.class_count)
        key = EpochMetric(score, output_transform=_class_maps, check_compute_fn=False)
    else:
        key = _over_all_images(macro_auroc)
    return SupervisedEvaluator(
        device=device,
        val_data_loader=DataLoader(batches, sampler=sampler, batch_size=None),
        network=network,
        inferer=looking(recipe),
        key_val_metric={"score": key},
        additional_metrics=additional,
        decollate=False,
    )


def _over_all_images(score: object) -> Metric:
    return EpochMetric(score, output_transform=_prediction_and_label, check_compute_fn=False)  # type: ignore[arg-type]


def _prediction_and_label(output: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    return output["pred"], output["label"]


def _class_maps(output: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    # Ignite's EpochMetric takes rows; overlaps do not mind where a pixel lies.
    return class_map(output["pred"]).flatten(1), output["label"].to(torch.uint8).flatten(1)
