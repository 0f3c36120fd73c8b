"""Deltas against a linear surrogate from files to proved files, on every kind of images that they are for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from monai_unlearnable.errors import SourceError
from monai_unlearnable.perturbations import Body
from monai_unlearnable.release import restore_release
from monai_unlearnable.sources import open_source
from monai_unlearnable.transforms import SurrogatePerturbation
from monai_unlearnable.workflows import LinearErrorMinimizingRecipe, ProtectReport, load_surrogate, protect
from tests.cli.running import write_pictures
from tests.small_data import class_images, write_npz
from tests.workflows.test_dense_road import pictures


def road(source: Path, root: Path, **settings: object) -> ProtectReport:
    recipe = LinearErrorMinimizingRecipe(**settings)  # type: ignore[arg-type]
    return protect(source, output=root / "release", ledger=root / "ledger", recipe=recipe, seed=3)


def _several_sizes(folder: Path) -> Path:
    write_pictures(folder)
    return write_pictures(folder, size_px=15, per_class=3)


def _volumes(folder: Path) -> Path:
    images, labels = class_images(per_class=4, size_px=14)
    folder.mkdir()
    np.savez(
        folder / "v.npz", train_images=np.repeat(images[:, None], 13, axis=1), train_labels=labels[:, None].astype("u1")
    )
    return folder / "v.npz"


def _multi_label(folder: Path) -> Path:
    images, labels = class_images(per_class=4, size_px=12)
    many = np.stack([labels, 1 - labels, np.ones_like(labels)], axis=1).astype(np.uint8)
    folder.mkdir()
    np.savez(folder / "m.npz", train_images=np.stack([images] * 3, axis=-1), train_labels=many)
    return folder / "m.npz"


@pytest.mark.parametrize("make", [_several_sizes, _volumes, _multi_label])
def test_from_files_to_proved_and_restored_files(make: object, tmp_path: Path) -> None:
    source = make(tmp_path / "source")  # type: ignore[operator]
    report = road(source, tmp_path)
    assert report.held and report.method == "linear_error_minimizing" and report.passes == 1
    assert restore_release(tmp_path / "release", tmp_path / "ledger", tmp_path / "back").held


def test_the_surrogate_finds_protected_images_easy_and_the_rarest_class_is_faint(tmp_path: Path) -> None:
    images, labels = class_images(per_class=12)
    source = tmp_path / "s.npz"
    kept = np.r_[np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)[:4]]
    images = np.random.default_rng(0).permuted(images[kept], axis=0)  # what the images show says little of the label
    np.savez(source, train_images=images, train_labels=labels[kept][:, None].astype("u1"))
    report = road(source, tmp_path)
    assert report.surrogate_error is not None and report.surrogate_error <= 0.25
    before, after = open_source(source), open_source(tmp_path / "release")
    largest = [np.abs(after.read(at).astype(int) - before.read(at)).max() for at in range(len(before))]
    assert largest == [8] * 12 + [2] * 4


def test_class_wise_deltas_are_shared(tmp_path: Path) -> None:
    source = write_npz(tmp_path / "s.npz")
    assert road(source, tmp_path, class_wise=True).held
    before, after = open_source(source), open_source(tmp_path / "release")
    deltas = {
        (int(before.labels[at]), (after.read(at).astype(int) - before.read(at)).tobytes()) for at in range(len(before))
    }
    assert len(deltas) == 2


def test_only_a_region_changes(tmp_path: Path) -> None:
    source = write_npz(tmp_path / "s.npz")
    assert road(source, tmp_path, region=Body()).held
    before, after = open_source(source), open_source(tmp_path / "release")
    darkest = before.read(0) == before.read(0).min()
    assert np.array_equal(before.read(0)[darkest], after.read(0)[darkest])


def test_masks_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="its labels are masks, and linear_error_minimizing is for labels of whole"):
        road(pictures(tmp_path / "source"), tmp_path)
    assert not (tmp_path / "ledger").exists() and not (tmp_path / "release").exists()


def test_images_that_arrive_later_get_a_delta_too(tmp_path: Path) -> None:
    road(write_npz(tmp_path / "s.npz"), tmp_path)
    surrogate, method = load_surrogate(tmp_path / "ledger", LinearErrorMinimizingRecipe())
    images, labels = class_images(per_class=1, seed=9)
    protect_later = SurrogatePerturbation(method, surrogate)
    for image, label in zip(images, labels, strict=True):
        changed = protect_later(torch.from_numpy(image)[None], int(label)).int() - torch.from_numpy(image).int()
        assert changed.abs().max() == 8
