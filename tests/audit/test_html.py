from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_unlearnable.audit import audit_release
from monai_unlearnable.audit.pairing import open_data
from monai_unlearnable.audit.previews import pick_examples
from tests.audit.tiny import RECIPE, write_folders

HOSTILE = '<img src=x onerror="a&b">'


class _Page(HTMLParser):
    """Collect start tags with their attributes, and unclosed tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("html")
    clean = write_folders(folder / "clean", names=(HOSTILE, "b"))
    release = write_folders(folder / "release", names=(HOSTILE, "b"), swapped=True)
    recipe = replace(RECIPE, name="<i>tiny</i>")
    audit_release(release, clean=clean, output=folder / "out", recipes=(recipe,), seeds=2)
    return (folder / "out" / "audit.html").read_text(encoding="utf-8")


def test_names_from_data_are_escaped(page: str) -> None:
    assert "&lt;img src=x onerror=&quot;a&amp;b&quot;&gt;" in page
    assert "&lt;i&gt;tiny&lt;/i&gt;" in page
    tags = _Page(page).tags
    assert not any("onerror" in attributes for _, attributes in tags)
    assert not any(tag in ("i", "script") for tag, _ in tags)


def test_every_tag_is_closed(page: str) -> None:
    assert _Page(page).open == []


def test_nothing_is_requested_from_anywhere(page: str) -> None:
    tags = _Page(page).tags
    assert not any(tag in ("script", "link", "iframe", "object", "form") for tag, _ in tags)
    images = [attributes for tag, attributes in tags if tag == "img"]
    assert len(images) == 7
    assert all((one["src"] or "").startswith("data:image/png;base64,") for one in images)
    assert "http" not in re.sub(r"http-equiv", "", page)
    assert "url(" not in page
    assert "default-src 'none'" in page


def test_every_picture_is_described(page: str) -> None:
    images = [attributes for tag, attributes in _Page(page).tags if tag == "img"]
    assert all(one["alt"] for one in images)


def test_the_reader_finds_verdict_figures_and_limits(page: str) -> None:
    for words in (
        "Protected against the victims of this audit",
        "What victims learned",
        "Known limits",
        "not de-identification",
        "pretrained weights",
        "How to read this",
        "a hold-out: 12 clean originals",
        "Fewer than three seeds",
        "no readable manifest.json",
    ):
        assert words in page


def test_pictures_show_exactly_the_stored_pixels(tmp_path: Path) -> None:
    clean = write_folders(tmp_path / "clean")
    data = open_data(write_folders(tmp_path / "release", swapped=True), clean=clean)
    example = pick_examples(data)[1]
    (triple,) = example.triples
    shown = [_decode(one) for one in (triple.clean, triple.delta, triple.released)]
    index = data.release.sample_ids.index(example.sample_id)
    original = data.clean.read(index)[0].astype(int)
    assert np.array_equal(shown[0], original)
    assert np.array_equal(shown[2], data.release.read(index)[0])
    assert np.array_equal(shown[1], 128 + example.magnification * (shown[2].astype(int) - original))


def test_a_large_image_is_shown_whole_and_in_part_at_full_resolution(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        pixels = generator.integers(1, 200, size=(300, 501, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / name / "1.png")
    data = open_data(tmp_path, clean=tmp_path, test=tmp_path)
    whole, part = pick_examples(data)[0].triples
    original = np.moveaxis(data.clean.read(0), 0, -1)
    assert np.array_equal(_decode(part.clean), original[22:278, 122:378])
    blocks = np.pad(original, ((0, 0), (0, 1), (0, 0)), mode="edge").reshape(150, 2, 251, 2, 3).mean(axis=(1, 3))
    assert np.abs(_decode(whole.clean) - blocks).max() <= 0.5
    assert [whole.aspect, part.aspect] == pytest.approx([501 / 300, 1.0])


def test_an_unchanged_image_is_shown_as_mid_grey(tmp_path: Path) -> None:
    clean = write_folders(tmp_path)
    (triple,) = pick_examples(open_data(clean, clean=clean))[0].triples
    assert (_decode(triple.delta) == 128).all()


def _decode(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))
