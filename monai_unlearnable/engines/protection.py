"""The engine that computes deltas: MONAI's trainer, with deltas in the place of weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from monai.engines.trainer import Trainer
from monai.engines.utils import IterationEvents
from monai.engines.workflow import Workflow
from monai.utils.enums import CommonKeys
from torch import Tensor

from monai_unlearnable.budgets import ImageBudgets, to_levels
from monai_unlearnable.engines.fit import SurrogateFit
from monai_unlearnable.engines.once import EachSampleOnce
from monai_unlearnable.engines.prepare import KeyFunction, ProtectionBatch, read_deltas, unpack
from monai_unlearnable.errors import SourceError
from monai_unlearnable.perturbations import Objective, Perturbation, PerturbationBatch, SurrogateModel
from monai_unlearnable.stores import DeltaStore, SampleKey
from monai_unlearnable.surrogates import Surrogate
from monai_unlearnable.types import Images

__all__ = ["DELTA", "ProtectionEngine"]

DELTA = "delta"


def lower_is_better(current: Any, best: Any) -> bool:
    """Compare two metric values of which the lower one is better."""
    return bool(current < best)


class ProtectionEngine(Trainer):
    """Computes deltas over a data loader and writes them to a store, as an Ignite engine like every MONAI trainer.

    An epoch is one pass over the data. An iteration reads the batch's deltas, lets the perturbation improve them
    (``IterationEvents.INNER_ITERATION_STARTED`` and ``_COMPLETED`` fire for every inner step), rounds them to whole
    levels inside the budget and writes them. The surrogate's weights do not change here: its training is a handler
    (:class:`TrainSurrogate`), and so are stopping and saving.

    The output of an iteration is ``{"image", "label", "delta"}`` (images and deltas in levels), with a surrogate also
    ``"pred"`` (logits of the protected images as stored) and ``"loss"`` (mean objective). After an epoch
    ``state.metrics`` holds ``surrogate_error`` and ``surrogate_loss`` over the protected images.

    Args:
        device: where the surrogate and the batches live.
        max_epochs: largest number of passes.
        train_data_loader: batches ``{"image", "label", "sample_id"}``; images in levels, whole numbers. Where each
            image has its own window also ``"window_levels"``, ``(batch, 2)``. Large images may come in patches that do
            not overlap, with the keys of MONAI's :class:`~monai.data.PatchIterd`: ``"patch_coords"`` and
            ``"original_spatial_shape"``.
        perturbation: which delta, and the budget.
        store: where the deltas are kept; this engine is its only writer.
        surrogate: network and differentiable preprocessing; None for methods that need none.
        key: which delta an image gets: its own (:class:`SampleKey`, the default) or its class's (:class:`ClassKey`).
        epoch_length: see :class:`monai.engines.Trainer`, and so for everything that follows.
        non_blocking: copy batches asynchronously.
        postprocessing: transforms of the decollated output.
        key_train_metric: Ignite metric of the protected images.
        additional_metrics: more of them.
        metric_cmp_fn: whether a value of the key metric is better than the best so far; lower is better by default.
        train_handlers: Ignite handlers.
        amp: run the surrogate's forward pass under autocast during delta steps; deltas stay float32.
        event_names: additional events; the list is not changed.
        event_to_attr: see Ignite.
        decollate: decollate batch and output after every iteration.
        amp_kwargs: arguments of ``torch.autocast``.

    Raises:
        ValueError: the perturbation needs a surrogate and none is given.
    """

    def __init__(
        self,
        *,
        device: torch.device | str,
        max_epochs: int,
        train_data_loader: Iterable[Any],
        perturbation: Perturbation,
        store: DeltaStore,
        surrogate: Surrogate | None = None,
        key: KeyFunction | None = None,
        epoch_length: int | None = None,
        non_blocking: bool = False,
        postprocessing: Callable[..., Any] | None = None,
        key_train_metric: dict[str, Any] | None = None,
        additional_metrics: dict[str, Any] | None = None,
        metric_cmp_fn: Callable[[Any, Any], bool] = lower_is_better,
        train_handlers: Sequence[Any] | None = None,
        amp: bool = False,
        event_names: Sequence[Any] | None = None,
        event_to_attr: dict[Any, str] | None = None,
        decollate: bool = True,
        amp_kwargs: dict[str, Any] | None = None,
    ) -> None:
        if perturbation.needs_surrogate and surrogate is None:
            raise ValueError(f"{perturbation.name} computes deltas against a surrogate; give surrogate=Surrogate(...).")
        # Handlers attach inside super().__init__, so everything that they may look at is set before it.
        self.perturbation = perturbation
        self.store = store
        self.surrogate = surrogate
        self.key: KeyFunction = SampleKey() if key is None else key
        self.fit = SurrogateFit()
        self._once = EachSampleOnce()
        super().__init__(
            device=device,
            max_epochs=max_epochs,
            data_loader=train_data_loader,
            epoch_length=epoch_length,
            non_blocking=non_blocking,
            postprocessing=postprocessing,
            key_metric=key_train_metric,
            additional_metrics=additional_metrics,
            metric_cmp_fn=metric_cmp_fn,
            handlers=[self.fit, self._once, *(train_handlers or ())],
            amp=amp,
            event_names=None if event_names is None else list(event_names),
            event_to_attr=event_to_attr,
            decollate=decollate,
            amp_kwargs=amp_kwargs,
        )

    def run(self) -> None:  # type: ignore[override]
        """Run to ``max_epochs``; called again, continue from the present state (nothing to do when that is reached)."""
        if self.state.epoch >= self.state.max_epochs:
            # Ignite would start such a run all over again, on deltas that are finished.
            self.logger.info("all %d passes are done already", self.state.epoch)
            return
        if self.surrogate is not None:
            self.surrogate.to(self.state.device)
        # Past Trainer.run, which only makes a gradient scaler: delta steps scale their loss themselves.
        Workflow.run(self)
        self.store.flush()

    def _iteration(self, engine: Any, batchdata: Any) -> dict[str, Tensor]:
        batch = unpack(batchdata, self.state.device, self.non_blocking)
        self._once.check(batch.names)
        keys, owner = _owners(self.key(batch.sample_ids, batch.label), batch)
        if owner is not None and isinstance(self.perturbation.budget, ImageBudgets):
            self.perturbation.budget.require_one_radius()
        stored = read_deltas(self.store, keys, batch)
        ids = tuple(batch.sample_ids)
        work = PerturbationBatch(batch.image, batch.label, stored, owner, ids, batch.patches, batch.window_levels)
        budget = self.perturbation.budget_of(work)
        budget.require_images(batch.image, batch.sample_ids)
        with self._frozen_surrogate() as surrogate:
            model = None if surrogate is None else partial(surrogate, **batch.network_arguments)
            with torch.autocast(self.state.device.type, enabled=self.amp, **self.amp_kwargs):
                improved = self.perturbation.improve(work, surrogate=model, on_step=self.fire_event)
            levels = to_levels(improved.float(), batch.image if owner is None else None, budget)
            self.store.write(keys, levels, batch.regions)
            engine.state.output = self._output(batch, work.apply(levels, budget), model)
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return engine.state.output  # type: ignore[no-any-return]

    def _frozen_surrogate(self) -> AbstractContextManager[Surrogate | None]:
        return nullcontext() if self.surrogate is None else self.surrogate.frozen()

    def _output(self, batch: ProtectionBatch, protected: Images, model: SurrogateModel | None) -> dict[str, Tensor]:
        output = {
            str(CommonKeys.IMAGE): batch.image,
            str(CommonKeys.LABEL): batch.label,
            DELTA: protected - batch.image,
        }
        objective = getattr(self.perturbation, "objective", None)
        if model is not None and isinstance(objective, Objective):
            with torch.no_grad():
                logits = model(protected)
            loss = objective.loss(logits, batch.label)
            self.fit.add(objective.error(logits, batch.label), loss)
            output |= {str(CommonKeys.PRED): logits, str(CommonKeys.LOSS): loss.mean()}
        return output


def _owners(keys: list[str], batch: ProtectionBatch) -> tuple[list[str], Tensor | None]:
    """Return the distinct keys in order, and the row of each image; None where every image has a delta of its own."""
    if keys == batch.sample_ids:
        return keys, None
    if batch.patches is not None:
        raise SourceError(
            f"sample {batch.sample_ids[0]!r}: is a patch of a larger image, and a delta that images share is for whole "
            "images. Give whole images, or deltas of their own (SampleKey)."
        )
    distinct = list(dict.fromkeys(keys))
    rows = {key: row for row, key in enumerate(distinct)}
    return distinct, torch.tensor([rows[key] for key in keys], device=batch.image.device)
