"""What a recipe is told about the images and the run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from monai.data import DataLoader

from monai_unlearnable.budgets import AnyBudget
from monai_unlearnable.errors import LedgerError
from monai_unlearnable.perturbations import (
    DenseObjective,
    MultiLabelObjective,
    Objective,
    PatternFamily,
    Region,
    SingleLabelObjective,
    Synthetic,
)
from monai_unlearnable.perturbations.synthetic import MOST_COMBINED_LABELS, combinations_of
from monai_unlearnable.sources import Source, Task
from monai_unlearnable.sources.batches import ShapeBatches
from monai_unlearnable.sources.dataset import SourceDataset, SourcePatches
from monai_unlearnable.sources.patches import LARGEST_PATCH_VALUES
from monai_unlearnable.stores import ClassKey, MappedStore, SampleKey
from monai_unlearnable.surrogates import Surrogate
from monai_unlearnable.workflows.faint import faint_class
from monai_unlearnable.workflows.intensity import SourceLevels
from monai_unlearnable.workflows.views import StoredDeltas, SurrogateViews

__all__ = ["ImageFacts", "RecipeContext", "objective_for"]


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """What a surrogate has to know of the images, and what the ledger keeps of it for images that arrive later.

    Attributes:
        task: single-label, multi-label or segmentation.
        num_classes: classes (of segmentation with the background), or label columns.
        channels: channels of an image.
        spatial_dims: 2 for pictures, 3 for volumes.
        window_levels: levels that become -1 and 1 for the surrogate; None where each image has its own.
    """

    task: Task
    num_classes: int
    channels: int
    spatial_dims: int
    window_levels: tuple[float, float] | None

    @classmethod
    def of(cls, source: Source, *, window_levels: tuple[float, float] | None) -> ImageFacts:
        """Read them off a source."""
        channels, *space = source.shape(0)
        return cls(
            task=source.task,
            num_classes=len(source.class_names),
            channels=channels,
            spatial_dims=len(space),
            window_levels=window_levels,
        )

    def describe(self) -> dict[str, Any]:
        """Return them as JSON values."""
        return {
            "task": self.task.value,
            "num_classes": self.num_classes,
            "channels": self.channels,
            "spatial_dims": self.spatial_dims,
            "window_levels": None if self.window_levels is None else list(self.window_levels),
        }

    @classmethod
    def from_description(cls, description: object) -> ImageFacts:
        """Read what :meth:`describe` returned.

        Raises:
            LedgerError: a field is missing or of another kind.
        """
        try:
            if not isinstance(description, Mapping):
                raise TypeError("it is no object")
            window = description["window_levels"]
            if window is not None:
                low, high = (float(one) for one in window)
                if not (math.isfinite(low) and math.isfinite(high) and low < high):
                    raise ValueError("a window is empty")
                window = (low, high)
            counts = {name: _whole(description[name]) for name in ("num_classes", "channels", "spatial_dims")}
            if counts["spatial_dims"] not in (2, 3):
                raise ValueError("a number is out of its range")
            return cls(task=Task(description["task"]), window_levels=window, **counts)
        except (KeyError, TypeError, ValueError) as error:
            raise LedgerError(f"what the ledger says about the images is damaged ({error}).") from error


@dataclass(frozen=True, kw_only=True)
class RecipeContext:
    """What every recipe is given.

    Attributes:
        source: the images.
        budget: how large a delta may be, of all images or of each.
        store: where the deltas go.
        seed: seed of networks, orders and patterns.
        checkpoint: private folder for checkpoints.
        device: where to compute.
        levels: levels and window of every image.
        handlers: more handlers for the engine.
        trainer_handlers: handlers for the surrogate's trainer.
    """

    source: Source
    budget: AnyBudget
    store: MappedStore
    seed: int
    checkpoint: Path
    device: torch.device
    levels: SourceLevels
    handlers: Sequence[Any] = ()
    trainer_handlers: Sequence[Any] = ()

    @property
    def facts(self) -> ImageFacts:
        """What a surrogate has to know of the images."""
        return ImageFacts.of(self.source, window_levels=self.levels.common_window_levels)

    @property
    def window_levels(self) -> tuple[float, float]:
        """Levels that become -1 and 1 in the surrogate's preprocessing.

        Where each image has its own window, the surrogate maps that to -1 and 1 before its preprocessing.
        """
        return self.levels.common_window_levels or (-1.0, 1.0)

    @property
    def num_classes(self) -> int:
        """Classes, or label columns."""
        return len(self.source.class_names)

    @property
    def objective(self) -> Objective:
        """The loss that fits the labels."""
        return objective_for(self.source.task)

    @property
    def key(self) -> SampleKey | ClassKey:
        """Own deltas when the store is keyed by sample id, else class-wise ones."""
        return SampleKey() if self.source.sample_ids[0] in self.store else ClassKey()

    @property
    def opposed_channels(self) -> bool:
        """Whether patterns have opposite signs in neighbouring channels: of masks, where a few pixels must tell.

        Of 400 Kvasir-SEG pictures at 96 pixels, stripes of the same sign left networks that shift and flip an IoU of
        0.36 (clean ones 0.42), stripes of opposite signs 0.02.
        """
        return self.source.task is Task.SEGMENTATION

    def synthetic(
        self, patterns: PatternFamily, *, faint_share: float, channel_signs: tuple[int, ...] | None = None
    ) -> Synthetic:
        """Return a pattern for each class of the source; None for the signs of :attr:`opposed_channels`."""
        return Synthetic(
            budget=self.budget,
            num_classes=self.num_classes,
            seed=self.seed,
            patterns=patterns,
            shares=self.shares(faint_share=faint_share, patterns=patterns),
            opposed_channels=self.opposed_channels,
            channel_signs=channel_signs,
        )

    def shares(self, *, faint_share: float, patterns: PatternFamily | None = None) -> tuple[float, ...] | None:
        """Return the share of the radius that each class's pattern uses: fainter for :func:`faint_class`.

        Of masks it is the background's that is fainter, so that a model finds no structure in clean images. The classes
        of a multi-label set are its combinations of labels; None where those are too many, or where there is one class
        only, which no other is fainter than, or where the patterns have no faint class.
        """
        if patterns is not None and not patterns.has_faint_class:
            return None
        if self.num_classes == 1 and self.source.task is Task.SINGLE_LABEL:
            return None
        if self.source.task is not Task.MULTI_LABEL:
            faint = 0 if self.source.task is Task.SEGMENTATION else faint_class(self.source)
            return tuple(faint_share if at == faint else 1.0 for at in range(self.num_classes))
        if self.num_classes > MOST_COMBINED_LABELS:
            return None
        counts = torch.bincount(combinations_of(torch.as_tensor(self.source.labels)), minlength=2**self.num_classes)
        return Synthetic.shares_for(counts.tolist(), faint_share=faint_share)

    def loader(self, *, batch_size: int, largest_patch_values: int = LARGEST_PATCH_VALUES) -> DataLoader:
        """Return batches of all images in levels, with their windows where each has its own.

        Args:
            batch_size: images in a batch.
            largest_patch_values: values that a batch may have; larger images come in patches, one after the other.
        """
        images = self._patches(largest_patch_values, keep=True)
        batches = ShapeBatches(images, batch_size=batch_size, largest_values=largest_patch_values)
        return DataLoader(images, batch_sampler=batches, num_workers=0)

    def view_loader(
        self,
        surrogate: Surrogate,
        *,
        batch_size: int,
        clean: bool = False,
        largest_patch_values: int = LARGEST_PATCH_VALUES,
        region: Region | None = None,
    ) -> DataLoader:
        """Return shuffled batches of what a surrogate sees, of a large image one patch in an epoch.

        Args:
            surrogate: whose preprocessing makes the views.
            batch_size: views in a batch.
            clean: of the clean images; otherwise with the deltas of the moment.
            largest_patch_values: values that a patch may have.
            region: say of each view which share of its voxels lies in this; None for nothing of the kind.
        """
        deltas = None if clean else StoredDeltas(self.store, self.key, self.budget)
        views = SurrogateViews(self._patches(largest_patch_values, keep=False), surrogate, deltas, changeable=region)
        batches = ShapeBatches(views, batch_size=batch_size, shuffle=True, seed=self.seed, one_each=True)
        return DataLoader(views, batch_sampler=batches, num_workers=0)

    def _patches(self, largest_values: int, *, keep: bool) -> SourcePatches:
        sizes, windows = self.levels.stored_level_sizes, self.levels.windows_levels
        images = SourceDataset(self.source, level_sizes=sizes, windows=windows)
        return SourcePatches(images, largest_values=largest_values, keep=keep)


def objective_for(task: Task) -> Objective:
    """Return the loss that fits the labels of a task."""
    if task is Task.SEGMENTATION:
        return DenseObjective()
    return MultiLabelObjective() if task is Task.MULTI_LABEL else SingleLabelObjective()


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 10_000:
        raise ValueError(f"{value!r} is no count")
    return value
