"""Names that look as if they told who somebody is: what the patterns find, and what they leave alone."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monai_unlearnable.sources import ClassFolderSource, CsvSource
from monai_unlearnable.workflows.telling_names import notices_of_names, what_it_tells
from tests.sources.files import save


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("scan_20190312.png", "a date"),
        ("2019-03-12", "a date"),
        ("12.03.2019.dcm", "a date"),
        ("1_3_1987", "a date"),
        ("1.2.840.113619.2.55.3.604688", "an id"),
        ("00123456789.nii.gz", "an id"),
        ("MRN4711.png", "an id"),
        ("patient_12", "an id"),
        ("sub_Pat-7.png", "an id"),
        ("acc#99.dcm", "an id"),
        ("DOE^JANE", "a person's name"),
        ("Smith_John.nii.gz", "a person's name"),
        ("Smith, John", "a person's name"),
        ("scan-Smith_John-t1", "a person's name"),
    ],
)
def test_what_looks_telling(name: str, kind: str) -> None:
    assert what_it_tells(name) == kind


@pytest.mark.parametrize(
    "name",
    ["000069.jpeg", "hippocampus_001.nii.gz", "Left_Lung", "1-01.dcm", "IM000001", "AbdomenCT", "slice_12_of_40.png",
     "image-000001.png", "t1_mprage.nii", "2019_1332.png", "T2 Flair", "Benign_Mass", "99999"],
)  # fmt: skip
def test_what_does_not(name: str) -> None:
    assert what_it_tells(name) == ""


@given(st.text())
def test_any_text_has_an_answer(name: str) -> None:
    assert what_it_tells(name) in ("", "a date", "an id", "a person's name")


@given(st.dates(min_value=date(1900, 1, 1), max_value=date(2099, 12, 31)))
def test_every_date_is_one(day: date) -> None:
    for text in (f"{day:%Y%m%d}", f"{day:%Y-%m-%d}", f"{day:%d.%m.%Y}", f"{day:%d_%m_%Y}"):
        assert what_it_tells(f"a_{text}.png") == "a date"


def test_notices_count_the_names_that_a_release_shows(tmp_path: Path) -> None:
    for name in ("Smith_John/20190312.png", "Smith_John/1.png", "b/MRN12.png", "b/MRN13.png"):
        save(tmp_path / name)
    source = ClassFolderSource(tmp_path)
    kept = notices_of_names(source, rename=False)
    assert len(kept) == 3
    assert kept[0].startswith("1 name looks like a person's name, such as 'Smith_John', and will be public. --rename")
    assert any(one.startswith("2 names look like an id, such as 'MRN12.png'") for one in kept)
    assert all("A guess from patterns" in one for one in kept)
    (only,) = notices_of_names(source, rename=True)
    assert "'Smith_John'" in only and "Rename these folders: --rename keeps them." in only
    labels = tmp_path.parent / f"{tmp_path.name}.csv"
    labels.write_text("file,label\nSmith_John/1.png,x\n")
    assert len(notices_of_names(CsvSource(tmp_path, labels), rename=False)) == 1
    assert notices_of_names(CsvSource(tmp_path, labels), rename=True) == ()
