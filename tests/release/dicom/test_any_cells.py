"""Whatever the cells look like: the delta goes into the stored bits, and no other bit changes."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monai_unlearnable.release.formats.dicom import changed_elements, write_protected, write_restored
from monai_unlearnable.sources.dicom import DicomImage
from monai_unlearnable.sources.dicom.content import read_content
from tests.release.dicom.writing import IDENTITY, some_delta
from tests.sources.dicom.building import level_of, with_level, write

OUTSIDE = 0x8000
SYNTAXES = {
    "implicit": "1.2.840.10008.1.2",
    "explicit": "1.2.840.10008.1.2.1",
    "big endian": "1.2.840.10008.1.2.2",
    "deflated": "1.2.840.10008.1.2.1.99",
}


@st.composite
def layouts(draw: st.DrawFn) -> dict[str, Any]:
    allocated = draw(st.sampled_from([8, 16]))
    stored = draw(st.integers(2, allocated))
    samples = draw(st.sampled_from([1, 3]))
    return {
        "allocated": allocated,
        "stored": stored,
        "high": draw(st.integers(stored - 1, allocated - 1)),
        "signed": draw(st.booleans()) and samples == 1,
        "samples": samples,
        "planar": draw(st.sampled_from([0, 1])) if samples == 3 else None,
        "frames": draw(st.sampled_from([1, 2])),
        "syntax": draw(st.sampled_from(list(SYNTAXES.values()))),
        "fill": draw(st.sampled_from(["any bits", "zeros", "sign"])),
        "padding": draw(st.sampled_from([None, "a level", "outside"])) if samples == 1 else None,
        "seed": draw(st.integers(0, 99)),
    }


def some_cells(layout: dict[str, Any]) -> NDArray[np.unsignedinteger[Any]]:
    generator, stored, high = np.random.default_rng(layout["seed"]), layout["stored"], layout["high"]
    shape = (layout["frames"], 3, 3, layout["samples"])
    cells = generator.integers(0, 1 << layout["allocated"], shape).astype(f"u{layout['allocated'] // 8}")
    if layout["fill"] != "any bits":
        mask = ((1 << stored) - 1) << (high + 1 - stored)
        cells &= np.array(mask, dtype=cells.dtype)
    if layout["fill"] == "sign" and layout["signed"]:
        above = ((1 << layout["allocated"]) - 1) >> (high + 1) << (high + 1)
        negative = (cells >> np.array(high, dtype=cells.dtype)) & np.array(1, dtype=cells.dtype)
        cells = np.where(negative, cells | np.array(above, dtype=cells.dtype), cells)
    if is_outside(layout):
        cells.flat[[0, 4]] = OUTSIDE
    return cells


def is_outside(layout: dict[str, Any]) -> bool:
    """Say whether padding is the lowest number of a cell, of which the stored bits show a part."""
    signed, wide = layout["signed"], layout["allocated"] == 16
    return bool(layout["padding"] == "outside" and signed and wide and layout["high"] < 15)


def made(path: Path, layout: dict[str, Any], cells: NDArray[np.unsignedinteger[Any]]) -> Path:
    fields: dict[str, Any] = {"BitsStored": layout["stored"], "HighBit": layout["high"]}
    fields["PixelRepresentation"] = int(layout["signed"])
    if layout["planar"] is not None:
        fields["PlanarConfiguration"] = layout["planar"]
    if layout["padding"]:
        fields["PixelPaddingValue"] = -OUTSIDE if is_outside(layout) else int(oracle(cells, layout).flat[0])
    return write(path, cells, syntax=layout["syntax"], **fields)


def oracle(cells: NDArray[np.unsignedinteger[Any]], layout: dict[str, Any]) -> NDArray[np.int64]:
    """Levels, ``(sample, [frame,] row, column)``, one bit after the other."""
    levels = [
        level_of(int(cell), stored=layout["stored"], high=layout["high"], signed=layout["signed"])
        for cell in cells.ravel()
    ]
    channel_first = np.moveaxis(np.array(levels).reshape(cells.shape), -1, 0)
    return channel_first if layout["frames"] > 1 else channel_first[:, 0]


def cells_of(path: Path, layout: dict[str, Any]) -> NDArray[np.int64]:
    """Whole cells, ``(frame, row, column, sample)``, from the raw bytes of the file."""
    content = read_content(path)
    element = content.find(0x7FE00010)
    assert element is not None
    raw, big = bytes(element.value), layout["syntax"] == SYNTAXES["big endian"]
    if layout["allocated"] == 8 and big:
        raw = b"".join(raw[at : at + 2][::-1] for at in range(0, len(raw), 2))
    count = layout["frames"] * 9 * layout["samples"]
    flat = np.frombuffer(raw, dtype=f"{'>' if big else '<'}u{layout['allocated'] // 8}", count=count)
    if layout["planar"] == 1:
        return np.moveaxis(flat.reshape(layout["frames"], 3, 3, 3), 1, -1).astype(np.int64)
    return flat.reshape(layout["frames"], 3, 3, layout["samples"]).astype(np.int64)


@settings(max_examples=150)
@given(layout=layouts())
def test_only_the_stored_bits_change(tmp_path_factory: pytest.TempPathFactory, layout: dict[str, Any]) -> None:
    folder, cells = tmp_path_factory.mktemp("cells"), some_cells(layout)
    path = made(folder / "a.dcm", layout, cells)
    reader = DicomImage()
    header, levels, untouchable = reader.header(path), reader.read(path), reader.untouchable(path)
    assert np.array_equal(levels, oracle(cells, layout))
    half = 1 << (layout["stored"] - 1)
    limits = (-half, half - 1) if layout["signed"] else (0, 2 * half - 1)
    assert (header.low_level, header.high_level) == limits
    if is_outside(layout):
        assert untouchable is not None and untouchable.flat[[0, 4]].all()
    elif layout["padding"]:
        assert untouchable is not None and untouchable[oracle(cells, layout) == oracle(cells, layout).flat[0]].all()
    image = some_delta(levels, low=limits[0], high=limits[1], untouchable=untouchable)
    write_protected(folder / "b.dcm", template=path, image=image, identity=IDENTITY)
    assert np.array_equal(reader.read(folder / "b.dcm"), image)
    check_other_bits(cells, cells_of(folder / "b.dcm", layout), image, layout, untouchable)
    record = changed_elements(path, released=folder / "b.dcm")
    write_restored(folder / "c.dcm", released=folder / "b.dcm", image=levels, record=record)
    assert np.array_equal(cells_of(folder / "c.dcm", layout), cells)
    if layout["syntax"] != SYNTAXES["deflated"]:
        assert (folder / "c.dcm").read_bytes() == path.read_bytes()


def check_other_bits(
    old: NDArray[np.unsignedinteger[Any]],
    new: NDArray[np.int64],
    image: NDArray[Any],
    layout: dict[str, Any],
    untouchable: NDArray[np.bool_] | None,
) -> None:
    framed = image if layout["frames"] > 1 else image[:, None]
    hidden = np.zeros(image.shape, dtype=bool) if untouchable is None else untouchable
    padding = np.moveaxis(hidden.reshape(framed.shape), 0, -1).ravel().tolist()
    wanted = [
        with_level(int(cell), int(level), stored=layout["stored"], high=layout["high"])
        for cell, level in zip(old.ravel(), np.moveaxis(framed, 0, -1).ravel(), strict=True)
    ]
    above = (1 << layout["allocated"]) - (1 << (layout["high"] + 1))
    signs = [above if cell >> layout["high"] & 1 else 0 for cell in old.ravel().tolist()]
    repeats = [cell & above == sign for cell, sign in zip(old.ravel().tolist(), signs, strict=True)]
    if layout["signed"] and above and all(map(operator.or_, repeats, padding)):
        wanted = [
            cell & ~above | (above if cell >> layout["high"] & 1 else 0) if one else cell
            for cell, one in zip(wanted, repeats, strict=True)
        ]
    assert new.ravel().tolist() == wanted
