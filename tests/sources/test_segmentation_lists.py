"""Lists of images and masks: CSV files of file,mask, and datalists as those of the Decathlon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from monai.data import load_decathlon_datalist

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources import CsvSource, DatalistSource, OnError, Source, Task, open_source
from tests.sources.files import grey, save

NAMES = ("a", "b", "c", "d")
PRESENT = [[1, 1, 0], [0, 1, 0], [1, 0, 1], [1, 1, 1]]


def mask(row: list[int]) -> Any:
    """A mask that shows the classes of a row of 0 and 1."""
    classes = np.flatnonzero(row)
    return classes[np.arange(16) % max(len(classes), 1)].reshape(4, 4).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, row in zip(NAMES, PRESENT, strict=True):
        save(tmp_path / f"set/{name}.png", grey())
        save(tmp_path / f"set/seg/{name}.png", mask(row))
    save(tmp_path / "set/seg/empty.png", np.zeros((4, 4), dtype=np.uint8))
    save(tmp_path / "set/seg/bright.png", np.full((4, 4), 255, dtype=np.uint8))
    save(tmp_path / "set/seg/large.png", np.full((4, 4), 3, dtype=np.uint8))
    return tmp_path / "set"


def write_csv(folder: Path, rows: dict[str, str]) -> Path:
    path = folder.parent / "labels.csv"
    path.write_text("file,mask\n" + "".join(f"{image}.png,{mask}\n" for image, mask in rows.items()))
    return path


def write_datalist(folder: Path, rows: dict[str, str], **more: object) -> Path:
    path = folder.parent / "dataset.json"
    items = [{"image": f"./{image}.png", "label": f"./{mask}"} for image, mask in rows.items()]
    path.write_text(json.dumps({**more, "training": items}))
    return path


EVERY = {name: f"seg/{name}.png" for name in NAMES}
DECLARED = {"0": "background", "1": "anterior", "2": "posterior"}


def check(source: Source, names: tuple[str, ...] = ("0", "1", "2")) -> None:
    assert (source.task, source.class_names) == (Task.SEGMENTATION, names)
    assert source.labels.dtype == np.int64 and source.labels.tolist() == PRESENT
    for index, row in enumerate(PRESENT):
        assert np.array_equal(source[index].label, mask(row))


def test_csv_of_file_and_mask(folder: Path) -> None:
    done: list[tuple[int, int]] = []
    source = open_source(folder, write_csv(folder, EVERY), progress=lambda *at: done.append(at))
    assert isinstance(source, CsvSource) and source.label_columns == ()
    check(source)
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert source.mask_path(1) == folder / "seg/b.png"
    names = {f"{one}.png": f"{one}{one}.png" for one in "cba"} | {f"seg/{one}.png": f"{one}-m.png" for one in NAMES}
    assert source.list_text(names) == "file,mask\ncc.png,c-m.png\nbb.png,b-m.png\naa.png,a-m.png\n"


def test_a_label_column_stays_what_it_was(folder: Path) -> None:
    path = folder.parent / "labels.csv"
    path.write_text("file,label,mask\na.png,sick,seg/a.png\n")
    source = open_source(folder, path)
    assert (source.task, source.class_names, source.labels.tolist()) == (Task.SINGLE_LABEL, ("sick",), [0])
    assert source.label(0).shape == ()


def test_datalist_without_declared_classes(folder: Path) -> None:
    source = open_source(folder, write_datalist(folder, EVERY))
    assert isinstance(source, DatalistSource)
    check(source)
    assert "labels" not in json.loads(source.list_text({"a.png": "a.png", "seg/a.png": "m.png"}))


def test_datalist_of_the_decathlon(folder: Path) -> None:
    path = write_datalist(folder, EVERY, labels=DECLARED, name="secret", modality={"0": "MRI"})
    source = open_source(folder, path)
    assert isinstance(source, DatalistSource)
    check(source, tuple(DECLARED.values()))
    text = source.list_text({f"{one}.png": f"{one}.png" for one in NAMES} | {f"seg/{one}.png": one for one in NAMES})
    assert json.loads(text) == {
        "labels": DECLARED,
        "training": [{"image": f"{one}.png", "label": one} for one in NAMES],
    }
    (folder / "dataset.json").write_text(text)
    items = load_decathlon_datalist(folder / "dataset.json", is_segmentation=True, data_list_key="training")
    assert [Path(one["label"]).name for one in items] == list(NAMES)


def test_declared_classes_that_no_mask_shows_stay(folder: Path) -> None:
    source = open_source(folder, write_datalist(folder, {"a": "seg/a.png"}, labels={**DECLARED, "3": "other"}))
    assert source.class_names[3] == "other" and source.labels.tolist() == [[1, 1, 0, 0]]
    assert open_source(folder, write_datalist(folder, {"a": "seg/a.png"})).class_names == ("0", "1")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["background", "x"], r"'labels' is \['background', 'x'\]; it must name every class by its number"),
        ("x", "it must name every class by its number"),
        ({"1": "x", "2": "y"}, "it must name every class by its number, without a gap"),
        ({"background": 0, "x": 1}, "it must name every class by its number"),
        ({"0": "background", "1": 3}, "'labels': the name of class 1 is 3; it must be a text"),
        ({"0": "background", "1": " "}, "the name of class 1 is ' '"),
        ({"0": "x", "1": "x"}, "the class name 'x' is there twice"),
        ({"0": "background"}, "declares 1 classes; a mask needs the background and another one"),
        ({}, "declares 0 classes"),
        ({"0": "background", "1": "bell\a"}, "not printable"),
    ],
)
def test_wrong_declarations_are_refused(folder: Path, labels: object, message: str) -> None:
    path = write_datalist(folder, EVERY, labels=labels)
    with pytest.raises(SourceError, match=message):
        open_source(folder, path)


WRONG: list[tuple[str, str]] = [
    ("", r"mask '' is missing: 'b\.png' has none, and nothing else tells its label\. Name one\."),
    ("seg/no.png", r"mask 'seg/no\.png' is not there"),
    ("seg/empty.png", r"seg/empty\.png: shows nothing but background\. If the set has such images, allow empty masks"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_images_without_a_usable_mask(folder: Path, wrong: str, message: str) -> None:
    path = write_csv(folder, {"a": "seg/a.png", "b": wrong, "c": "seg/c.png"})
    with pytest.raises(SourceError, match=message):
        open_source(folder, path)
    source = open_source(folder, path, on_error="skip")
    assert source.sample_ids == ("a.png", "c.png") and source.labels.tolist() == [PRESENT[0], PRESENT[2]]
    (skipped,) = source.skipped
    assert skipped.name == "b.png" and str(folder) not in skipped.reason


def test_an_item_without_a_mask_beside_others(folder: Path) -> None:
    path = folder.parent / "dataset.json"
    path.write_text(json.dumps({"training": [{"image": "a.png", "label": "seg/a.png"}, {"image": "b.png"}]}))
    with pytest.raises(SourceError, match=r"training\[1\]: mask '' is missing: 'b\.png' has none"):
        open_source(folder, path)
    assert open_source(folder, path, on_error="skip").sample_ids == ("a.png",)
    path.write_text(
        json.dumps({"training": [{"image": "a.png", "label": "seg/a.png"}, {"image": "b.png", "label": 1}]})
    )
    with pytest.raises(SourceError, match=r"training\[1\]: 'label' is 1; it must be the path of one file"):
        open_source(folder, path, on_error="skip")


def test_empty_masks_are_allowed_on_demand(folder: Path) -> None:
    for path in (write_csv(folder, EVERY | {"b": "seg/empty.png"}), write_datalist(folder, EVERY)):
        if path.suffix == ".json":
            path.write_text(path.read_text().replace("seg/b.png", "seg/empty.png"))
        for on_error in OnError:
            source = open_source(folder, path, allow_empty_masks=True, on_error=on_error)
            assert source.labels.tolist() == [PRESENT[0], [1, 0, 0], PRESENT[2], PRESENT[3]] and not source.skipped
            assert not source.label(1).any()
    with pytest.raises(SourceError, match="none of its masks shows anything but background"):
        open_source(folder, write_csv(folder, {"a": "seg/empty.png"}), allow_empty_masks=True)


def test_masks_that_mean_two_things_are_refused(folder: Path) -> None:
    path = write_csv(folder, EVERY | {"b": "seg/bright.png"})
    with pytest.raises(SourceError, match=r"seg/c\.png: holds the classes 0, 2, while seg/bright\.png is dark and"):
        open_source(folder, path, on_error="skip")
    source = open_source(folder, write_csv(folder, {"a": "seg/a.png", "b": "seg/bright.png"}))
    assert source.labels.tolist() == [[1, 1], [0, 1]] and (source.label(1) == 1).all()


def test_values_that_are_not_declared_are_refused(folder: Path) -> None:
    path = write_datalist(folder, EVERY | {"d": "seg/large.png"}, labels=DECLARED)
    with pytest.raises(SourceError, match=r"seg/large\.png: holds 3, but the classes of the set are 0 to 2"):
        open_source(folder, path)
    source = open_source(folder, path, on_error="skip")
    assert source.labels.tolist() == PRESENT[:3]
    assert str(source.skipped[0]).startswith("d.png: seg/large.png: holds 3, but")


def test_a_class_of_left_out_images_alone_is_no_class(folder: Path) -> None:
    (folder / "c.png").write_bytes(b"damaged")
    path = write_csv(folder, {"a": "seg/a.png", "b": "seg/b.png", "c": "seg/large.png"})
    source = open_source(folder, path, on_error="skip")
    assert source.class_names == ("0", "1") and source.labels.tolist() == [[1, 1], [0, 1]]
    data = save(folder / "c.png", grey()).read_bytes()
    (folder / "c.png").write_bytes(data[:-20])  # the header is whole: found when images are decoded
    source = open_source(folder, path, on_error="skip")
    assert source.class_names == ("0", "1") and source.labels.tolist() == [[1, 1], [0, 1]]
    assert [one.name for one in source.skipped] == ["c.png"]


def test_nothing_is_left(folder: Path) -> None:
    path = write_csv(folder, {"a": "seg/empty.png", "b": "seg/empty.png"})
    with pytest.raises(SourceError, match=r"no image can be read\. The first: a\.png: seg/empty\.png: shows nothing"):
        open_source(folder, path, on_error="skip")
