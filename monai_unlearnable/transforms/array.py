"""Array transforms: one image, channel first."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from monai_unlearnable.budgets import ImageBudgets, to_levels
from monai_unlearnable.errors import BudgetError, SourceError
from monai_unlearnable.perturbations import GeneratedDeltas, InRegion, Perturbation, PerturbationBatch, Synthetic
from monai_unlearnable.stores import DeltaStore, SampleKey
from monai_unlearnable.surrogates import Surrogate
from monai_unlearnable.transforms.base import DeltaTransform, KeyFunction, as_label_batch
from monai_unlearnable.transforms.levels import ImageUnit

__all__ = ["AddDelta", "GeneratorPerturbation", "SurrogatePerturbation", "SyntheticPerturbation"]


class AddDelta(DeltaTransform):
    """Add the delta that a store holds for an image.

    A delta belongs to the image as it is stored, so this stands before every spatial transform, and axes must lie as
    they lay when the delta was computed: MONAI's ``PILReader`` swaps height and width unless
    ``reverse_indexing=False``, ``open_source`` does not.

    The store is part of the pickled transform, so ``PersistentDataset(..., hash_transform=pickle_hashing)`` computes
    anew when a delta changes.

    Args:
        store: the deltas.
        level_size: size of one level in the image's unit: 1 for raw integers, 1/255 once scaled to [0, 1].
        key: which delta an image gets: its own (:class:`SampleKey`, the default) or its class's (:class:`ClassKey`).
        valid_range: smallest and largest value of the image in its unit, where a sum is cut. Class-wise deltas need
            it; deltas of an image's own were made to stay inside.
        keep_delta: see :class:`DeltaTransform`.

    Example:
        >>> from monai_unlearnable.stores import MemoryStore, StoreHeader
        >>> store = MemoryStore(StoreHeader({"a": (1, 1, 2)}, 8.0, {}, "synthetic", 0))
        >>> store.write(["a"], torch.tensor([[[[-3, 5]]]]))
        >>> add = AddDelta(store)
        >>> protected = add(torch.tensor([[[100, 200]]], dtype=torch.uint8), "a")
        >>> protected.tolist(), add.inverse(protected).tolist()
        ([[[97, 205]]], [[[100, 200]]])
    """

    def __init__(
        self,
        store: DeltaStore,
        *,
        level_size: float = 1.0,
        key: KeyFunction | None = None,
        valid_range: tuple[float, float] | None = None,
        keep_delta: bool = True,
    ) -> None:
        super().__init__(unit=ImageUnit(level_size=level_size, valid_range=valid_range), keep_delta=keep_delta)
        self.store = store
        self.key: KeyFunction = SampleKey() if key is None else key

    @property
    def needs_label(self) -> bool:
        """Whether the key is looked up by label."""
        return not isinstance(self.key, SampleKey)

    def __call__(self, img: Any, sample_id: str, label: Any = None) -> Tensor:  # type: ignore[override]
        """Return the protected image.

        Args:
            img: ``(channel, *space)``, integers or floats, in its own unit.
            sample_id: the image's id.
            label: class index or 0/1 vector; only class-wise keys look at it.

        Raises:
            KeyError: the store has no delta of this id or label.
            StoreError: image and delta have different shapes.
            BudgetError: the image is not finite or outside ``valid_range``, or an integer sum does not fit.
            SourceError: a class-wise key got no label.
        """
        name = str(sample_id)
        if label is None and self.needs_label:
            raise SourceError(f"sample {name!r}: {type(self.key).__name__} looks deltas up by label; give the label.")
        labels = torch.zeros(1, dtype=torch.int64) if label is None else as_label_batch(label)
        (key,) = self.key([name], labels)
        # One read of one key adds a batch axis, which is taken off again.
        return self._protect(img, lambda image: self.store.read([key])[0], name)


class _ComputedPerturbation(DeltaTransform):
    """Computes a delta from one image and its label, in levels, and adds it in the image's unit."""

    def __init__(self, perturbation: Perturbation, *, level_size: float, keep_delta: bool) -> None:
        budget = perturbation.budget
        if isinstance(budget, ImageBudgets):
            raise BudgetError(
                f"{perturbation.name}: has a budget for each of {len(budget.by_id)} images, and a transform has one "
                "for all. Give the perturbation one, such as budgets.of([sample_id])."
            )
        valid_range = (float(budget.low_level) * level_size, float(budget.high_level) * level_size)
        super().__init__(unit=ImageUnit(level_size=level_size, valid_range=valid_range), keep_delta=keep_delta)
        self.perturbation, self.budget = perturbation, budget

    def __call__(self, img: Any, label: Any, sample_id: str = "image") -> Tensor:  # type: ignore[override]
        """Return the protected image.

        Args:
            img: ``(channel, *space)``, integers or floats, in its own unit.
            label: class index, 0/1 vector, or mask ``(1, *space)`` of the image's size.
            sample_id: the image's name, for messages, and for patterns that differ from image to image.

        Raises:
            BudgetError: the image is not finite, leaves the budget's range, or the label is unknown.
            SourceError: there is no label.
            DivergedError: the surrogate's loss is not finite.
        """
        if label is None:
            raise SourceError(f"sample {str(sample_id)!r}: {self.perturbation.name} needs the image's label.")
        labels = as_label_batch(label)
        return self._protect(img, lambda image: self._compute(image, labels, str(sample_id)), str(sample_id))

    def _compute(self, image: Tensor, label: Tensor, name: str) -> Tensor:
        # A data loader may run under inference mode, in which a surrogate's gradient could not be had.
        with torch.inference_mode(False):
            levels = self.unit.to_levels(image.clone(), name=name).unsqueeze(0).to(self._device(image))
            self.budget.require_images(levels, [name])
            batch = PerturbationBatch(levels, label.clone().to(levels.device), torch.zeros_like(levels), None, (name,))
            improved = self.perturbation.improve(batch, surrogate=self._surrogate(name))
            return to_levels(improved, levels, self.budget)[0]

    def _surrogate(self, name: str) -> Surrogate | None:
        return None

    def _device(self, image: Tensor) -> torch.device:
        return image.device


class SyntheticPerturbation(_ComputedPerturbation):
    """Add the pattern of an image's label, stripes by default, computed on the fly: no store, no surrogate.

    Args:
        perturbation: patterns, budget and seed.
        level_size: size of one level in the image's unit; value 0 is level 0.
        keep_delta: see :class:`DeltaTransform`.

    Example:
        >>> from monai_unlearnable.budgets import LinfBudget
        >>> method = Synthetic(budget=LinfBudget(radius_levels=8), num_classes=2, seed=3)
        >>> protect = SyntheticPerturbation(method)
        >>> image = torch.full((1, 28, 28), 100, dtype=torch.uint8)
        >>> protect(image, label=1).unique().tolist()
        [92, 108]
    """

    def __init__(self, perturbation: Synthetic, *, level_size: float = 1.0, keep_delta: bool = True) -> None:
        super().__init__(perturbation, level_size=level_size, keep_delta=keep_delta)


class SurrogatePerturbation(_ComputedPerturbation):
    """Use a trained surrogate as a generator of deltas, for images that arrive after the engine's run.

    The surrogate that error-minimizing training leaves behind gives new images a delta too (Liu et al. 2023, section
    III); a clean one serves the targeted method. The delta starts at zero and is improved for each image alone, and
    ways to load it are drawn by its ``sample_id``, so the same image, label and name always get the same delta.

    The surrogate is copied and frozen at construction: training it further does not reach this transform, and threads
    and workers can share it. Workers that fork need it on the CPU.

    Args:
        perturbation: :class:`ErrorMinimizing` or :class:`TargetedAdversarial`, with its budget.
        surrogate: trained network and preprocessing.
        level_size: size of one level in the image's unit; value 0 is level 0.
        keep_delta: see :class:`DeltaTransform`.
    """

    def __init__(
        self,
        perturbation: Perturbation,
        surrogate: Surrogate,
        *,
        level_size: float = 1.0,
        keep_delta: bool = True,
    ) -> None:
        super().__init__(perturbation, level_size=level_size, keep_delta=keep_delta)
        self.surrogate = copy.deepcopy(surrogate).eval().requires_grad_(False)
        self.surrogate.zero_grad(set_to_none=True)

    def _surrogate(self, name: str) -> Surrogate:
        return self.surrogate.drawing_for(name)

    def _device(self, image: Tensor) -> torch.device:
        return _device_of(self.surrogate, image)


class GeneratorPerturbation(_ComputedPerturbation):
    """Add the delta that a trained generator gives an image and its label: one forward pass.

    Of a whole image it is the delta that a release by the same generator carries. The generator is copied and frozen
    at construction, as :class:`SurrogatePerturbation` does with a surrogate.

    Args:
        perturbation: from :func:`~monai_unlearnable.workflows.load_generator`.
        level_size: size of one level in the image's unit; value 0 is level 0.
        keep_delta: see :class:`DeltaTransform`.
    """

    def __init__(
        self, perturbation: GeneratedDeltas | InRegion, *, level_size: float = 1.0, keep_delta: bool = True
    ) -> None:
        generator = copy.deepcopy(_generated(perturbation).generator).eval().requires_grad_(False)
        own: GeneratedDeltas | InRegion = replace(_generated(perturbation), generator=generator)
        if isinstance(perturbation, InRegion):
            own = replace(perturbation, perturbation=own)
        super().__init__(own, level_size=level_size, keep_delta=keep_delta)
        self.generator = generator

    def _device(self, image: Tensor) -> torch.device:
        return _device_of(self.generator, image)


def _generated(perturbation: GeneratedDeltas | InRegion) -> GeneratedDeltas:
    """Return the method itself, without its region.

    Raises:
        TypeError: it is no generator's.
    """
    inner = perturbation.perturbation if isinstance(perturbation, InRegion) else perturbation
    if not isinstance(inner, GeneratedDeltas):
        raise TypeError(f"{inner.name}: has no generator. Give what load_generator returns.")
    return inner


def _device_of(network: Surrogate, image: Tensor) -> torch.device:
    first = next(network.parameters(), None)
    return image.device if first is None else first.device
