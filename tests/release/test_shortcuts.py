"""What saves a pass over the numbers gives what the long way gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_unlearnable.release import ReleaseBudget, restore_release
from monai_unlearnable.release.formats.dicom import changed_elements
from monai_unlearnable.release.formats.png import PngFormat
from monai_unlearnable.release.hashing import HashThread, pixels_sha256
from monai_unlearnable.sources.stored_levels import add_delta
from monai_unlearnable.types import StoredArray, StoredValues
from tests.release.building import built_folders
from tests.release.dicom.writing import protect
from tests.sources.dicom.building import grey, write


@settings(max_examples=60)
@given(st.sampled_from(["i1", "u1", "i2", "u2", "i4", "u4"]), st.sampled_from(["i1", "i2", "i8"]), st.integers(0, 99))
def test_cut_deltas_and_sums_are_those_of_whole_numbers(dtype: str, delta_dtype: str, seed: int) -> None:
    generator, limits = np.random.default_rng(seed), np.iinfo(dtype)
    low, high = sorted(generator.integers(limits.min, limits.max, 2, dtype=np.int64, endpoint=True).tolist())
    high += low == high
    image = generator.integers(low, min(high, limits.max), (1, 7, 5), dtype=np.int64, endpoint=True).astype(dtype)
    delta = generator.integers(-128, 128, image.shape).astype(delta_dtype)
    budget = ReleaseBudget(norm="linf", radius_levels=128, low_level=low, high_level=high)
    applied = budget.apply(image, delta, where="a")
    wanted = [
        min(max(int(one) + int(step), low), min(high, limits.max)) - int(one)
        for one, step in zip(image.ravel(), delta.ravel(), strict=True)
    ]
    assert applied.ravel().tolist() == wanted
    total = add_delta(image, applied)
    assert total.dtype == image.dtype
    assert total.ravel().tolist() == [int(one) + step for one, step in zip(image.ravel(), wanted, strict=True)]


def test_hashes_of_a_thread_are_those_of_now_and_raise_when_asked(tmp_path: Path) -> None:
    thread = HashThread()
    for size in (3, 600):
        image = np.arange(size * size, dtype=np.int16).reshape(1, size, size)
        assert thread.later(pixels_sha256, image, size_bytes=image.nbytes).result() == pixels_sha256(image)

    def fail(path: Path) -> str:
        raise OSError(f"{path.name} is gone")

    with pytest.raises(OSError, match="a is gone"):
        thread.later(fail, tmp_path / "a", size_bytes=1 << 30).result()


def test_a_record_is_made_from_what_is_on_the_disk(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", grey(), PatientComments="as it was")
    protected = protect(path, tmp_path / "b.dcm")
    made = protected.written.made
    assert protected.path.read_bytes() == made.data
    same = changed_elements(path, released=protected.path, made=made)
    assert same == changed_elements(path, released=protected.path)
    protected.path.write_bytes(made.data.replace(b"as it was", b"otherwise"))
    other = changed_elements(path, released=protected.path, made=made)
    assert other == changed_elements(path, released=protected.path) != same


def test_what_is_written_wrong_gets_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = built_folders(tmp_path)
    built.write()
    restore: Callable[..., None] = PngFormat.restore

    def restore_brighter(self: PngFormat, path: Path, *, images: list[StoredValues], **others: object) -> None:
        restore(self, path, images=iter([np.invert(cast(StoredArray, one)) for one in images]), **others)

    monkeypatch.setattr(PngFormat, "restore", restore_brighter)
    report = restore_release(built.release, built.ledger, tmp_path / "back")
    assert not report.files and len(report.failures) == 6
    assert {one.reason for one in report.failures} == {"the file read back does not hold the original pixels"}
    assert not [one for one in (tmp_path / "back").rglob("*") if one.is_file()]
