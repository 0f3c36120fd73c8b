from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from monai_unlearnable.errors import ReleaseError
from monai_unlearnable.release.atomic import atomic_file
from monai_unlearnable.release.formats.nifti import NiftiFormat
from monai_unlearnable.release.hashing import pixels_sha256
from monai_unlearnable.sources.nifti_file import NiftiFile
from tests.sources.test_nifti_file import load, save_nifti

MNI = "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"


def protect_and_restore(source: Path, folder: Path) -> Path:
    """Protect by a small delta and restore; return the protected file after both were proved."""
    reader, release = NiftiFile(), NiftiFormat()
    image, header = reader.read(source), reader.header(source)
    delta = np.random.default_rng(0).integers(-4, 5, image.shape)
    expected = np.clip(image + delta, header.low_level, header.high_level).astype(image.dtype)
    protected, restored = folder / f"protected_{source.name}", folder / f"restored_{source.name}"
    with atomic_file(protected) as unfinished:
        release.write(unfinished, template=source, images=iter([expected]))
    assert np.array_equal(load(protected).dataobj.get_unscaled(), expected[0])
    assert load(protected).header == load(source).header
    assert release.untouched_sha256(protected) == release.untouched_sha256(source)
    with atomic_file(restored) as unfinished:
        release.write(unfinished, template=protected, images=iter([image]))
    assert gzip.decompress(restored.read_bytes()) == gzip.decompress(source.read_bytes())
    return protected


def test_a_brain_is_protected_and_restored(tmp_path: Path) -> None:
    data = pytest.importorskip("nilearn.datasets")
    protect_and_restore(Path(data.__file__).parent / "data" / MNI, tmp_path)


def test_hippocampi_are_protected_and_restored(shared_data: Path, tmp_path: Path) -> None:
    files = sorted((shared_data / "msd_hippocampus" / "images").glob("*.nii.gz"))[:12]
    assert files
    for source in files:
        protect_and_restore(source, tmp_path)


def test_equal_content_gives_equal_files_without_name_or_time(tmp_path: Path) -> None:
    source = save_nifti(tmp_path / "secret_name.nii.gz", np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    image = NiftiFile().read(source)
    for name in "bc":
        NiftiFormat().write(tmp_path / name, template=source, images=iter([image]))
    content = (tmp_path / "b").read_bytes()
    assert content == (tmp_path / "c").read_bytes()
    assert content[3] == 0  # no name, no comment
    assert content[4:8] == bytes(4)  # no time


@pytest.mark.parametrize("name", ["b.png", ".unfinished.b.nii.gz", "b"])
@pytest.mark.parametrize("template", ["a.nii", "a.nii.gz"])
def test_the_template_decides_what_is_packed_and_not_the_name(tmp_path: Path, template: str, name: str) -> None:
    source = save_nifti(tmp_path / template, np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    NiftiFormat().write(tmp_path / name, template=source, images=NiftiFormat().read(source))
    assert (tmp_path / name).read_bytes().startswith(b"\x1f\x8b") == template.endswith("gz")


def test_refuses_images_that_do_not_fit(tmp_path: Path) -> None:
    source = save_nifti(tmp_path / "a.nii", np.zeros((2, 3, 4), np.float32))
    image = np.zeros((1, 2, 3, 4), np.float32)
    release = NiftiFormat()
    cases = {
        r"holds one image, float32 \(1, 2, 3, 4\); image 0 is int16 \(1, 2, 3, 4\)": [image.astype(np.int16)],
        r"image 0 is float32 \(2, 3, 4\)": [image[0]],
        r"image 1 is float32 \(1, 2, 3, 4\)": [image, image],
        "holds one image, none was given": [],
        "holds NaN or infinity": [image + np.nan],
    }
    for reason, images in cases.items():
        with pytest.raises(ReleaseError, match=reason) as caught:
            release.write(tmp_path / "b", template=source, images=iter(images))
        assert str(caught.value).startswith(f"{source}: ")
        assert not (tmp_path / "b").exists()


def test_a_changed_header_changes_the_hash(tmp_path: Path) -> None:
    source = save_nifti(tmp_path / "a.nii", np.zeros((2, 3, 4), np.int16))
    before = NiftiFormat().untouched_sha256(source)
    content = bytearray(source.read_bytes())
    content[150] ^= 1  # inside the description
    source.write_bytes(content)
    assert NiftiFormat().untouched_sha256(source) != before
    assert pixels_sha256(next(NiftiFormat().read(source))) == pixels_sha256(np.zeros((1, 2, 3, 4), np.int16))
