from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_unlearnable.audit import audit_release
from monai_unlearnable.audit.pairing import held_out, match_samples, open_data, require_clean_test
from monai_unlearnable.errors import ReleaseError, SourceError
from tests.audit.tiny import write_folders, write_release, write_source


def test_pictures_are_matched_without_their_suffix() -> None:
    assert match_samples(["a/1.png", "b/2.png"], ["a/1.jpeg", "b/1.jpeg", "b/2.bmp"]) == ((0, 0), (1, 2))


def test_an_exact_name_wins_over_the_suffix() -> None:
    assert match_samples(["a/1.png"], ["a/1.jpeg", "a/1.png"]) == ((0, 1),)


def test_an_ambiguous_name_is_no_pair() -> None:
    assert match_samples(["a/1.png"], ["a/1.jpeg", "a/1.bmp"]) == ()
    assert match_samples(["a/1.jpeg.png", "a/1.bmp.png"], ["a/1.jpeg", "a/1.bmp"]) == ((0, 0), (1, 1))


@settings(max_examples=25)
@given(counts=st.lists(st.integers(0, 30), min_size=1, max_size=4), seed=st.integers(0, 1000))
def test_a_fifth_of_each_class_is_held_out_whatever_the_order(counts: list[int], seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    ids = [f"image {index}" for index in range(len(labels))]
    out = held_out(ids, labels)
    for one, count in enumerate(counts):
        assert out[labels == one].sum() == (max(1, round(0.2 * count)) if count > 1 else 0)
    order = np.random.default_rng(seed).permutation(len(labels))
    shuffled = held_out([ids[one] for one in order], labels[order])
    assert np.array_equal(shuffled, out[order])


def test_rare_label_combinations_are_held_out_together() -> None:
    labels = np.array([[0, 0]] * 10 + [[1, 0], [0, 1], [1, 1], [1, 0]])
    out = held_out([str(one) for one in range(14)], labels)
    assert (out[:10].sum(), out[10:].sum()) == (2, 1)


def test_an_npz_is_tested_on_its_own_test_split(tmp_path: Path) -> None:
    source = write_source(tmp_path / "s.npz")
    data = open_data(write_release(tmp_path / "release", source), clean=source)
    assert len(data.train_pairs) == 60
    assert [data.test.sample_ids[one] for one in data.test_indices][:1] == ["test/000000"]
    assert data.test_origin == "the test split of the clean .npz file"


def test_a_hold_out_is_never_trained_on(tmp_path: Path) -> None:
    clean = write_folders(tmp_path / "clean")
    data = open_data(write_folders(tmp_path / "release", swapped=True), clean=clean)
    trained = {data.release.sample_ids[one] for one, _ in data.train_pairs}
    tested = {data.clean.sample_ids[one] for one in data.test_indices}
    assert data.test is data.clean
    assert not trained & tested
    assert len(trained | tested) == 60
    assert len(tested) == 12
    assert "12 clean originals (20% of each class)" in data.test_origin


def test_given_test_images_are_used(tmp_path: Path) -> None:
    clean, test = write_folders(tmp_path / "clean"), write_folders(tmp_path / "test")
    data = open_data(clean, clean=clean, test=test)
    assert (len(data.train_pairs), len(data.test_indices)) == (60, 60)
    assert data.test.path == test


def test_an_archive_in_capitals_is_tested_on_its_test_split(tmp_path: Path) -> None:
    clean, test = write_folders(tmp_path / "clean"), tmp_path / "test"
    test.mkdir()
    write_source(test / "set.npz").rename(test / "SET.NPZ")
    with np.load(test / "SET.NPZ") as archive:
        expected = len(archive["test_images"])
        assert expected != len(archive["train_images"])
    assert len(open_data(clean, clean=clean, test=test).test_indices) == expected


def test_a_release_of_something_else_is_refused(tmp_path: Path) -> None:
    one, other = write_folders(tmp_path / "one"), write_folders(tmp_path / "other", names=("c", "d"))
    with pytest.raises(ReleaseError, match=r"no released image has a clean original.*'a/000\.png'.*'c/000\.png'"):
        open_data(one, clean=other)


def test_too_few_images_to_hold_out_are_refused(tmp_path: Path) -> None:
    clean = write_folders(tmp_path / "clean")
    for one in clean.glob("*/*"):
        if one.stem not in ("000", "001"):
            one.unlink()
    with pytest.raises(SourceError, match=r"2 images are too few to hold some out.*--test"):
        open_data(clean, clean=clean)


@pytest.mark.parametrize("left", [None, 0])
def test_an_npz_without_test_images_is_refused(tmp_path: Path, left: int | None) -> None:
    source = write_source(tmp_path / "s.npz")
    with np.load(source) as archive:
        arrays: dict[str, Any] = {name: one for name, one in archive.items() if not name.startswith("test")}
    if left is not None:
        arrays |= {f"test_{name}": arrays[f"train_{name}"][:left] for name in ("images", "labels")}
    np.savez(source, **arrays)
    release = write_release(tmp_path / "release", source)
    message = r"s\.npz: .*test_images.* Without clean test images an audit can say nothing .*; give some \(--test\)\."
    with pytest.raises(SourceError, match=message):
        open_data(release, clean=source)
    with pytest.raises(SourceError, match=message):
        audit_release(release, clean=source, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    other = write_source(tmp_path / "other.npz", seed=5)
    assert len(open_data(release, clean=source, test=other).test_indices) == 30


def test_a_test_on_released_or_trained_images_is_refused(tmp_path: Path) -> None:
    clean = write_folders(tmp_path / "clean")
    release = write_folders(tmp_path / "release", swapped=True)
    copies = [write_folders(tmp_path / "copy"), write_folders(tmp_path / "copied release", swapped=True)]
    for test, what in (
        (release, "the release's own"),
        (clean, "those that the release was made from"),
        (copies[0], "those that the release was made from"),
        (copies[1], "the release's own"),
    ):
        message = rf"{test.name}: 100% of the test images are {what}; victims are tested on clean .* leave --test out"
        with pytest.raises(SourceError, match=message):
            audit_release(release, clean=clean, test=tmp_path / "clean" / ".." / test.name, output=tmp_path / "out")
        assert not (tmp_path / "out").exists()
    require_clean_test(open_data(release, clean=clean))
    source = write_source(tmp_path / "s.npz")
    npz = write_release(tmp_path / "npz", source)
    require_clean_test(open_data(npz, clean=source))
    require_clean_test(open_data(npz, clean=source, test=npz))


def test_a_few_pictures_that_are_there_twice_are_no_leak(tmp_path: Path) -> None:
    source = write_source(tmp_path / "s.npz")
    with np.load(source) as archive:
        arrays: dict[str, Any] = dict(archive)
    for count, refused in ((15, False), (16, True)):  # of 30
        arrays["test_images"][:count] = arrays["train_images"][:count]
        np.savez(source, **arrays)
        data = open_data(write_release(tmp_path / "release", source), clean=source)
        with pytest.raises(SourceError, match="53% of the test images are those") if refused else nullcontext():
            require_clean_test(data)
