"""The libraries that people read images with agree about every released file: voxels, spacing, place and direction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data, io

from monai_unlearnable.release import read_manifest
from monai_unlearnable.stores import MappedStore
from tests.interop.roads import protect_folder
from tests.interop.seen import Seen, read_all
from tests.sources.dicom.building import SERIES, slice_file

tifffile = pytest.importorskip("tifffile")

SPACING_MM, ORIGIN_MM = (0.7, 1.1, 2.5), (-31.5, 12.25, 7.0)
TURN = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
SHAPE = (5, 16, 14)
ITK = ("SimpleITK", "ITK", "MONAI with ITK")
NIBABEL = ("nibabel", "MONAI with nibabel")
READERS: dict[str, tuple[str, ...]] = {
    "a/plain.nii": (*NIBABEL, *ITK),
    "a/packed.nii.gz": (*NIBABEL, *ITK),
    "a/one.mha": ITK,
    "b/two.mha": ITK,
    "b/three.nrrd": ITK,
    "b/series": ("pydicom", "SimpleITK", "MONAI with ITK", "MONAI with pydicom"),
}
SOURCE_NAMES = {"b/two.mha": "b/two.mhd"}


def volume(seed: int) -> NDArray[np.uint16]:
    return np.random.default_rng(seed).integers(0, 4000, SHAPE).astype(np.uint16)


def write_volume(path: Path, levels: NDArray[np.uint16]) -> None:
    import SimpleITK

    image = SimpleITK.GetImageFromArray(levels)
    image.SetSpacing(SPACING_MM)
    image.SetOrigin(ORIGIN_MM)
    image.SetDirection(TURN.ravel().tolist())
    SimpleITK.WriteImage(image, str(path), path.suffix == ".nrrd")


def write_series(folder: Path, levels: NDArray[np.uint16]) -> None:
    """Slices whose names and numbers are not in the order of their places."""
    for at in range(len(levels)):
        position = np.array(ORIGIN_MM) + TURN[:, 2] * SPACING_MM[2] * at
        path = folder / f"{(3 * at) % len(levels)}.dcm"
        slice_file(path, position_mm=tuple(position), number=10 - at)
        dataset = pydicom.dcmread(path)
        dataset.ImageOrientationPatient = [*TURN[:, 0], *TURN[:, 1]]
        dataset.PixelSpacing = [SPACING_MM[1], SPACING_MM[0]]
        dataset.Rows, dataset.Columns = SHAPE[1:]
        dataset.PixelData = levels[at].tobytes()
        dataset.save_as(path)


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source of every format of volumes, and its release."""
    root = tmp_path_factory.mktemp("volumes")
    for name in ("a", "b"):
        (root / "source" / name).mkdir(parents=True)
    for seed, name in enumerate(("a/plain.nii", "a/packed.nii.gz", "a/one.mha", "b/two.mhd", "b/three.nrrd")):
        write_volume(root / "source" / name, volume(seed))
    write_series(root / "source/b/series", volume(5))
    report = protect_folder(root)
    assert (report.held, report.images, report.files) == (True, 6, 10)
    return root


@pytest.fixture(scope="module")
def views(volumes: Path) -> dict[tuple[str, Path], Seen]:
    """Every file of source and release as every reader sees it."""
    wanted = [
        (reader, path)
        for name, readers in READERS.items()
        for reader in readers
        for path in (volumes / "release" / name, volumes / "source" / SOURCE_NAMES.get(name, name))
    ]
    return read_all(wanted, folder=volumes)


@pytest.mark.parametrize(("name", "reader"), [(name, one) for name, readers in READERS.items() for one in readers])
def test_volumes(volumes: Path, views: dict[tuple[str, Path], Seen], name: str, reader: str) -> None:
    sample_id = SOURCE_NAMES.get(name, name)
    released, original = (views[reader, volumes / one] for one in (f"release/{name}", f"source/{sample_id}"))
    delta = MappedStore.open(volumes / "ledger/deltas").read([sample_id])[0, 0].numpy().astype(np.int64)
    delta = delta if name == "b/series" else delta.transpose(2, 1, 0)
    assert np.array_equal(original.levels, volume(list(READERS).index(name)))
    assert np.array_equal(released.levels - original.levels, delta)
    place = np.eye(4)
    place[:3, :3], place[:3, 3] = TURN * SPACING_MM, ORIGIN_MM
    assert np.array_equal(released.affine, original.affine)
    assert np.allclose(released.affine, place, atol=2e-5)


def by_simpleitk(path: Path) -> NDArray[Any]:
    import SimpleITK

    array: NDArray[Any] = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
    return array


PICTURE_READERS: dict[str, Callable[[Path], NDArray[Any]]] = {
    "Pillow": lambda path: np.asarray(Image.open(path)),
    "SimpleITK": by_simpleitk,
    "scikit-image": io.imread,
    "tifffile": tifffile.imread,
}


def pictures(kind: str) -> list[NDArray[Any]]:
    """Four parts of a real picture: ``(y, x)`` or ``(y, x, 3)``."""
    picture = {"grey": data.camera(), "deep": data.camera().astype(np.uint16) * 200, "colour": data.astronaut()}[kind]
    return [picture[start : start + 40, 100:148] for start in (100, 140, 180, 220)]


@pytest.fixture(scope="module", params=["grey", "deep", "colour"])
def released_pictures(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    for number, picture in enumerate(pictures(request.param)):
        folder = root / "source" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        if number < 2 and request.param != "deep":
            Image.fromarray(picture).save(folder / f"{number}.{('png', 'bmp')[number]}")
        elif number < 2:
            Image.fromarray(picture).save(folder / f"{number}.png")
        else:
            tifffile.imwrite(folder / f"{number}.tif", picture, compression=(None, "zlib")[number - 2])
    assert protect_folder(root).held
    return root


def test_pictures(released_pictures: Path) -> None:
    deltas = MappedStore.open(released_pictures / "ledger/deltas")
    names = {path.stem: path for path in (released_pictures / "release").rglob("?.*")}
    assert len(names) == 4
    for sample_id in deltas.header.shapes:
        delta = deltas.read([sample_id])[0].numpy().astype(np.int64)
        delta = delta[0] if len(delta) == 1 else np.moveaxis(delta, 0, -1)
        original = np.asarray(Image.open(released_pictures / "source" / sample_id)).astype(np.int64)
        path = names[Path(sample_id).stem]
        for reader, read in PICTURE_READERS.items():
            if (reader == "tifffile") <= (path.suffix == ".tif"):
                assert np.array_equal(read(path).astype(np.int64) - original, delta), f"{reader}: {path.name}"


def test_archives(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (6, 12, 12), dtype=np.uint8)
    labels = np.arange(6)[:, None] % 2
    np.savez(tmp_path / "set.npz", train_images=levels, train_labels=labels, note=np.arange(3))
    assert protect_folder(tmp_path, name="set.npz").held
    assert [one.name for one in read_manifest(tmp_path / "release").files] == ["set.npz"]
    deltas = MappedStore.open(tmp_path / "ledger/deltas")
    delta = np.concatenate([deltas.read([key])[0].numpy() for key in sorted(deltas.header.shapes)])
    with np.load(tmp_path / "release/set.npz", allow_pickle=False) as archive:
        assert np.array_equal(archive["train_images"].astype(np.int64) - levels, delta.astype(np.int64))
        assert np.array_equal(archive["train_labels"], labels) and np.array_equal(archive["note"], np.arange(3))


def test_the_series_keeps_study_and_patient(volumes: Path) -> None:
    pairs = [
        (pydicom.dcmread(path), pydicom.dcmread(volumes / "release/b/series" / path.name))
        for path in sorted((volumes / "source/b/series").iterdir())
    ]
    for original, copy in pairs:
        assert (copy.PatientID, copy.PatientName) == (original.PatientID, original.PatientName)
        assert copy.StudyInstanceUID == original.StudyInstanceUID
        assert original.SeriesInstanceUID == SERIES and copy.SeriesInstanceUID != SERIES
        assert copy.InstanceNumber == original.InstanceNumber
    assert len({copy.SeriesInstanceUID for _, copy in pairs}) == 1
    assert len({copy.SOPInstanceUID for _, copy in pairs}) == len(pairs)
