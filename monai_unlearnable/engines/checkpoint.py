"""A resumable run: deltas and surrogate of the same moment, in one folder that is whole or absent."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from monai_unlearnable.errors import StoreError
from monai_unlearnable.stores import MappedStore, StoreHeader

__all__ = ["SaveProtection"]

_LOGGER = logging.getLogger(__name__)
_STATE_NAME = "state.pt"
_DELTAS_NAME = "deltas.bin"


class SaveProtection:
    """Saves before the first and after every pass, and brings a killed run back to the end of its last whole pass.

    A killed pass leaves deltas of two passes side by side in the store; going on from them would not give what an
    uninterrupted run gives. So the deltas are saved together with the surrogate, and :meth:`load` puts both back.
    Attach it after :class:`StopWhenFitted`, so that an early stop is saved with the pass that it ended.

    Args:
        directory: private folder for the checkpoints; the newest one is kept.
        store: the deltas.
        save_dict: what has a ``state_dict`` and belongs to the run: surrogate, optimizer, trainer, scheduler.
        every: save after every ``every``-th pass.
    """

    def __init__(
        self, directory: str | Path, *, store: MappedStore, save_dict: Mapping[str, Any], every: int = 1
    ) -> None:
        if every < 1:
            raise ValueError(f"every={every}: counts from 1.")
        self.directory = Path(directory)
        self.store = store
        self.save_dict = dict(save_dict)
        self.every = every

    def attach(self, engine: Engine) -> None:
        """Save before the first pass, which may be killed like any other, and at the end of passes."""
        engine.add_event_handler(Events.STARTED, self._save_start)
        engine.add_event_handler(Events.EPOCH_COMPLETED(every=self.every), self)

    def _save_start(self, engine: Any) -> None:
        if engine.state.epoch == 0:
            self(engine)

    def __call__(self, engine: Any) -> None:
        """Write the checkpoint of this pass, then remove older ones."""
        self._write(engine, engine.state.epoch, name=f"pass-{engine.state.epoch:06d}")

    def save_before_pass(self, engine: Any, *, step: int) -> None:
        """Save in the middle of what comes before the deltas of the pass that has started, such as a long training.

        Args:
            engine: has started a pass, and written no delta in it.
            step: how far that is; later checkpoints have larger numbers.
        """
        done = engine.state.epoch - 1
        self._write(engine, done, name=f"pass-{done:06d}-{step:06d}")

    def _write(self, engine: Any, done: int, *, name: str) -> None:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = self.directory / name
        for left_over in self.directory.glob(".unfinished-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        unfinished = self.directory / f".unfinished-{os.getpid()}"
        unfinished.mkdir(mode=0o700)
        self.store.flush()
        shutil.copyfile(self.store.data_path, unfinished / _DELTAS_NAME)
        state = {name: item.state_dict() for name, item in self.save_dict.items()}
        passed = {"engine_epoch": done, "finished": bool(engine.should_terminate)}
        # Through a Python file a full disk is an OSError; torch's own writer raises a bare RuntimeError.
        with (unfinished / _STATE_NAME).open("wb") as file:
            torch.save(passed | {"store": self.store.header.to_json(), "items": state}, file)
        for path in unfinished.iterdir():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        older = list(self.directory.glob("pass-*"))
        shutil.rmtree(target, ignore_errors=True)
        unfinished.rename(target)
        for path in older:
            if path != target:
                shutil.rmtree(path, ignore_errors=True)

    def load(self, engine: Any) -> int:
        """Restore the newest checkpoint into store, items and engine.

        Returns:
            The number of whole passes that are done: 0 without a checkpoint.

        Raises:
            StoreError: the checkpoint does not belong to this store.
        """
        found = sorted(self.directory.glob("pass-*"))
        if not found:
            return 0
        state = torch.load(found[-1] / _STATE_NAME, map_location=engine.state.device, weights_only=True)
        deltas = found[-1] / _DELTAS_NAME
        try:
            StoreHeader.from_json(state["store"]).require(self.store.header)
        except StoreError as error:
            raise StoreError(f"{found[-1]}: was made for another store: {error}") from error
        if deltas.stat().st_size != self.store.data_path.stat().st_size:
            raise StoreError(f"{deltas}: is not as long as the store's own file. It is damaged: start a new run.")
        # Written over in place: a store that was cut short by a kill in between could not be opened any more.
        with deltas.open("rb") as saved, self.store.data_path.open("rb+") as file:
            shutil.copyfileobj(saved, file)
        for name, item in self.save_dict.items():
            item.load_state_dict(state["items"][name])
        epoch = int(state["engine_epoch"])
        engine.state.epoch = epoch
        engine.state.iteration = epoch * (engine.state.epoch_length or 0)
        if state["finished"]:
            engine.state.max_epochs = epoch
        _LOGGER.info("resumed after pass %d", epoch)
        return epoch
