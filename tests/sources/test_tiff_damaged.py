from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from monai_unlearnable.errors import SourceError
from tests.sources.mutations import mutations, survives
from tests.sources.test_tiff_file import READER, RELEASE, open_tiff, picture, refused, save_tiff


def set_tag(path: Path, code: int, value: int) -> None:
    """Overwrite the value that is written into a tag's own entry."""
    with open_tiff(path) as tif:
        tag = tif.pages[0].tags[code]
        order, position = tif.byteorder, tag.valueoffset
        kind = {3: "H", 4: "I"}[int(tag.dtype)]
    content = bytearray(path.read_bytes())
    struct.pack_into(order + kind, content, position, value)
    path.write_bytes(content)


def test_refuses_sizes_that_the_file_cannot_hold(tmp_path: Path) -> None:
    path = save_tiff(tmp_path / "a.tif", picture(), metadata=None)
    set_tag(path, 257, 30000)
    with pytest.raises(SourceError, match=r"has 1 strips or tiles, its header says 1500\."):
        READER.read(path)
    set_tag(path, 278, 30000)
    with pytest.raises(SourceError, match="strip or tile 0 unpacks to 740 bytes, its header says from 1110000 to"):
        READER.read(path)
    set_tag(path, 256, 30000)
    refused(path, "has 30000 x 30000 pixels, more than the limit of 89478485")
    path = save_tiff(tmp_path / "b.tif", picture(), tile=(16, 16), compression="deflate")
    set_tag(path, 322, 40000)
    set_tag(path, 323, 40000)
    with pytest.raises(SourceError, match="has strips or tiles of 1600000000 bytes, more than the limit"):
        READER.read(path)


@pytest.mark.parametrize("options", [{"rowsperstrip": 3}, {"compression": "adobe_deflate"}, {"tile": (16, 16)}])
def test_refuses_a_file_that_is_cut_short(tmp_path: Path, options: dict[str, Any]) -> None:
    path = save_tiff(tmp_path / "a.tif", picture(), metadata=None, **options)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SourceError, match=r"says that \d+ bytes of pixels lie at byte \d+, the file has \d+\."):
        READER.read(path)


def test_a_strip_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = save_tiff(tmp_path / "a.tif", picture(), compression="adobe_deflate", rowsperstrip=20)
    with open_tiff(path) as tif:
        offset, size = tif.pages[0].dataoffsets[0], tif.pages[0].databytecounts[0]
    bomb = zlib.compress(bytes(100_000), 9)
    assert len(bomb) <= size
    content = bytearray(path.read_bytes())
    content[offset : offset + len(bomb)] = bomb
    path.write_bytes(content)
    with pytest.raises(SourceError, match="strip or tile 0 unpacks to 741 bytes, its header says from 740 to 740"):
        READER.read(path)


def test_refuses_a_planar_configuration_that_leaves_parts_unset(tmp_path: Path) -> None:
    path = save_tiff(tmp_path / "a.tif", picture(colours=3), tile=(16, 16), metadata=None)
    set_tag(path, 284, 57)
    refused(path, "has the planar configuration .*, which TIFF does not know")


@pytest.mark.parametrize("compression", ["tiff_adobe_deflate", "packbits", "raw"])
def test_refuses_strips_that_are_too_short(tmp_path: Path, compression: str) -> None:
    path, image = tmp_path / "a.tif", picture(height=7)
    Image.fromarray(image[0]).save(path, compression=compression)
    set_tag(path, 257, 8)
    set_tag(path, 278, 8)
    with pytest.raises(SourceError, match="strip or tile 0 unpacks to 259 bytes, its header says from 296 to 296"):
        READER.read(path)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "adobe_deflate", "predictor": True, "rowsperstrip": 7},
        {"tile": (16, 16), "compression": "deflate", "byteorder": ">"},
        {"bigtiff": True, "resolution": (3, 4), "extratags": [(274, 3, 1, 6, True)]},
    ],
)
def test_damaged_files_give_named_errors_only(tmp_path: Path, options: dict[str, Any]) -> None:
    good = save_tiff(tmp_path / "a.tif", picture(colours=3), **options).read_bytes()
    path = tmp_path / "damaged.tif"
    read = 0
    for mutant in mutations(good, count=300, seed=5):
        path.write_bytes(mutant)
        read += survives(path, reader=READER, release=RELEASE)
    assert 0 < read < 300


def test_damaged_packbits_give_named_errors_only(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(picture()[0]).save(stream, "TIFF", compression="packbits")
    path = tmp_path / "damaged.tif"
    read = 0
    for mutant in mutations(stream.getvalue(), count=300, seed=6, focus_bytes=2000):
        path.write_bytes(mutant)
        read += survives(path, reader=READER, release=RELEASE)
    assert 0 < read < 300
