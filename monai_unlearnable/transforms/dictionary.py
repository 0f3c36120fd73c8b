"""Dictionary transforms; each wraps the array transform of the same name without the final ``d``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from monai.config import KeysCollection
from torch import Tensor

from monai_unlearnable.perturbations import GeneratedDeltas, InRegion, Perturbation, Synthetic
from monai_unlearnable.stores import DeltaStore
from monai_unlearnable.surrogates import Surrogate
from monai_unlearnable.transforms.array import (
    AddDelta,
    GeneratorPerturbation,
    SurrogatePerturbation,
    SyntheticPerturbation,
)
from monai_unlearnable.transforms.base import DeltaTransformd, KeyFunction

__all__ = [
    "AddDeltaD",
    "AddDeltaDict",
    "AddDeltad",
    "GeneratorPerturbationD",
    "GeneratorPerturbationDict",
    "GeneratorPerturbationd",
    "SurrogatePerturbationD",
    "SurrogatePerturbationDict",
    "SurrogatePerturbationd",
    "SyntheticPerturbationD",
    "SyntheticPerturbationDict",
    "SyntheticPerturbationd",
]


class AddDeltad(DeltaTransformd):
    """Dictionary form of :class:`AddDelta`; the sample id and the label come from the data dictionary.

    Args:
        keys: keys of the images; each of them gets the delta of the dictionary's sample id.
        store: the deltas.
        sample_id_key: key of the sample id.
        label_key: key of the label; only class-wise keys look at it.
        level_size: see :class:`AddDelta`.
        key: see :class:`AddDelta`.
        valid_range: see :class:`AddDelta`.
        keep_delta: see :class:`AddDelta`.
        allow_missing_keys: skip images that a dictionary does not have.

    Example:
        >>> import torch
        >>> from monai_unlearnable.stores import MemoryStore, StoreHeader
        >>> store = MemoryStore(StoreHeader({"a": (1, 1, 2)}, 8.0, {}, "synthetic", 0))
        >>> store.write(["a"], torch.tensor([[[[-3, 5]]]]))
        >>> item = {"image": torch.tensor([[[0.5, 0.5]]]), "sample_id": "a"}
        >>> protected = AddDeltad("image", store, level_size=0.01)(item)
        >>> [round(value, 2) for value in protected["image"].flatten().tolist()]
        [0.47, 0.55]
    """

    def __init__(
        self,
        keys: KeysCollection,
        store: DeltaStore,
        *,
        sample_id_key: str = "sample_id",
        label_key: str = "label",
        level_size: float = 1.0,
        key: KeyFunction | None = None,
        valid_range: tuple[float, float] | None = None,
        keep_delta: bool = True,
        allow_missing_keys: bool = False,
    ) -> None:
        transform = AddDelta(store, level_size=level_size, key=key, valid_range=valid_range, keep_delta=keep_delta)
        super().__init__(
            keys, transform, sample_id_key=sample_id_key, label_key=label_key, allow_missing_keys=allow_missing_keys
        )

    def _protect(self, data: Mapping[Any, Any], image: Any) -> Tensor:
        transform = cast(AddDelta, self.transform)
        sample_id = self._require(data, self.sample_id_key, "A delta belongs to a sample by its id, a stable string.")
        if transform.needs_label:
            label = self._require(data, self.label_key, "These deltas are looked up by label.")
        else:
            label = None
        return transform(image, sample_id, label)


class _ComputedPerturbationd(DeltaTransformd):
    """Dictionary form of a perturbation that is computed on the fly from the label."""

    def _protect(self, data: Mapping[Any, Any], image: Any) -> Tensor:
        transform = cast(SyntheticPerturbation | SurrogatePerturbation | GeneratorPerturbation, self.transform)
        label = self._require(data, self.label_key, "The delta is computed for a label.")
        return transform(image, label, str(data.get(self.sample_id_key, "image")))


class SyntheticPerturbationd(_ComputedPerturbationd):
    """Dictionary form of :class:`SyntheticPerturbation`.

    Args:
        keys: keys of the images.
        perturbation: patterns, budget and seed.
        sample_id_key: key of the sample id, for messages and for patterns that differ from image to image (stripes of
            several phases, autoregressive textures); without one, all images have the same.
        label_key: key of the label.
        level_size: see :class:`SyntheticPerturbation`.
        keep_delta: see :class:`SyntheticPerturbation`.
        allow_missing_keys: skip images that a dictionary does not have.
    """

    def __init__(
        self,
        keys: KeysCollection,
        perturbation: Synthetic,
        *,
        sample_id_key: str = "sample_id",
        label_key: str = "label",
        level_size: float = 1.0,
        keep_delta: bool = True,
        allow_missing_keys: bool = False,
    ) -> None:
        transform = SyntheticPerturbation(perturbation, level_size=level_size, keep_delta=keep_delta)
        super().__init__(
            keys, transform, sample_id_key=sample_id_key, label_key=label_key, allow_missing_keys=allow_missing_keys
        )


class SurrogatePerturbationd(_ComputedPerturbationd):
    """Dictionary form of :class:`SurrogatePerturbation`.

    Args:
        keys: keys of the images.
        perturbation: error-minimizing or targeted adversarial, with its budget.
        surrogate: trained network and preprocessing.
        sample_id_key: key of the sample id, which random restarts and readers' ways follow from. Without it all images
            have the same.
        label_key: key of the label.
        level_size: see :class:`SurrogatePerturbation`.
        keep_delta: see :class:`SurrogatePerturbation`.
        allow_missing_keys: skip images that a dictionary does not have.
    """

    def __init__(
        self,
        keys: KeysCollection,
        perturbation: Perturbation,
        surrogate: Surrogate,
        *,
        sample_id_key: str = "sample_id",
        label_key: str = "label",
        level_size: float = 1.0,
        keep_delta: bool = True,
        allow_missing_keys: bool = False,
    ) -> None:
        transform = SurrogatePerturbation(perturbation, surrogate, level_size=level_size, keep_delta=keep_delta)
        super().__init__(
            keys, transform, sample_id_key=sample_id_key, label_key=label_key, allow_missing_keys=allow_missing_keys
        )


class GeneratorPerturbationd(_ComputedPerturbationd):
    """Dictionary form of :class:`GeneratorPerturbation`.

    Args:
        keys: keys of the images.
        perturbation: from :func:`~monai_unlearnable.workflows.load_generator`.
        sample_id_key: key of the sample id, for messages only; it may be absent.
        label_key: key of the label.
        level_size: see :class:`GeneratorPerturbation`.
        keep_delta: see :class:`GeneratorPerturbation`.
        allow_missing_keys: skip images that a dictionary does not have.
    """

    def __init__(
        self,
        keys: KeysCollection,
        perturbation: GeneratedDeltas | InRegion,
        *,
        sample_id_key: str = "sample_id",
        label_key: str = "label",
        level_size: float = 1.0,
        keep_delta: bool = True,
        allow_missing_keys: bool = False,
    ) -> None:
        transform = GeneratorPerturbation(perturbation, level_size=level_size, keep_delta=keep_delta)
        super().__init__(
            keys, transform, sample_id_key=sample_id_key, label_key=label_key, allow_missing_keys=allow_missing_keys
        )


AddDeltaD = AddDeltaDict = AddDeltad
GeneratorPerturbationD = GeneratorPerturbationDict = GeneratorPerturbationd
SyntheticPerturbationD = SyntheticPerturbationDict = SyntheticPerturbationd
SurrogatePerturbationD = SurrogatePerturbationDict = SurrogatePerturbationd
