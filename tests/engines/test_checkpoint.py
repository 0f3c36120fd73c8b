"""A killed run goes on to the very bytes of a run that was not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import pytest
import torch
from ignite.engine import Events

from monai_unlearnable.engines import SaveProtection, StopWhenFitted
from monai_unlearnable.errors import StoreError
from monai_unlearnable.stores import MappedStore
from tests.engines.small_run import Run, header

PASSES = 4


def saver(folder: Path, run: Run, *, every: int = 1) -> SaveProtection:
    assert isinstance(run.store, MappedStore)
    items = {"surrogate": run.surrogate, "optimizer": run.trainer.optimizer, "trainer": run.trainer}
    return SaveProtection(folder / "checkpoint", store=run.store, save_dict=items, every=every)


def make_run(
    folder: Path, *, every: int = 1, handlers: Sequence[Any] = (), **settings: Any
) -> tuple[Run, SaveProtection]:
    made: list[SaveProtection] = []

    def build(run: Run) -> Sequence[Any]:
        made.append(saver(folder, run, every=every))
        return [*handlers, made[0]]

    run = Run(folder=folder / "store", max_epochs=PASSES, handlers=build, **settings)
    return run, made[0]


def finished(folder: Path, **settings: Any) -> bytes:
    run, _ = make_run(folder, **settings)
    run.engine.run()
    return data_of(run)


def data_of(run: Run) -> bytes:
    assert isinstance(run.store, MappedStore)
    return run.store.data_path.read_bytes()


def kill_in_pass(run: Run, *, iteration: int, how: Any) -> None:
    run.engine.add_event_handler(Events.ITERATION_COMPLETED(once=iteration), how)


def interrupt(_: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("iteration", [1, 3, 5, 8, 11])
def test_interrupted_run_resumes_to_the_same_bytes(tmp_path: Path, iteration: int) -> None:
    expected = finished(tmp_path / "whole")
    run, _ = make_run(tmp_path / "killed")
    kill_in_pass(run, iteration=iteration, how=interrupt)
    with pytest.raises(KeyboardInterrupt):
        run.engine.run()
    assert data_of(run) != expected
    again, save = make_run(tmp_path / "killed")
    assert save.load(again.engine) == (iteration - 1) // 3
    again.engine.run()
    assert again.engine.state.epoch == PASSES
    assert data_of(again) == expected


@pytest.mark.parametrize("every", [2, 3])
def test_saves_every_so_often(tmp_path: Path, every: int) -> None:
    expected = finished(tmp_path / "whole")
    run, _ = make_run(tmp_path / "killed", every=every)
    kill_in_pass(run, iteration=12, how=interrupt)
    with pytest.raises(KeyboardInterrupt):
        run.engine.run()
    again, save = make_run(tmp_path / "killed", every=every)
    assert save.load(again.engine) == 3 // every * every
    again.engine.run()
    assert data_of(again) == expected


KILLED_RUN = """
import os, sys
from pathlib import Path
import torch
from tests.engines.test_checkpoint import kill_in_pass, make_run

torch.set_num_threads(1)
run, _ = make_run(Path(sys.argv[1]))
kill_in_pass(run, iteration=8, how=lambda _: os._exit(7))
run.engine.run()
"""


def test_killed_process_resumes_to_the_same_bytes(tmp_path: Path, repository: Path) -> None:
    expected = finished(tmp_path / "whole")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(repository)}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_RUN, str(tmp_path / "killed")], env=environment, cwd=repository, check=False
    )
    assert killed.returncode == 7
    again, save = make_run(tmp_path / "killed")
    assert data_of(again) != expected
    assert save.load(again.engine) == 2
    again.engine.run()
    assert data_of(again) == expected


def test_run_that_is_killed_while_it_is_taken_up_can_be_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(source: IO[bytes], target: IO[bytes]) -> None:
        target.write(source.read(100))
        target.flush()
        raise KeyboardInterrupt

    expected = finished(tmp_path / "whole")
    run, _ = make_run(tmp_path / "killed")
    kill_in_pass(run, iteration=8, how=interrupt)
    with pytest.raises(KeyboardInterrupt):
        run.engine.run()
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", killed)
        again, save = make_run(tmp_path / "killed")
        with pytest.raises(KeyboardInterrupt):
            save.load(again.engine)
    again, save = make_run(tmp_path / "killed")
    assert save.load(again.engine) == 2
    again.engine.run()
    assert data_of(again) == expected


def test_finished_run_is_not_started_again(tmp_path: Path) -> None:
    expected = finished(tmp_path)
    again, save = make_run(tmp_path)
    assert save.load(again.engine) == PASSES
    again.engine.run()
    assert (again.engine.state.epoch, again.trainer.state.epoch) == (PASSES, PASSES)
    assert data_of(again) == expected


def test_run_that_stopped_early_stays_stopped(tmp_path: Path) -> None:
    stop = StopWhenFitted(0.99, min_epochs=2)
    expected = finished(tmp_path, handlers=[stop])
    again, save = make_run(tmp_path, handlers=[stop])
    assert save.load(again.engine) == 2
    again.engine.run()
    assert again.engine.state.epoch == 2
    assert data_of(again) == expected


def test_nothing_to_load(tmp_path: Path) -> None:
    run, save = make_run(tmp_path)
    assert save.load(run.engine) == 0
    assert run.engine.state.epoch == 0


def test_one_private_checkpoint_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    (folder / ".unfinished-1").mkdir(parents=True)
    finished(tmp_path)
    assert [path.name for path in folder.iterdir()] == [f"pass-{PASSES:06d}"]
    assert (folder / f"pass-{PASSES:06d}").stat().st_mode & 0o077 == 0


def test_checkpoint_is_read_without_unpickling_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(tmp_path)
    seen: list[bool] = []
    load = torch.load

    def spy(*args: Any, **kwargs: Any) -> Any:
        seen.append(kwargs["weights_only"])
        return load(*args, **kwargs)

    monkeypatch.setattr(torch, "load", spy)
    run, save = make_run(tmp_path)
    save.load(run.engine)
    assert seen == [True]


def test_checkpoint_of_another_store_is_refused(tmp_path: Path) -> None:
    finished(tmp_path)
    run, save = make_run(tmp_path)
    other = MappedStore.create(tmp_path / "other", replace(header(), seed=7))
    save.store = other
    with pytest.raises(StoreError, match=r"pass-000004: was made for another store: .* another seed: it has 0, .* 7"):
        save.load(run.engine)
    assert not bool(other.read(other.keys).any())


def test_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    expected = finished(tmp_path)
    os.truncate(tmp_path / "checkpoint" / f"pass-{PASSES:06d}" / "deltas.bin", 100)
    run, save = make_run(tmp_path)
    with pytest.raises(StoreError, match=r"deltas\.bin: is not as long as the store's own file"):
        save.load(run.engine)
    assert data_of(run) == expected


def test_refuses_to_save_never(tmp_path: Path) -> None:
    run, _ = make_run(tmp_path)
    with pytest.raises(ValueError, match="every=0: counts from 1"):
        saver(tmp_path, run, every=0)
