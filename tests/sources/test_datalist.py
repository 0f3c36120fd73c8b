"""Datalists as MONAI users have them, and hostile ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources import ClassFolderSource, DatalistSource, Task, open_source
from monai_unlearnable.sources import listed as listed_module
from tests.sources.files import save

NAMES = ("a.png", "deep/b.png", "deep/c.jpeg")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (*NAMES, "unlisted.png", "masks/a.png"):
        save(tmp_path / "set" / name)
    save(tmp_path / "outside.png")
    return tmp_path / "set"


def _write(folder: Path, content: object) -> Path:
    path = folder.parent / "list.json"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def _open(folder: Path, content: object, **options: Any) -> DatalistSource:
    return DatalistSource(folder, _write(folder, content), **options)


def _items(*labels: object) -> dict[str, Any]:
    return {"training": [{"image": name, "label": label} for name, label in zip(NAMES, labels, strict=False)]}


def test_class_indices(folder: Path) -> None:
    source = _open(folder, _items(10, 9, 10) | {"numTraining": 3, "test": ["../elsewhere.png"]})
    assert (source.task, source.class_names) == (Task.SINGLE_LABEL, ("9", "10"))
    assert source.labels.tolist() == [1, 0, 1]
    assert source.sample_ids == NAMES
    assert source.ignored_files == ("masks/a.png", "unlisted.png")


@pytest.mark.parametrize(
    ("labels", "names", "values"),
    [
        (("sick", "healthy", "sick"), ("healthy", "sick"), [1, 0, 1]),
        (([3], [1], [3]), ("1", "3"), [1, 0, 1]),
        (([1, 0], [1, 1], [0, 0]), ("0", "1"), [[1, 0], [1, 1], [0, 0]]),
    ],
)
def test_kinds_of_labels(folder: Path, labels: Any, names: tuple[str, ...], values: list[Any]) -> None:
    source = _open(folder, _items(*labels))
    assert source.class_names == names and source.labels.tolist() == values


def test_decathlon_paths_and_a_byte_order_mark(folder: Path) -> None:
    text = json.dumps({"training": [{"image": "./a.png", "label": 0}, {"image": "./deep/b.png", "label": 1}]})
    source = _open(folder, b"\xef\xbb\xbf" + text.replace("{", "\r\n{").encode())
    assert source.sample_ids == ("a.png", "deep/b.png")


def test_sections(folder: Path) -> None:
    items = _items(0, 1)["training"]
    assert _open(folder, {"validation": items}).section == "validation"
    both = {"fold_a": items, "fold_b": items[:1]}
    assert len(_open(folder, both, section="fold_b")) == 1
    with pytest.raises(SourceError, match=r"no section 'training'; name one .*--section.*: 'fold_a', 'fold_b'"):
        _open(folder, both)
    with pytest.raises(SourceError, match="no section 'test'; there are: 'fold_a'"):
        _open(folder, both, section="test")


def test_a_class_beside_a_mask_is_the_label(folder: Path) -> None:
    items = [{"image": "a.png", "label": "masks/a.png"}]
    assert _open(folder, {"training": items}).task is Task.SEGMENTATION
    source = _open(folder, {"training": [items[0] | {"class": "sick"}]})
    assert source.mask_path(0) == folder / "masks/a.png" and source.class_names == ("sick",)
    kept = _open(folder, {"training": [{"image": "a.png", "label": 4, "class": 1, "mask": "masks/a.png"}]})
    assert kept.class_names == ("4",) and kept.mask_path(0) == folder / "masks/a.png"


def test_a_release_list_holds_what_a_reader_needs_and_no_more(folder: Path) -> None:
    items = [
        {"image": "a.png", "label": 7, "mask": "./masks/a.png", "fold": 2, "patient": "Jane Doe", "age": 40},
        {"image": "deep/b.png", "label": 8, "mask": "./masks/a.png", "fold": "Jane Doe"},
    ]
    source = _open(folder, {"name": "secret study", "training": items})
    text = source.list_text({"a.png": "image-1.png", "deep/b.png": "image-2.png", "masks/a.png": "mask-1.png"})
    assert json.loads(text) == {
        "training": [
            {"image": "image-1.png", "label": 7, "mask": "mask-1.png", "fold": 2},
            {"image": "image-2.png", "label": 8, "mask": "mask-1.png"},
        ],
    }


WRONG: list[tuple[object, str]] = [
    ("", "cannot be read as UTF-8 JSON"),
    (b"\xff\xfe{}", "cannot be read as UTF-8 JSON"),
    ("[" * 100_000, "cannot be read as UTF-8 JSON"),
    ('{"training": [{"image": "a.png", "label": NaN}]}', "NaN is no value of JSON; give every image a label"),
    ('{"training": [{"image": "a.png", "image": "b.png"}]}', "the key 'image' is there twice"),
    ('{"training": [{"image": "a.png", "label": ' + "9" * 5000 + "}]}", "cannot be read as UTF-8 JSON"),
    ([{"image": "a.png", "label": 0}], "must be an object of lists, such as .*, not a list"),
    ({}, "has no section 'training'"),
    ({"training": {"image": "a.png"}}, "has no section 'training'"),
    ({"training": []}, "section 'training' lists no image"),
    ({"training": ["a.png"]}, r"training\[0\]: is 'a\.png', without any label"),
    ({"training": [{"label": 0}]}, r"training\[0\]: 'image' is missing; it must be the path of one file"),
    ({"training": [{"image": ["a.png", "b.png"], "label": 0}]}, "'image' is .*; it must be the path of one file"),
    ({"training": [{"image": 3, "label": 0}]}, "'image' is 3; it must be the path"),
    (_items(0) | {"training": [{"image": "a.png"}]}, r"training\[0\]: 'label' is missing; it must be a class index"),
    (_items(None), "'label' is missing"),
    (_items(1.0), "'label' is 1.0; it must be a class index"),
    ('{"training": [{"image": "a.png", "label": 1e999}]}', "'label' is not finite"),
    (_items(True), "'label' is True"),
    (_items(-1), "'label' is -1; it must be a class index of 0 to 9999"),
    (_items(10_000), "'label' is 10000"),
    (_items("NaN"), "'label' is 'NaN'"),
    (_items(""), "'label' is ''"),
    (_items([0, 2]), r"'label' is \[0, 2\]"),
    (_items([]), r"'label' is \[\]"),
    (_items({"a": 1}), "'label' is {'a': 1}"),
    (_items(0, "x"), r"training\[1\]: 'label' is 'x', that of training\[0\] is 0; all items need labels of one kind"),
    (_items([0, 1], [0, 1, 1]), r"training\[1\]: 'label' is .* one kind"),
    (_items([0, 1], 1), r"training\[1\]: 'label' is 1"),
    ({"training": [{"image": "a.png", "label": 0, "mask": 3}]}, "'mask' is 3; it must be the path of one file"),
]


@pytest.mark.parametrize(("content", "message"), WRONG, ids=[str(content)[:50] for content, _ in WRONG])
def test_refuses(folder: Path, content: object, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        _open(folder, content)
    assert str(caught.value).startswith(str(folder.parent / "list.json"))
    assert len(str(caught.value)) < 1200


HOSTILE: list[tuple[str, str]] = [
    ("/etc/passwd", "must be a plain path"),
    ("../outside.png", "must be a plain path"),
    ("./../outside.png", "must be a plain path"),
    ("deep/../../outside.png", "must be a plain path"),
    ("deep//b.png", "must be a plain path"),
    ("C:\\a.png", "must be a plain path"),
    ("deep\\b.png", "must be a plain path"),
    ("", "must be a plain path"),
    (".", "must be a plain path"),
    ("a.png\0", "must be a plain path"),
    ("file:///etc/passwd", "must be a plain path"),
    ("out.png", "is a link that leads out of set; .*Copy the file into the folder"),
    ("linked/outside.png", "is a link that leads out of set"),
    ("circle/a.png", "cannot be followed|is not there"),
    ("nowhere.png", "is not there. Correct the name or take the line out"),
    ("deep", "is not an image .*, nor the folder of a DICOM series"),
    ("x" * 5000 + ".png", "cannot be followed|is not there"),
]


@pytest.fixture
def links(folder: Path) -> Path:
    (folder / "out.png").symlink_to(folder.parent / "outside.png")
    (folder / "linked").symlink_to(folder.parent)
    (folder / "circle").symlink_to(folder / "circle")
    return folder


@pytest.mark.parametrize(("name", "message"), HOSTILE, ids=[name[:20] for name, _ in HOSTILE])
def test_hostile_paths_of_images_and_masks(links: Path, name: str, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        _open(links, {"training": [{"image": "a.png", "label": 0}, {"image": name, "label": 1}]})
    assert "training[1]: image " in str(caught.value) and len(str(caught.value)) < 1200
    if name not in ("", "deep"):
        with pytest.raises(SourceError, match=f"{message}"):
            _open(links, {"training": [{"image": "a.png", "label": 0, "mask": name}]})


def test_a_link_inside_the_folder_is_followed(folder: Path) -> None:
    (folder / "inside.png").symlink_to(folder / "deep/b.png")
    assert len(_open(folder, {"training": [{"image": "inside.png", "label": 0}]})) == 1


def test_the_folder_itself_may_be_a_link(folder: Path) -> None:
    (folder.parent / "same").symlink_to(folder)
    assert len(DatalistSource(folder.parent / "same", _write(folder, _items(0, 1)))) == 2


def test_one_file_twice_is_refused_however_it_is_written(folder: Path) -> None:
    items = [{"image": "a.png", "label": 0}, {"image": "./a.png", "label": 1}]
    with pytest.raises(SourceError, match=r"training\[1\]: image 'a\.png' is there twice, first in training\[0\]"):
        _open(folder, {"training": items})


def test_an_image_is_no_mask(folder: Path) -> None:
    items = [{"image": "a.png", "label": 0, "mask": "deep/b.png"}, {"image": "deep/b.png", "label": 1, "mask": "a.png"}]
    with pytest.raises(SourceError, match=r"mask 'deep/b\.png' is an image of the list, too"):
        _open(folder, {"training": items})


def test_a_missing_mask_names_the_image(folder: Path) -> None:
    items = [{"image": "a.png", "label": 0, "mask": "masks/a.png"}, {"image": "deep/b.png", "label": 1}]
    with pytest.raises(SourceError, match=r"training\[1\]: mask '' is missing: 'deep/b\.png' has none, others have"):
        _open(folder, {"training": items})


def test_a_list_that_is_far_too_long_is_refused_before_it_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listed_module, "LARGEST_LIST_BYTES", 20)
    with pytest.raises(SourceError, match=r"a list has at most 20\. Is it the right file?"):
        _open(folder, _items(0, 1))


def test_what_opens_by_itself(folder: Path) -> None:
    (folder / "a.png").unlink()
    (folder / "unlisted.png").unlink()
    (folder / "dataset.json").write_text('{"labels": [["a.png", 3]]}')  # another software's
    assert isinstance(open_source(folder), ClassFolderSource)
    (folder / "dataset.json").write_text('{"training": [{"image": "deep/b.png", "label": 0}]}')
    assert isinstance(open_source(folder), DatalistSource)
    (folder / "datalist.json").write_text('{"training": [{"image": "deep/c.jpeg", "label": 0}]}')
    assert open_source(folder).sample_ids == ("deep/c.jpeg",)
    with pytest.raises(SourceError, match=r"only a datalist .* has sections; leave section='x' out"):
        (folder / "labels.csv").write_text("file,label\ndeep/b.png,1\n")
        open_source(folder, section="x")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(NAMES),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["image", "label", "mask", "class", "fold", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=150)
@given(content=st.dictionaries(st.sampled_from(["training", "test"]), json_values, max_size=2))
def test_any_json_opens_or_is_refused(tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]) -> None:
    root = tmp_path_factory.getbasetemp() / "any"
    for name in NAMES:
        if not (root / "set" / name).exists():
            save(root / "set" / name)
    try:
        source = _open(root / "set", content)
    except SourceError as error:
        assert str(error).startswith(str(root))
    else:
        assert set(source.sample_ids) <= set(NAMES)
        assert np.array_equal(source.labels, DatalistSource(root / "set", source.list_path).labels)
