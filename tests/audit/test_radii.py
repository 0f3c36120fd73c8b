"""The audit's check of each image against the radius that the manifest says for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from monai_unlearnable.audit.facts import ReleaseFacts, read_facts, read_radii
from monai_unlearnable.audit.fidelity import measure_fidelity
from monai_unlearnable.audit.pairing import open_data
from monai_unlearnable.audit.selfchecks import Check, check_release
from tests.sources.test_nifti_file import save_nifti

NAME = "No pixel differs by more than the radius in the manifest"


def budget(radius: float, **fields: Any) -> dict[str, Any]:
    return {"norm": "linf", "radius_levels": radius, **fields}


def images() -> dict[str, NDArray[Any]]:
    generator = np.random.default_rng(0)
    found: dict[str, NDArray[Any]] = {}
    for number, label in enumerate("abab"):
        found[f"{label}/{number}.nii"] = generator.integers(20, 200, (4, 5, 6)).astype(np.uint8)
    found["a/float.nii"] = generator.random((4, 5, 6)).astype(np.float32)
    found["b/deep.nii"] = generator.integers(0, 9000, (4, 5, 6)).astype(np.int16)
    return found


def written(root: Path, changes: dict[str, float], **manifest: Any) -> Check:
    """Write a release in which each image differs by so much, and return the check."""
    for name, image in images().items():
        for where, change in (("clean", 0), ("release", changes.get(name, 3))):
            (root / where / name).parent.mkdir(parents=True, exist_ok=True)
            save_nifti(root / where / name, (image + image.dtype.type(change)).astype(image.dtype))
    places = {"a/float.nii": 1, "b/deep.nii": 2}
    content = {
        "budgets": [budget(3), budget(5, stored_level_size=0.5), budget(300.5)],
        "files": [{"name": name, "budgets": [places.get(name, 0)]} for name in images()],
    }
    (root / "release/manifest.json").write_text(json.dumps(content | manifest))
    data = open_data(root / "release", clean=root / "clean")
    fidelity = measure_fidelity(data.release, data.clean, data.pairs)
    return next(one for one in check_release(data, fidelity, read_facts(root / "release")) if one.name == NAME)


WITHIN = {"a/float.nii": 2.25, "b/deep.nii": 300}


def test_each_image_is_compared_with_its_own_radius(tmp_path: Path) -> None:
    found = written(tmp_path, WITHIN)
    assert found.held and found.detail == "6 images compared, each with its own radius; 0 beyond it"
    facts = read_facts(tmp_path / "release")
    assert (facts.norm, facts.smallest_radius_levels, facts.radius_levels) == ("linf", 3, 300.5)


@pytest.mark.parametrize(
    ("name", "change", "text"),
    [
        ("a/0.nii", 4, r"1 beyond it, such as 'a/0.nii' (4, radius 3)"),
        ("a/float.nii", 2.75, r"1 beyond it, such as 'a/float.nii' (2.75, radius 2.5)"),
        ("b/deep.nii", 301, r"1 beyond it, such as 'b/deep.nii' (301, radius 300.5)"),
    ],
)
def test_an_image_beyond_its_own_radius_is_named(name: str, change: float, text: str, tmp_path: Path) -> None:
    found = written(tmp_path, WITHIN | {name: change})
    assert not found.held and found.detail.endswith(text)


def test_images_without_a_radius_are_named(tmp_path: Path) -> None:
    found = written(tmp_path, WITHIN, files=[{"name": name, "budgets": [0]} for name in ("a/0.nii", "b/1.nii")])
    assert not found.held
    assert found.detail.startswith("2 images compared, each with its own radius; 0 beyond it; 4 have none in the")


@pytest.mark.parametrize(
    "manifest",
    [
        {"files": 3, "budgets": []},
        {"budgets": [budget(8)], "files": [{"name": "a", "budgets": [1]}, {"name": "b", "budgets": [True]}, 7]},
        {
            "budgets": ["x", budget(8)],
            "files": [{"name": "a", "budgets": [0]}, {"name": 3, "budgets": [0]}],
        },
        {"budgets": [budget(8, stored_level_size="1")], "files": [{"name": "a", "budgets": [0]}, {"budgets": [0]}]},
        {"budgets": [budget(float("inf"))], "files": [{"name": "a", "budgets": [0]}, {"name": "b", "budgets": "0"}]},
    ],
)
def test_a_hostile_manifest_says_nothing(manifest: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert read_radii(tmp_path) == {}


def test_slices_and_arrays_have_the_radius_of_their_volume_and_image(tmp_path: Path) -> None:
    files = [
        {"name": "ct/1.dcm", "volume": "ct", "budgets": [1]},
        {"name": "ct/2.dcm", "volume": "ct", "budgets": [1]},
        {"name": "set.npz", "volume": "", "budgets": [0, 1, 0]},
        {"name": "labels.csv", "budgets": []},
    ]
    (tmp_path / "manifest.json").write_text(json.dumps({"budgets": [budget(8), budget(9.5)], "files": files}))
    assert read_radii(tmp_path) == {"ct": (9.5,), "set.npz": (8, 9.5, 8)}
    assert read_facts(tmp_path / "set.npz").radius_levels == 9.5
    assert read_facts(tmp_path / "nothing/here") == ReleaseFacts()
