from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from monai_unlearnable.errors import ReleaseError
from monai_unlearnable.release.atomic import atomic_file
from tests.sources.test_itk_file import FORMATS, facts, load_itk, save_itk


@pytest.mark.parametrize("extension", sorted(FORMATS))
def test_hippocampi_are_protected_and_restored(shared_data: Path, tmp_path: Path, extension: str) -> None:
    reader, release = FORMATS[extension]
    files = sorted((shared_data / "msd_hippocampus" / "images").glob("*.nii.gz"))[:3]
    assert files
    for number, source in enumerate(files):
        original = tmp_path / f"{number}.{extension}"
        bare = SimpleITK.ReadImage(str(source))
        for key in bare.GetMetaDataKeys():
            bare.EraseMetaData(key)  # ITK's writers warn of a NIfTI's own fields
        SimpleITK.WriteImage(bare, str(original), number == 0)
        image = reader.read(original)
        assert np.array_equal(image, load_itk(source))
        protected, restored = tmp_path / f"p{number}.mha", tmp_path / f"r{number}.mha"
        if extension == "nrrd":
            protected, restored = protected.with_suffix(".nrrd"), restored.with_suffix(".nrrd")
        changed = np.where(image > 0, image - 1, image + 1).astype(image.dtype)
        with atomic_file(protected) as unfinished:
            release.write(unfinished, template=original, images=iter([changed]))
        assert np.array_equal(load_itk(protected), changed)
        assert facts(protected) == facts(original)
        with atomic_file(restored) as unfinished:
            release.write(unfinished, template=protected, images=iter([image]))
        assert np.array_equal(load_itk(restored), image)
        assert release.untouched_sha256(restored) == release.untouched_sha256(original)


@pytest.mark.parametrize("extension", sorted(FORMATS))
def test_equal_content_gives_equal_files(tmp_path: Path, extension: str) -> None:
    reader, release = FORMATS[extension]
    source = save_itk(tmp_path / f"a.{extension}", np.arange(24, dtype=np.int16).reshape(2, 3, 4), compressed=True)
    for name in "bc":
        release.write(tmp_path / name, template=source, images=iter([reader.read(source)]))
    assert (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()


def test_a_header_with_its_numbers_beside_it_becomes_one_file(tmp_path: Path) -> None:
    reader, release = FORMATS["mhd"]
    source = save_itk(tmp_path / "a.mhd", np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    release.write(tmp_path / "b.mha", template=source, images=release.read(source))
    head = source.read_bytes().replace(b"ElementDataFile = a.raw", b"ElementDataFile = LOCAL")
    assert (tmp_path / "b.mha").read_bytes() == head + (tmp_path / "a.raw").read_bytes()
    assert reader.header(tmp_path / "b.mha").format == "mha"


def test_refuses_images_that_do_not_fit(tmp_path: Path) -> None:
    for extension, (_, release) in FORMATS.items():
        source = save_itk(tmp_path / f"a.{extension}", np.zeros((2, 3, 4), np.int16))
        with pytest.raises(
            ReleaseError, match=r"holds one image, int16 \(1, 4, 3, 2\); image 0 is uint8 \(1, 4, 3, 2\)"
        ):
            release.write(tmp_path / "b", template=source, images=iter([np.zeros((1, 4, 3, 2), np.uint8)]))
        assert not (tmp_path / "b").exists()
