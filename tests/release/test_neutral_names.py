"""New names for files: unique, of the right kind, and silent about the old ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monai_unlearnable.errors import LedgerError
from monai_unlearnable.release import ReleaseOptions, plan_release
from monai_unlearnable.release.neutral_names import NeutralNames
from monai_unlearnable.release.options import OPTIONS_KEY
from monai_unlearnable.sources import open_source
from tests.release.building import class_folders
from tests.small_data import write_npz

SECRET = bytes(range(32))


@given(names=st.sets(st.text(min_size=1, max_size=5), max_size=40), secret=st.binary(min_size=16, max_size=16))
def test_every_name_has_its_number_whatever_the_order(names: set[str], secret: bytes) -> None:
    numbers = NeutralNames(secret).numbers(names)
    assert sorted(numbers.values()) == list(range(1, len(names) + 1))
    assert numbers == NeutralNames(secret).numbers(sorted(names, reverse=True))


def test_another_secret_gives_another_order() -> None:
    names = [f"{one:03d}" for one in range(100)]
    first, second = (NeutralNames(secret).numbers(names) for secret in (SECRET, SECRET[::-1]))
    assert first != second
    assert [first[one] for one in names] != sorted(first.values())


def test_folders_of_classes_and_kinds_of_files_are_kept(tmp_path: Path) -> None:
    source = open_source(class_folders(tmp_path))
    plan, usual = plan_release(source, neutral=NeutralNames(SECRET)), plan_release(source)
    names = [one.name for one in plan.files]
    assert names == sorted(names) and len(set(names)) == 6
    assert all(re.fullmatch(r"[ab]/image-00000[1-6]\.png", one) for one in names)
    assert {one.original_name: one.template for one in plan.files} == {one.name: one.template for one in usual.files}
    for one in plan.files:
        assert one.name[0] == one.original_name[0] and one.indices == usual.files[one.indices[0]].indices


def test_an_archive_gets_a_neutral_name_too(tmp_path: Path) -> None:
    (file,) = plan_release(open_source(write_npz(tmp_path / "Smith.npz")), neutral=NeutralNames(SECRET)).files
    assert (file.name, file.original_name) == ("images.npz", "Smith.npz")


def test_the_secret_is_not_shown() -> None:
    assert "secret" not in repr(NeutralNames(SECRET))


@pytest.mark.parametrize("damaged", [[], {"rename": 1}, {"rename": "yes"}, {"other": True}])
def test_damaged_options_are_refused(damaged: object) -> None:
    with pytest.raises(LedgerError, match="the ledger's configuration of the release is damaged"):
        ReleaseOptions.of({OPTIONS_KEY: damaged})
    assert ReleaseOptions.of({}) == ReleaseOptions()
