"""From files of several depths and of floats to a proved release and back, each image within its own budget."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray

from monai_unlearnable.budgets import L2Budget, LinfBudget
from monai_unlearnable.errors import SourceError
from monai_unlearnable.networks import small_resnet
from monai_unlearnable.release import read_manifest, restore_release, verify_release
from monai_unlearnable.sources import open_source
from monai_unlearnable.workflows import (
    ErrorMinimizingRecipe,
    ProtectReport,
    Recipe,
    SyntheticRecipe,
    TargetedAdversarialRecipe,
    protect,
)
from monai_unlearnable.workflows.summaries import describe_protection
from tests.sources.dicom.building import grey, write
from tests.sources.files import save
from tests.sources.test_nifti_file import save_nifti

SYNTHETIC = SyntheticRecipe(faint_share=1.0)
SMALL = (small_resnet,)


def road(source: Path, root: Path, **options: Any) -> ProtectReport:
    report = protect(source, output=root / "release", ledger=root / "ledger", **options)
    assert report.held, report.verification.failures
    again = verify_release(root / "release", root / "ledger")
    assert again.held and again.pixels == again.pixels_held
    assert verify_release(root / "release").held
    return report


def values(shape: tuple[int, ...], *, top: float, seed: int, dtype: str) -> NDArray[Any]:
    drawn: NDArray[Any] = np.random.default_rng(seed).random(shape) * top
    return drawn.astype(dtype)


def float_volumes(root: Path) -> Path:
    """Write floats of every format, with and without whole numbers, beside integers."""
    shape = (12, 13, 14)
    (root / "a").mkdir(parents=True)
    (root / "b").mkdir()
    odd = values(shape, top=1400.0, seed=0, dtype="float32")
    odd[0, 0, :6] = [-0.0, 0.0, 1e-42, 16000.123, -3.75, np.float32(2) ** -149]
    save_nifti(root / "a/odd.nii", odd, slope=0.25, inter=7.0)
    save_nifti(root / "b/wide.nii", values(shape, top=1.6e6, seed=1, dtype=">f8"), order=">")
    save_nifti(root / "a/whole.nii", np.rint(values(shape, top=900.0, seed=2, dtype="float32")))
    save_nifti(root / "b/bytes.nii", values(shape, top=255.0, seed=3, dtype="uint8"))
    for name, seed in (("a/meta.mha", 4), ("b/nearly.nrrd", 5)):
        image = SimpleITK.GetImageFromArray(values(shape, top=70.0, seed=seed, dtype="float32"))
        SimpleITK.WriteImage(image, str(root / name))
    return root


@pytest.fixture(scope="module")
def floats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("floats")
    road(float_volumes(root / "source"), root, recipe=SYNTHETIC, level_size=0.5)
    return root


def test_no_float_moves_further_than_its_own_radius(floats: Path) -> None:
    clean, released = open_source(floats / "source"), open_source(floats / "release")
    manifest = read_manifest(floats / "release")
    budgets, radii = manifest.fields.budgets.distinct, {}
    for file in manifest.files:
        (place,) = file.budgets
        radii[file.name] = budgets[place]
    for index, sample_id in enumerate(clean.sample_ids):
        before, after, budget = clean.read(index), released.read(index), radii[sample_id]
        assert after.dtype == before.dtype
        size = 0.5 if before.dtype.kind == "f" else 1.0
        assert budget.stored_level_size == size
        reach = Fraction(budget.radius_levels) * Fraction(size)
        pairs = zip(before.ravel()[::7].tolist(), after.ravel()[::7].tolist(), strict=True)
        assert all(abs(Fraction(two) - Fraction(one)) <= reach for one, two in pairs)
        moved = np.abs(after.astype(np.float64) - before.astype(np.float64))
        assert 0.99 * float(reach) - size < moved.max() <= float(reach)
        # By NumPy alone: 8/255 of the robust range of the nearest levels.
        if before.dtype != np.uint8:
            levels = np.rint(before.astype(np.float64) / size)
            low, high = np.percentile(levels[levels > levels.min()], [0.5, 99.5], method="inverted_cdf")
            assert budget.radius_levels == pytest.approx((high - low) * 8 / 255, abs=0.1)
    assert radii["a/odd.nii"].radius_in_unit == radii["a/odd.nii"].radius_levels * 0.5 * 0.25
    assert radii["b/bytes.nii"].radius_in_unit == 8


def test_headers_of_floats_stay(floats: Path) -> None:
    for name in ("a/odd.nii", "b/wide.nii"):
        before, after = ((floats / where / name).read_bytes() for where in ("source", "release"))
        assert before[:352] == after[:352] and before != after


def test_floats_come_back_bit_for_bit(floats: Path, tmp_path: Path) -> None:
    report = restore_release(floats / "release", floats / "ledger", tmp_path / "back")
    assert report.held and report.images == 6
    for path in sorted((floats / "source").rglob("*.*")):
        assert (tmp_path / "back" / path.relative_to(floats / "source")).read_bytes() == path.read_bytes(), path.name


def test_residuals_are_kept_only_where_rounding_took_something(floats: Path) -> None:
    ledger = json.loads((floats / "ledger/ledger.json").read_text())
    kept = {file["name"]: file["samples"][0]["residual_sha256"] != "" for file in ledger["files"]}
    assert not kept["a/whole.nii"] and not kept["b/bytes.nii"] and kept["a/odd.nii"]
    residuals = list((floats / "ledger/residuals").iterdir())
    assert len(residuals) == sum(kept.values())
    assert all(one.stat().st_mode & 0o777 == 0o600 for one in residuals)


@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
def test_a_damaged_residual_is_named(floats: Path, tmp_path: Path, damage: str) -> None:
    ledger = tmp_path / "ledger"
    shutil.copytree(floats / "ledger", ledger)
    for one in (ledger / "residuals").iterdir():
        content = one.read_bytes()
        if damage == "missing":
            one.unlink()
        else:
            one.write_bytes(content[:-9] if damage == "cut" else _other(content))
    verified = verify_release(floats / "release", ledger)
    for report in (verified, restore_release(floats / "release", ledger, tmp_path / "back")):
        assert {one.file for one in report.failures} >= {"a/odd.nii"}
        assert "b/bytes.nii" not in {one.file for one in report.failures}
        for failure in report.failures:
            assert "what brings back every bit of" in failure.reason
            assert ("was changed; the ledger" if damage == "changed" else "cannot be read (") in failure.reason


def _other(content: bytes) -> bytes:
    import zlib

    plain = bytearray(zlib.decompress(content))
    plain[0] ^= 1
    return zlib.compress(bytes(plain))


def test_verify_sees_a_float_beyond_its_delta(floats: Path, tmp_path: Path) -> None:
    """Another level size in the ledger than the files were made with proves nothing."""
    ledger = tmp_path / "ledger"
    shutil.copytree(floats / "ledger", ledger)
    content = json.loads((ledger / "ledger.json").read_text())
    for one in content["budgets"]:
        one["stored_level_size"] *= 0.5
    (ledger / "ledger.json").write_text(json.dumps(content))
    failed = {one.file for one in verify_release(floats / "release", ledger).failures}
    assert failed == {"a/odd.nii", "a/whole.nii", "a/meta.mha", "b/nearly.nrrd", "b/wide.nii"}


def test_floats_without_a_level_size_are_refused_at_once(tmp_path: Path) -> None:
    source = float_volumes(tmp_path / "source")
    text = r"^a/meta\.mha: holds float32 values that are not whole .* --level-size 0\.07 or level_size=0\.07 gives this"
    with pytest.raises(SourceError, match=text):
        protect(source, output=tmp_path / "release", ledger=tmp_path / "ledger", recipe=SYNTHETIC)
    assert not (tmp_path / "release").exists() and not (tmp_path / "ledger").exists()


def test_nan_is_refused(tmp_path: Path) -> None:
    source = float_volumes(tmp_path / "source")
    broken = values((12, 13, 14), top=9.0, seed=0, dtype="float32")
    broken[1, 2, 3] = np.nan
    save_nifti(source / "a/broken.nii", broken)
    with pytest.raises(SourceError, match=r"broken\.nii: 1 of 2184 values are NaN or infinite, which no delta can be"):
        protect(source, output=tmp_path / "r", ledger=tmp_path / "l", recipe=SYNTHETIC, level_size=0.5)


def shallow_and_deep_pictures(root: Path) -> Path:
    for number in range(4):
        generator = np.random.default_rng(number)
        for name, top, dtype in (("flat", 255, np.uint8), ("deep", 2000 + 9000 * number, np.uint16)):
            image = generator.integers(1, top, (28, 28))
            image[:, 14 * (number % 2) : 14 * (number % 2) + 14] //= 2
            save(root / "ab"[number % 2] / f"{name}{number}.png", image.astype(dtype))
    return root


METHODS: dict[str, Recipe] = {
    "synthetic": SYNTHETIC,
    "error_minimizing": ErrorMinimizingRecipe(networks=SMALL, max_rounds=1, steps=3, faint_share=1.0),
    "targeted_adversarial": TargetedAdversarialRecipe(networks=SMALL, surrogate_epochs=1, steps=3),
}


@pytest.mark.parametrize("norm", [LinfBudget, L2Budget])
@pytest.mark.parametrize("method", sorted(METHODS))
def test_shallow_beside_deep_pictures(method: str, norm: type[LinfBudget | L2Budget], tmp_path: Path) -> None:
    source = shallow_and_deep_pictures(tmp_path / "source")
    report = road(source, tmp_path, recipe=METHODS[method], norm=norm, radius="8/255" if norm is LinfBudget else "1")
    clean, released = open_source(source), open_source(tmp_path / "release")
    for index in range(len(clean)):
        before, after = clean.read(index).astype(np.int64), released.read(index).astype(np.int64)
        width = 255.0
        if clean.dtype(index) == np.uint16:
            low, high = np.percentile(before[before > 0], [0.5, 99.5], method="inverted_cdf")
            width = high - low
        delta = after - before
        reached = np.abs(delta).max() if norm is LinfBudget else np.sqrt((delta**2).sum())
        radius = width * (8 / 255 if norm is LinfBudget else 1.0)
        assert 0.2 * radius < reached <= radius
    smallest, largest = report.radii.levels
    assert smallest == (8 if norm is LinfBudget else 255) and largest > 8 * smallest
    text = describe_protection(report, tmp_path / "release", tmp_path / "ledger")
    share = " (3.1 % of the range of each image)" if norm is LinfBudget else ""
    shown = f"{largest:.0f}" if largest > 9999 else f"{largest:.4g}"
    assert f"= {smallest:g} to {shown} levels{share}, in " in text
    restore_release(tmp_path / "release", tmp_path / "ledger", tmp_path / "back")
    back = open_source(tmp_path / "back")
    assert all(np.array_equal(back.read(index), clean.read(index)) for index in range(len(clean)))


def test_verify_knows_which_budget_an_image_has(tmp_path: Path) -> None:
    source = shallow_and_deep_pictures(tmp_path / "source")
    road(source, tmp_path, recipe=SYNTHETIC)
    path = tmp_path / "ledger/ledger.json"
    content = json.loads(path.read_text())
    place = next(one for one in content["files"] if one["name"] == "b/deep3.png")["samples"][0]["budget"]
    flat = next(one for one in content["files"] if one["name"] == "b/flat3.png")["samples"][0]["budget"]
    assert place != flat
    for one in content["files"]:
        for sample in one["samples"]:
            sample["budget"] = flat if sample["budget"] == place else sample["budget"]
    path.write_text(json.dumps(content))
    failures = verify_release(tmp_path / "release", tmp_path / "ledger").failures
    assert {one.file for one in failures} == {"b/deep3.png"}
    assert any("the budget is 8" in one.reason for one in failures)


def test_ct_of_two_slopes_keeps_to_one_radius_in_hu(tmp_path: Path) -> None:
    for number in range(4):
        slope = (0.5, 1.0)[number // 2]
        cells = grey(rows=24, columns=24, seed=number, top=1500) + np.uint16(900)
        path = tmp_path / "source" / "ab"[number % 2] / f"{number}.dcm"
        write(path, cells, BitsStored=12, RescaleSlope=slope, RescaleIntercept=-1024)
    report = road(tmp_path / "source", tmp_path, recipe=SYNTHETIC, radius="10 HU")
    clean, released = open_source(tmp_path / "source"), open_source(tmp_path / "release")
    for index, slope in enumerate((0.5, 1.0, 0.5, 1.0)):
        change = np.abs(released.read(index).astype(np.int64) - clean.read(index).astype(np.int64)).max()
        assert change * slope == 10
    assert (report.radii.levels, report.radii.unit_sizes, report.radii.unit) == ((10, 20), (10, 10), "HU")
    budgets = read_manifest(tmp_path / "release").fields.budgets
    found = [(one.radius_levels, one.radius_in_unit, one.unit) for one in budgets.distinct]
    assert found == [(10, 10, "HU"), (20, 10, "HU")]
    assert (budgets.radius_given, budgets.norm) == ("10 HU", "linf")


def test_sixteen_bit_arrays_of_one_file_have_a_budget_each(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    images = np.stack([generator.integers(1, 600 * (one + 1), (28, 28)) for one in range(4)]).astype(np.uint16)
    labels = np.array([[0], [1], [0], [1]], dtype=np.uint8)
    arrays: dict[str, Any] = {
        "train_images": images,
        "train_labels": labels,
        "val_images": images,
        "val_labels": labels,
    }
    source = tmp_path / "set.npz"
    np.savez(source, **arrays)
    road(source, tmp_path / "out", recipe=SYNTHETIC)
    manifest = read_manifest(tmp_path / "out/release")
    assert manifest.files[0].budgets == (0, 1, 2, 3) and len(manifest.fields.budgets.distinct) == 4
    with np.load(tmp_path / "out/release/set.npz", allow_pickle=False) as released:
        change = np.abs(released["train_images"].astype(np.int64) - images.astype(np.int64)).reshape(4, -1).max(1)
    assert [int(one.radius_levels) for one in manifest.fields.budgets.distinct] == change.tolist()


def test_the_same_run_is_taken_up_and_another_level_size_is_not(tmp_path: Path) -> None:
    from monai_unlearnable.errors import LedgerError, ReleaseError

    source = float_volumes(tmp_path / "source")
    places: dict[str, Any] = {"output": tmp_path / "release", "ledger": tmp_path / "ledger", "recipe": SYNTHETIC}
    assert protect(source, level_size=0.5, **places).held
    with pytest.raises(ReleaseError, match="nothing is left to do"):
        protect(source, level_size=0.5, **places)
    (tmp_path / "release").rename(tmp_path / "shared")
    with pytest.raises(LedgerError, match=r"level_size is 0\.5 there and 0\.25 here"):
        protect(source, level_size=0.25, **places)
    kept = (tmp_path / "ledger/deltas/deltas.bin").read_bytes()
    with pytest.raises(LedgerError, match=r"its run is finished, and its release is no longer at .* Move it back"):
        protect(source, level_size=0.5, **places)
    assert (tmp_path / "ledger/deltas/deltas.bin").read_bytes() == kept
    assert restore_release(tmp_path / "shared", tmp_path / "ledger", tmp_path / "back").held
