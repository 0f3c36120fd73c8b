from __future__ import annotations

from pathlib import Path

import pytest

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources import CsvSource, Task
from tests.sources.files import save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "deep/b.png", "deep/c.jpeg", "unlisted.png"):
        save(tmp_path / "set" / name)
    save(tmp_path / "outside.png")
    (tmp_path / "set/out.png").symlink_to(tmp_path / "outside.png")
    return tmp_path / "set"


def _open(folder: Path, text: str | bytes) -> CsvSource:
    path = folder.parent / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return CsvSource(folder, path)


def test_single_label(folder: Path) -> None:
    source = _open(folder, "file,label\ndeep/b.png,sick\na.png,healthy\n\ndeep/c.jpeg,sick\n")
    assert source.task is Task.SINGLE_LABEL
    assert source.class_names == ("healthy", "sick")
    assert source.sample_ids == ("deep/b.png", "a.png", "deep/c.jpeg")
    assert source.labels.tolist() == [1, 0, 1]
    assert source.ignored_files == ("out.png", "unlisted.png")
    source.check_readable()


def test_numbers_sort_as_numbers_and_a_byte_order_mark_is_no_name(folder: Path) -> None:
    source = _open(folder, b'\xef\xbb\xbffile,label\r\na.png,10\r\n"deep/b.png",9\r\n')
    assert source.class_names == ("9", "10")
    assert source.labels.tolist() == [1, 0]


def test_blanks_around_labels_make_no_class_of_their_own(folder: Path) -> None:
    source = _open(folder, "file, label ,mask\r\na.png, sick,unlisted.png\r\ndeep/b.png,sick,unlisted.png\r\n")
    assert source.class_names == ("sick",) and source.label_columns == ("label",)
    assert source.masks == ("unlisted.png", "unlisted.png")
    text = source.list_text({"deep/b.png": "2.png", "a.png": "1.png", "unlisted.png": "m.png"})
    assert text == "file,label,mask\n2.png,sick,m.png\n1.png,sick,m.png\n"


def test_multi_label(folder: Path) -> None:
    source = _open(folder, "file,mass,nodule\na.png,1,0\ndeep/b.png,1,1\n")
    assert source.task is Task.MULTI_LABEL
    assert source.class_names == source.label_columns == ("mass", "nodule")
    assert source.labels.tolist() == [[1, 0], [1, 1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the first line must be"),
        ("name,label\na.png,1\n", "the first line must be"),
        ("file\na.png\n", "the first line must be"),
        ("file,x,x\na.png,0,1\n", "the first line must be"),
        ("file,label\n", "lists no image"),
        ("file,label\na.png\n", "line 2 has 1 values, the header has 2"),
        ("file,label\na.png,\n", r"line 2: file 'a\.png' has no label\."),
        ("file,label\na.png,  \n", r"line 2: file 'a\.png' has no label\."),
        ("file,label\na.png,NaN\n", r"line 2: file 'a\.png' has no label \('NaN' stands for a missing one\)"),
        ("file;label\na.png;x\n", r"the first line must be 'file,label' .*, with commas, not \['file;label'\]"),
        ("mask,file\na.png,deep/b.png\n", r"the first line must be 'file,label' .* or 'file,mask', with commas"),
        ("file,label\n/a.png,x\n", "must be a plain path"),
        ("file,label\nout.png,x\n", r"line 2: file 'out\.png' is a link that leads out of set"),
        ("file,a,b\na.png,nan,1\n", "line 2, column 'a': value 'nan' is neither 0 nor 1"),
        ("file,label\na.png,x\n".encode("utf-16"), "cannot be read as a UTF-8 CSV"),
        ("file,label\na.png,x\ndeep/b.png,y\na.png,x\n", r"line 4: file 'a\.png' is there twice, first in line 2"),
        ("file,label\na.png,x\nnone.png,y\n", r"line 3: file 'none\.png' is not there"),
        ("file,label\n../outside.png,x\n", r"line 2: file '\.\./outside\.png' must be a plain path"),
        ("file,label\ndeep/../a.png,x\n", "must be a plain path"),
        ("file,label\n/etc/a.png,x\n", "must be a plain path"),
        ("file,label\n./a.png,x\n", "must be a plain path"),
        ("file,label\ndeep\\b.png,x\n", "must be a plain path"),
        ("file,label\n,x\n", "must be a plain path"),
        ("file,label\ndeep,x\n", "is not an image .PNG, JPEG, BMP, TIFF, .*, nor the folder of a DICOM series"),
        ("file,mass,nodule\na.png,1,2\n", "line 2, column 'nodule': value '2' is neither 0 nor 1"),
        ("file,mass,nodule\na.png,1,0\ndeep/b.png,yes,0\n", "line 3, column 'mass'"),
        ("file,label\na.png,bell\a\n", "not printable"),
        (b"file,label\na.png,\xff\xfe\n", "cannot be read as a UTF-8 CSV"),
        ('file,label\na.png,"open\n', "cannot be read as a UTF-8 CSV"),
        ("file,label\na.png," + "x" * 200_000 + "\n", "cannot be read as a UTF-8 CSV"),
    ],
)
def test_refuses(folder: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        _open(folder, text)


def test_refuses_missing_file_and_file_for_folder(folder: Path) -> None:
    with pytest.raises(SourceError, match=r"no\.csv: cannot be read .*No such file"):
        CsvSource(folder, folder / "no.csv")
    (folder / "yes.csv").write_text("file,label\na.png,x\n")
    with pytest.raises(SourceError, match="is not a folder"):
        CsvSource(folder / "a.png", folder / "yes.csv")
