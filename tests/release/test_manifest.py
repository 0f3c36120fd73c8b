from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monai_unlearnable.errors import ReleaseError
from monai_unlearnable.release import (
    Manifest,
    ManifestFields,
    ManifestFile,
    ReleaseBudget,
    ReleaseBudgets,
    read_manifest,
)
from tests.release.building import SEED, built_folders, built_npz

BUDGET = ReleaseBudget(norm="linf", radius_levels=8.0, low_level=0, high_level=255)
BUDGETS = ReleaseBudgets(distinct=(BUDGET,), radius_given="8/255")


def _manifest(**fields: Any) -> Manifest:
    return Manifest(
        fields=ManifestFields(method="synthetic", budgets=BUDGETS, **fields),
        task="single_label",
        class_names=("a", "b"),
        format="png",
        protected_array="",
        files=(
            ManifestFile("a/x.png", "0" * 64, 1, "jpeg", True, "png", budgets=(0,)),
            ManifestFile("labels.csv", "1" * 64, 0, "csv", False, "csv"),
        ),
    )


def test_json_round_trip() -> None:
    manifest = _manifest(configuration={"steps": 20, "blocks": [4, 4]}, statements=("Made for teaching.",))
    assert Manifest.from_json(manifest.to_json()) == manifest
    value = json.loads(manifest.to_json())
    assert value["counts"] == {"files": 2, "images": 1, "converted_files": 1}
    assert any("not de-identification" in one for one in value["statements"])
    assert value["statements"][-1] == "Made for teaching."


def test_nothing_private_leaves_the_house(tmp_path: Path) -> None:
    for name, build in (("folders", built_folders), ("npz", built_npz)):
        (tmp_path / name).mkdir()
        built = build(tmp_path / name)
        built.write()
        ledger = json.loads((built.ledger / "ledger.json").read_text())
        assert ledger["configuration"]["seed"] == SEED
        secrets = [str(SEED), "seed", str(tmp_path), tmp_path.name, str(built.source_path), "surrogate", "ledger"]
        secrets += [one["original_sha256"] for file in ledger["files"] for one in file["samples"]]
        secrets += [file["source_sha256"] for file in ledger["files"]]
        for path in built.release.rglob("*"):
            if path.is_file():
                data = path.read_bytes().lower()
                found = [one for one in secrets if one.lower().encode() in data]
                assert not found, f"{path.name} tells {found}"


@pytest.mark.parametrize(
    "configuration",
    [
        {"seed": 0},
        {"random_seed": 0},
        {"outer": {"Seeds": [1, 2]}},
        {"source_path": "x"},
        {"surrogate_steps": 3},
        {"list": [{"ledger": 1}]},
        {"note": "/data/hospital/set"},
        {"note": "see ~/set"},
        {"note": "C:\\data"},
        {"note": "file:///data"},
        {"note": Path("x")},
    ],
)
def test_refuses_private_settings(configuration: dict[str, Any]) -> None:
    with pytest.raises(ReleaseError, match=r"keep it in the ledger|is no JSON value"):
        ManifestFields(method="m", budgets=BUDGETS, configuration=configuration)


def test_keeps_harmless_settings() -> None:
    ManifestFields(
        method="m",
        budgets=BUDGETS,
        configuration={
            "radius": "8/255",
            "resource": 1,
            "pathology": "x",
            "hosting": None,
            "url": "https://monai.io/a",
        },
    )
    with pytest.raises(ReleaseError, match="names a place on this machine"):
        ManifestFields(method="m", budgets=BUDGETS, statements=("from /data/hospital",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"schema_version": 2},
            "is a manifest of version 2, and this package reads version 3. Use the version of this",
        ),
        ({"schema_version": "3"}, r"\$\.schema_version"),
        ({"seed": 0}, "'seed' was unexpected"),
        ({"configuration": {"seed": 0}}, "not for the public"),
        ({"files": []}, r"\$\.files"),
        ({"class_names": "ab"}, r"\$\.class_names"),
        ({"counts": {"files": 2, "images": 7, "converted_files": 1}}, "its counts"),
        ({"format": "jpeg"}, r"\$\.format"),
        ({"budgets": [{**BUDGET.to_dict(), "norm": "l1"}]}, r"\$\.budgets\[0\]\.norm"),
        ({"budgets": [{**BUDGET.to_dict(), "high_level": 0}]}, "is empty"),
        ({"budgets": [BUDGET.to_dict(), {**BUDGET.to_dict(), "norm": "l2"}]}, "all of one norm"),
        ({"budgets": []}, r"\$\.budgets"),
    ],
)
def test_refuses_what_breaks_the_schema(change: dict[str, Any], message: str) -> None:
    value = json.loads(_manifest().to_json())
    with pytest.raises(ReleaseError, match=message):
        Manifest.from_json(json.dumps({**value, **change}))


@pytest.mark.parametrize(
    "name", ["../x.png", "/etc/passwd", "a/../../x.png", "a\\x.png", "a//x.png", "manifest.json", "."]
)
def test_refuses_names_outside(name: str) -> None:
    value = json.loads(_manifest().to_json())
    value["files"][0]["name"] = name
    with pytest.raises(ReleaseError, match="leaves the release"):
        Manifest.from_json(json.dumps(value))


def test_refuses_names_twice_broken_json_and_absence(tmp_path: Path) -> None:
    value = json.loads(_manifest().to_json())
    value["files"][1]["name"] = value["files"][0]["name"]
    with pytest.raises(ReleaseError, match="is there twice"):
        Manifest.from_json(json.dumps(value))
    for text in ("{", "[" * 100_000, "null", "\x00"):
        with pytest.raises(ReleaseError, match=r"manifest\.json"):
            Manifest.from_json(text)
    with pytest.raises(ReleaseError, match=r"has no manifest\.json: an unfinished release"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_bytes(b"\xff\xfe")
    with pytest.raises(ReleaseError, match="cannot be read"):
        read_manifest(tmp_path)
