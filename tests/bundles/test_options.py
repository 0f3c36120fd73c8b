"""Missing and misspelt options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from monai.bundle import run

from monai_unlearnable.workflows.bundle_options import effective_settings
from tests.bundles.running import BUNDLES, CONFIGS, make_workflow, run_bundle


def refusal(capsys: pytest.CaptureFixture[str], *names: str, **overrides: Any) -> list[str]:
    with pytest.raises(SystemExit) as stop:
        run_bundle(*names, **overrides)
    assert stop.value.code == 2
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("name", "required"),
    [("protect", ["dataset", "output", "ledger"]), ("audit", ["dataset", "release", "output"])],
)
def test_missing_options_are_named(name: str, required: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys, name) == [f"--{one} is missing: give it a value." for one in required]


@pytest.mark.parametrize(
    ("name", "overrides", "hint"),
    [
        ("protect", {"raduis": "4/255"}, "--raduis: nothing in this configuration uses it. Did you mean --radius?"),
        ("protect", {"zzz": 1}, "--zzz: nothing in this configuration uses it."),
        ("audit", {"seed": 1}, "--seed: nothing in this configuration uses it. Did you mean --seeds?"),
        ("protect", {"extra": {"inner": 1}}, "--extra#inner: nothing in this configuration uses it."),
    ],
)
def test_misspelt_options_are_refused(
    name: str, overrides: dict[str, Any], hint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = dict.fromkeys(("dataset", "output", "release" if name == "audit" else "ledger"), tmp_path / "absent")
    assert refusal(capsys, name, **paths, **overrides) == [hint]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "overrides", [{"report#seeds": 1}, {"first_seed": 4}, {"mine": 8, "victims#0#epochs": "@mine"}]
)
def test_what_a_configuration_uses_is_left_alone(
    overrides: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workflow = make_workflow("audit", dataset="a", release="b", output="c", **overrides)
    workflow.parser["run"] = workflow.parser["run"][:1]
    workflow.initialize()
    workflow.run()
    assert capsys.readouterr().err == ""


@pytest.mark.filterwarnings("ignore:parsing config_file")
@pytest.mark.parametrize(
    ("second", "override", "section"),
    [
        ("robust", "perturbation#steps", "perturbation"),
        ("generator", "faint_share", "faint_share"),
        ("targeted", "start#seed", "start"),
        ("synthetic", "networks#0#_target_", "networks"),
    ],
)
def test_an_override_of_what_another_file_replaces_is_refused(
    second: str, override: str, section: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides: dict[str, Any] = {name: str(tmp_path / name) for name in ("dataset", "output", "ledger")}
    with pytest.raises(SystemExit) as stop:
        run(config_file=[str(CONFIGS / f"{name}.yaml") for name in ("protect", second)], **overrides | {override: 1})
    assert stop.value.code == 2
    said = f"--{override}: this run does not use '{section}'; another configuration file replaces it."
    assert said in capsys.readouterr().err.splitlines()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"suite": "bogus"}, "--suite: 'bogus' is none of quick, standard, full."),
        ({"countermeasures": ["jpeg:500"]}, "--countermeasures: countermeasure 'jpeg:500': quality=500: from 1 to 100"),
        ({"countermeasures": "grey"}, """--countermeasures: 'grey' is no list; write "['grey']"."""),
        ({"extras": ["all"]}, "--extras: 'all' is none of detector, authorised-use, membership."),
    ],
)
@pytest.mark.parametrize("bundle", ["classification", "segmentation", "volume"])
def test_an_audit_that_is_not_understood_says_why(
    bundle: str, overrides: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = BUNDLES / f"{bundle}_protection"
    (line,) = refusal(capsys, "audit", bundle=folder, dataset="a", release="b", output="c", **overrides)
    assert line.startswith(said)


@pytest.mark.parametrize("name", ["train", "inference"])
def test_networks_need_data(name: str) -> None:
    with pytest.raises(SystemExit, match="--dataset_dir is missing: give it a "):
        run_bundle(name)


def test_inference_says_that_no_file_matches(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no file in --dataset_dir matches --pattern"):
        run_bundle("inference", dataset_dir=tmp_path)


def test_settings_are_found_only_from_a_configuration() -> None:
    with pytest.raises(RuntimeError, match="only inside an expression of a MONAI configuration"):
        effective_settings()
