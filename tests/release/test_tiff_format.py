from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monai_unlearnable.errors import ReleaseError, SourceError
from monai_unlearnable.release.atomic import atomic_file
from monai_unlearnable.release.formats.tiff import TiffFormat
from monai_unlearnable.sources.tiff_file import TiffPicture
from tests.sources.test_tiff_file import picture, save_tiff


def test_is_protected_and_restored(tmp_path: Path) -> None:
    release = TiffFormat()
    source = save_tiff(
        tmp_path / "a.tiff", picture(dtype="uint16", colours=3), compression="deflate", resolution=(9, 8)
    )
    image = TiffPicture().read(source)
    changed = np.where(image > 4, image - 3, image + 3).astype(image.dtype)
    for name, template, content in (("p.tif", "a.tiff", changed), ("r.tif", "p.tif", image)):
        with atomic_file(tmp_path / name) as unfinished:
            release.write(unfinished, template=tmp_path / template, images=iter([content]))
        assert np.array_equal(TiffPicture().read(tmp_path / name), content)
        assert release.untouched_sha256(tmp_path / name) == release.untouched_sha256(source)


def test_equal_content_gives_equal_files_whatever_their_name(tmp_path: Path) -> None:
    source = save_tiff(tmp_path / "a.tif", picture(), compression="deflate")
    for name in (".unfinished.b.tif", "c.png"):
        TiffFormat().write(tmp_path / name, template=source, images=TiffFormat().read(source))
    assert (tmp_path / ".unfinished.b.tif").read_bytes() == (tmp_path / "c.png").read_bytes()
    assert not [one for one in tmp_path.iterdir() if one.name not in ("a.tif", ".unfinished.b.tif", "c.png")]


def test_refuses_images_that_do_not_fit_and_a_template_that_is_none(tmp_path: Path) -> None:
    source = save_tiff(tmp_path / "a.tif", picture())
    with pytest.raises(
        ReleaseError, match=r"a\.tif: holds one image, uint8 \(1, 20, 37\); image 0 is uint16 \(1, 20, 37\)"
    ):
        TiffFormat().write(tmp_path / "b", template=source, images=iter([picture(dtype="uint16")]))
    with pytest.raises(ReleaseError, match=r"a\.tif: holds one image, none was given"):
        TiffFormat().write(tmp_path / "b", template=source, images=iter([]))
    (tmp_path / "c.tif").write_bytes(b"no")
    with pytest.raises(SourceError, match=r"c\.tif: is not a whole TIFF file"):
        TiffFormat().write(tmp_path / "b", template=tmp_path / "c.tif", images=iter([picture()]))
    assert not (tmp_path / "b").exists()
