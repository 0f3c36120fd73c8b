"""Write, verify and restore: what leaves the house, and the way back."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from monai_unlearnable.release import ReleaseBudget, read_manifest, restore_release, verify_release
from monai_unlearnable.sources import CsvSource, open_source
from monai_unlearnable.stores import ClassKey, MemoryStore, StoreHeader
from tests.release.building import Built, built_folders, built_npz, class_folders, random_store
from tests.sources.files import rgb16_png, save

BYTE = ReleaseBudget(norm="linf", radius_levels=8.0, low_level=0, high_level=255)


def check_way_back(built: Built) -> None:
    """Verify in both modes, restore, and compare every pixel with the source by NumPy."""
    source, released = built.source(), open_source(built.release)
    for report in (verify_release(built.release), verify_release(built.release, built.ledger)):
        assert report.held, report.failures
        assert report.images == len(source)
    assert report.pixels == report.pixels_held == sum(image.image.size for image in source)
    largest = 0
    for index, sample in enumerate(source):
        at = [name.rsplit(".", 1)[0] for name in released.sample_ids].index(sample.sample_id.rsplit(".", 1)[0])
        other = released[at]
        assert np.array_equal(other.label, sample.label)
        assert (other.image.dtype, other.image.shape) == (sample.image.dtype, source.shape(index))
        largest = max(largest, int(np.abs(other.image.astype(int) - sample.image.astype(int)).max()))
    assert largest == report.largest_delta_levels > 0
    restored = restore_release(built.release, built.ledger, built.root / "restored")
    assert restored.held, restored.failures
    assert restored.images == len(source)
    back = open_source(built.root / "restored")
    assert back.sample_ids == released.sample_ids
    for index in range(len(back)):
        name = back.sample_ids[index].rsplit(".", 1)[0]
        at = [one.rsplit(".", 1)[0] for one in source.sample_ids].index(name)
        original = source.read(at)
        assert back.read(index).dtype == original.dtype
        assert np.array_equal(back.read(index), original)


def test_class_folders_of_every_kind(tmp_path: Path) -> None:
    built = built_folders(tmp_path)
    done: list[tuple[int, int]] = []
    manifest = built.write(progress=lambda *at: done.append(at))
    assert done == [(one, 6) for one in range(1, 7)]
    assert sorted(p.relative_to(built.release).as_posix() for p in built.release.rglob("*") if p.is_file()) == [
        "a/grey16.png",
        "a/grey8.png",
        "a/lossy.png",
        "b/dark.png",
        "b/rgb16.png",
        "b/rgb8.PNG",
        "manifest.json",
    ]
    assert manifest == read_manifest(built.release)
    assert (manifest.image_count, manifest.converted_count) == (6, 2)
    assert {one.name: one.source_format for one in manifest.files if one.converted} == {
        "a/lossy.png": "jpeg",
        "b/dark.png": "bmp",
    }
    for path in built.release.rglob("*.[pP][nN][gG]"):
        assert path.read_bytes().startswith(b"\x89PNG")
    check_way_back(built)
    report = restore_release(built.release, built.ledger, tmp_path / "again")
    assert report.converted == ("a/lossy.png", "b/dark.png")
    assert json.loads(report.to_json())["held"] is True


def test_csv_folder(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "source")
    labels = tmp_path / "labels.csv"
    labels.write_text("file,mass,nodule\nb/rgb8.PNG,1,0\na/lossy.jpeg,0,0\na/grey8.png,1,1\n")
    built = Built(tmp_path, root, labels)
    manifest = built.write()
    text = (built.release / "labels.csv").read_text()
    assert text == "file,mass,nodule\nb/rgb8.PNG,1,0\na/lossy.png,0,0\na/grey8.png,1,1\n"
    assert manifest.files[-1].name == "labels.csv"
    assert isinstance(open_source(built.release), CsvSource)
    check_way_back(built)
    assert (tmp_path / "restored" / "labels.csv").read_text() == text


def test_csv_class_names_survive(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text('file,label\nb/rgb8.PNG,"x, ""y"""\na/lossy.jpeg,z\n')
    built = Built(tmp_path, class_folders(tmp_path / "source"), labels)
    built.write()
    assert open_source(built.release).class_names == ('x, "y"', "z")
    check_way_back(built)


@pytest.mark.parametrize("shape", [(5, 6, 7), (5, 6, 7, 3), (4, 5, 6, 7)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", ">u2"])
def test_npz(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    images = np.random.default_rng(1).integers(0, 256, shape).astype(dtype)
    images[0, :2] = np.iinfo(dtype).max
    built = built_npz(tmp_path, np.asfortranarray(images))
    manifest = built.write()
    assert [one.name for one in manifest.files] == ["set.npz"]
    assert manifest.protected_array == "train_images"
    check_way_back(built)
    original, released = (np.load(folder / "set.npz") for folder in (tmp_path / "source", built.release))
    with original, released, zipfile.ZipFile(tmp_path / "restored" / "set.npz") as restored:
        assert released.files == original.files
        assert released["train_images"].dtype == original["train_images"].dtype
        with zipfile.ZipFile(tmp_path / "source" / "set.npz") as before:
            assert {n: restored.read(n) for n in restored.namelist()} == {n: before.read(n) for n in before.namelist()}
        with zipfile.ZipFile(built.release / "set.npz") as now, zipfile.ZipFile(built.source_path) as before:
            for name in set(now.namelist()) - {"train_images.npy"}:
                assert now.read(name) == before.read(name)


def test_same_run_gives_the_same_files(tmp_path: Path) -> None:
    files = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for built in (built_folders(tmp_path / name), Built(tmp_path / name / "x", tmp_path / name / "source")):
            built.write()
            files.append({p.relative_to(built.release): p.read_bytes() for p in built.release.rglob("*.*")})
    assert files[0] == files[1] == files[2] == files[3]


def test_class_wise_deltas_are_cut_to_each_image(tmp_path: Path) -> None:
    images = np.stack([np.full((6, 7), value, dtype=np.uint8) for value in (0, 3, 128, 252, 255)])
    built = built_npz(tmp_path, images)
    source = built.source()
    keys = ClassKey()(source.sample_ids, torch.from_numpy(source.labels))
    header = StoreHeader(dict.fromkeys(sorted(set(keys)), (1, 6, 7)), 8, {"norm": "linf"}, "synthetic", 0)
    store = MemoryStore(header)
    store.write(["class/0"], torch.full((1, 1, 6, 7), 8))
    store.write(["class/1"], torch.full((1, 1, 6, 7), -8))
    built.write(store=store, keys=keys, budget=BYTE)
    released = open_source(built.release)
    assert [int(released.read(index).max()) for index in range(5)] == [8, 0, 136, 244, 255]
    check_way_back(built)


DTYPES = st.sampled_from([np.uint8, np.uint16])
SPACES = st.sampled_from([(4, 3), (2, 3, 5), (3, 4, 3)])


@settings(max_examples=25)
@given(dtype=DTYPES, space=SPACES, radius=st.integers(1, 300), seed=st.integers(0, 2**16), ends=st.booleans())
def test_any_array_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    dtype: type[np.integer],
    space: tuple[int, ...],
    radius: int,
    seed: int,
    ends: bool,
) -> None:
    generator, top = np.random.default_rng(seed), int(np.iinfo(dtype).max)
    values = generator.choice([0, top], (4, *space)) if ends else generator.integers(0, top + 1, (4, *space))
    built = built_npz(tmp_path_factory.mktemp("set"), values.astype(dtype))
    store = random_store(built.source(), radius_levels=radius, seed=seed)
    built.write(store=store, budget=ReleaseBudget(norm="linf", radius_levels=radius, low_level=0, high_level=top))
    report = verify_release(built.release, built.ledger)
    assert report.held, report.failures
    released, source = open_source(built.release), built.source()
    for index, name in enumerate(source.sample_ids):
        delta = store.read([name])[0].numpy().astype(np.int64)
        slow = np.minimum(np.maximum(source.read(index).astype(np.int64) + delta, 0), top)
        assert np.array_equal(released.read(index), slow)
    assert restore_release(built.release, built.ledger, built.root / "restored").held
    back = open_source(built.root / "restored")
    assert all(np.array_equal(back.read(index), source.read(index)) for index in range(len(source)))


@settings(max_examples=15)
@given(
    dtype=DTYPES,
    channels=st.sampled_from([1, 3]),
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_any_picture_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    dtype: type[np.integer],
    channels: int,
    height: int,
    width: int,
    seed: int,
) -> None:
    root, generator = tmp_path_factory.mktemp("pictures"), np.random.default_rng(seed)
    for name in ("a/0.png", "b/1.png"):
        image = generator.integers(0, int(np.iinfo(dtype).max) + 1, (height, width, channels)).astype(dtype)
        (root / "source" / name).parent.mkdir(parents=True)
        if channels == 3 and dtype is np.uint16:
            (root / "source" / name).write_bytes(rgb16_png(image))
        else:
            save(root / "source" / name, image[..., 0] if channels == 1 else image)
    built = Built(root, root / "source")
    store = random_store(built.source(), seed=seed)
    built.write(store=store)
    assert verify_release(built.release, built.ledger).held
    assert restore_release(built.release, built.ledger, root / "restored").held
    source, released, back = built.source(), open_source(built.release), open_source(root / "restored")
    for index, name in enumerate(source.sample_ids):
        wide = source.read(index).astype(np.int64) + store.read([name])[0].numpy()
        assert np.array_equal(released.read(index), np.clip(wide, 0, np.iinfo(dtype).max))
        assert np.array_equal(back.read(index), source.read(index))


def test_l2_budget_counts_the_whole_image(tmp_path: Path) -> None:
    built = built_npz(tmp_path, np.full((2, 3, 4), 100, dtype=np.uint8))
    header = StoreHeader(dict.fromkeys(built.source().sample_ids, (1, 3, 4)), 10, {"norm": "l2"}, "synthetic", 0)
    store = MemoryStore(header)
    delta = torch.zeros((1, 1, 3, 4), dtype=torch.int8)
    delta[0, 0, 0, :2] = torch.tensor([3, 4])
    store.write(["train/000000"], delta)
    budget = ReleaseBudget(norm="l2", radius_levels=5.0, low_level=0, high_level=255)
    built.write(store=store, budget=budget)
    assert verify_release(built.release, built.ledger).held


def test_what_shows_or_measures_a_picture_is_kept_and_texts_are_not(tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    source = tmp_path / "source"
    class_folders(source)
    exif = Image.Exif()
    exif[0x0112], exif[0x013B] = 6, "Dr Doe"
    info = PngInfo()
    info.add_text("PatientName", "Doe^Jane")
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 5)).astype(np.uint8))
    image.save(source / "a" / "grey8.png", pnginfo=info, exif=exif, dpi=(300, 300), icc_profile=b"profile")
    image.save(source / "a" / "lossy.jpeg", exif=exif, dpi=(72, 72), icc_profile=b"profile", comment=b"Doe")
    built = Built(tmp_path, source)
    built.write()
    assert restore_release(built.release, built.ledger, tmp_path / "restored").held
    for folder in (built.release, tmp_path / "restored"):
        for name, dots in (("a/grey8.png", 300), ("a/lossy.png", 72)):
            assert b"Doe" not in (folder / name).read_bytes()
            with Image.open(folder / name) as picture:
                picture.load()
                assert picture.getexif()[0x0112] == 6
                assert picture.info["icc_profile"] == b"profile"
                assert [round(one) for one in picture.info["dpi"]] == [dots, dots]
                assert not getattr(picture, "text", {})


def test_real_sets(shared_data: Path, tmp_path: Path) -> None:
    built = Built(tmp_path / "breast", shared_data / "medmnist" / "breastmnist.npz")
    built.root.mkdir()
    built.write(budget=BYTE)
    check_way_back(built)
    root = tmp_path / "mednist"
    for name in ("CXR", "Hand"):
        (root / "source" / name).mkdir(parents=True)
        for path in sorted((shared_data / "mednist" / name).iterdir())[:3]:
            (root / "source" / name / path.name).write_bytes(path.read_bytes())
    built = Built(root, root / "source")
    assert built.write(budget=BYTE).converted_count == 6
    check_way_back(built)
