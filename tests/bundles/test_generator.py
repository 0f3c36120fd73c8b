"""generator.yaml says the same as the recipe, does the same, and takes an earlier run's generator."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from ignite.engine import Events

from monai_unlearnable.errors import LedgerError
from monai_unlearnable.perturbations import GeneratedDeltas
from monai_unlearnable.release import verify_release
from monai_unlearnable.workflows import GeneratorRecipe, load_generator, protect
from tests.bundles.running import BUNDLES, contents, make_workflow, recorded, run_bundle
from tests.small_data import write_npz

CONFIGS = ("protect", "generator")
QUICK: dict[str, Any] = {"recipe#epochs": 1, "recipe#pool": 1}
NETWORKS = {"generator_network", "networks", "dense_networks"}


@pytest.mark.parametrize("name", ["classification", "segmentation", "volume"])
def test_defaults_are_those_of_the_recipe(name: str) -> None:
    parser, recipe = make_workflow(*CONFIGS, bundle=BUNDLES / f"{name}_protection").parser, GeneratorRecipe()
    written = dict(parser["recipe"])
    assert written.pop("_target_") == "monai_unlearnable.workflows.GeneratorRecipe"
    for key, value in written.items():
        if isinstance(value, str):
            said = {"@generator": "generator", "@chosen_region": "region"}.get(value, value.removeprefix("@"))
            value = parser[said]
        assert value == getattr(recipe, key), key
    other = {"region", "dense_batch_size"} if name == "classification" else {"class_wise", "surrogate_batch_size"}
    assert {one.name for one in fields(recipe)} - NETWORKS - other == set(written)


def test_same_seed_gives_the_files_of_the_recipe_and_of_its_generator(npz: Path, tmp_path: Path) -> None:
    first, ledger = tmp_path / "first", tmp_path / "ledger"
    run_bundle(*CONFIGS, dataset=npz, output=first, ledger=ledger, seed=2**40 + 7, **QUICK)
    recipe = GeneratorRecipe(epochs=1, pool=1)
    protect(npz, output=tmp_path / "package", ledger=tmp_path / "other", recipe=recipe, seed=2**40 + 7)
    assert contents(first) == contents(tmp_path / "package")
    assert recorded(ledger) == recorded(tmp_path / "other") and verify_release(first, ledger).held
    run_bundle(*CONFIGS, dataset=npz, output=tmp_path / "again", ledger=tmp_path / "again_ledger", generator=ledger)
    assert contents(tmp_path / "again") == contents(first)
    own = replace(recipe, generator_ledger=ledger)
    protect(npz, output=tmp_path / "twice", ledger=tmp_path / "twice_ledger", recipe=own)
    assert contents(tmp_path / "twice") == contents(first)
    generated = load_generator(ledger)
    assert isinstance(generated, GeneratedDeltas) and generated.size_px is None


def test_a_ledger_without_a_generator(npz: Path, tmp_path: Path) -> None:
    run_bundle("protect", "synthetic", dataset=npz, output=tmp_path / "release", ledger=tmp_path / "ledger")
    places = {"output": tmp_path / "again", "ledger": tmp_path / "again_ledger", "generator": tmp_path / "ledger"}
    with pytest.raises(RuntimeError) as caught:
        run_bundle(*CONFIGS, dataset=npz, **places)
    causes: list[BaseException] = [caught.value]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    assert any(isinstance(one, LedgerError) and "this run kept no generator" in str(one) for one in causes)


def test_interrupted_run_goes_on_to_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npz = write_npz(tmp_path / "set.npz", train_per_class=4)
    monkeypatch.syspath_prepend(BUNDLES / "classification_protection")  # MONAI does so only in `run`
    places = {"output": tmp_path / "release", "ledger": tmp_path / "ledger"}
    options: dict[str, Any] = {"recipe#epochs": 6, "recipe#pool": 1, "recipe#surrogate_steps": 2}
    texts: dict[str, Any] = {name: str(path) for name, path in places.items()}
    broken = make_workflow(*CONFIGS, dataset=str(npz), seed=3, **texts, **options)
    engine, save = (broken.parser.get_parsed_content(name) for name in ("engine", "save"))
    trainer = save.save_dict["trainer"]
    trainer.state.max_epochs = 6

    def die(_: Any) -> None:
        raise KeyboardInterrupt

    trainer.add_event_handler(Events.EPOCH_STARTED(once=6), die)
    with pytest.raises(KeyboardInterrupt):
        engine.run()
    assert [one.name for one in save.directory.iterdir()] == ["pass-000000-000005"]
    broken.parser.get_parsed_content("protection").close()
    run_bundle(*CONFIGS, dataset=npz, seed=3, **places, **options)
    whole = tmp_path / "whole"
    run_bundle(*CONFIGS, dataset=npz, seed=3, output=whole, ledger=tmp_path / "whole_ledger", **options)
    assert contents(places["output"]) == contents(whole)
