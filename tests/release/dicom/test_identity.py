"""What releasing a file changes, element by element, and that nothing else does."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from monai_unlearnable import __version__
from monai_unlearnable.errors import ReleaseError
from monai_unlearnable.release.formats.dicom import (
    DicomFormat,
    ReleaseIdentity,
    UidMap,
    large_private_elements,
    write_protected,
)
from monai_unlearnable.sources.dicom import DicomImage
from monai_unlearnable.sources.dicom.content import read_content
from tests.release.dicom.writing import IDENTITY, UIDS, protect
from tests.sources.dicom.building import CT, SERIES, grey, write

OTHER, OUTSIDE = f"{SERIES}.2", "1.2.826.0.7.7"
KNOWN = ReleaseIdentity(uids=UIDS, known=frozenset({f"{SERIES}.1", OTHER, SERIES}))
SYNTAXES = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"]


def item(**values: Any) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def icon() -> Sequence:
    return Sequence([item(Rows=2, Columns=2, BitsAllocated=8, PixelData=b"\1\2\3\4")])


def rich(path: Path, syntax: str, **more: Any) -> Path:
    """A file with all that has to change, at every level, among much that must not."""
    private = Dataset()
    block = private.private_block(0x0029, "SOMEONE", create=True)
    block.add_new(1, "UN", b"\1\2\3\4")
    references = [item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=uid) for uid in (OTHER, OUTSIDE)]
    series = item(SeriesInstanceUID=SERIES, ReferencedInstanceSequence=Sequence(references))
    deep = item(
        IconImageSequence=icon(),
        FrameType=["ORIGINAL", "PRIMARY"],
        DigitalSignaturesSequence=Sequence([item(MACIDNumber=1)]),
        ConversionSourceAttributesSequence=Sequence([item(ReferencedSOPInstanceUID=OTHER)]),
        ReferencedSeriesSequence=Sequence([series]),
        OperatorsName="Doe^Ann",
    )
    fields: dict[str, Any] = {
        "SmallestImagePixelValue": 3,
        "LargestImagePixelValue": 4,
        "DerivationDescription": "made before",
        "IconImageSequence": icon(),
        "DigitalSignaturesSequence": Sequence([item(MACIDNumber=1)]),
        "MACParametersSequence": Sequence([item(MACIDNumber=1)]),
        "ContributingEquipmentSequence": Sequence([item(Manufacturer="Scanner & Co")]),
        "SourceImageSequence": Sequence([item(ReferencedSOPInstanceUID=OUTSIDE)]),
        "ReferencedImageSequence": Sequence(references),
        "RequestAttributesSequence": Sequence([deep, private]),
        "LossyImageCompression": "01",
        "LossyImageCompressionRatio": 10,
        "PatientComments": "b\u00f6se",
        **more,
    }
    write(path, grey(), syntax=syntax, **fields)
    return path


def flat(dataset: Dataset, where: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every element at every level: where it is, its type and its value."""
    for element in dataset:
        name = f"{where}{element.keyword or element.tag}"
        if element.VR != "SQ":
            yield name, element.VR, element.value
            continue
        yield name, "SQ", len(element.value)
        for number, one in enumerate(element.value):
            yield from flat(one, f"{name}[{number}].")


def differences(old: Path, new: Path) -> dict[str, tuple[Any, Any]]:
    sides = [pydicom.dcmread(path) for path in (old, new)]
    tables = [{name: (vr, value) for name, vr, value in [*flat(one.file_meta, "meta."), *flat(one)]} for one in sides]
    before, after = tables
    names = [*before, *(name for name in after if name not in before)]
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_nothing_changes_but_what_must(tmp_path: Path, syntax: str) -> None:
    old = rich(tmp_path / "a.dcm", syntax)
    protected = protect(old, tmp_path / "b.dcm", identity=KNOWN)
    found = differences(old, protected.path)
    new = {name: None if after is None else after[1] for name, (_, after) in found.items()}
    deep = "RequestAttributesSequence[0]."
    assert set(new) == {
        "meta.FileMetaInformationGroupLength",
        "meta.MediaStorageSOPInstanceUID",
        "ImageType",
        "SOPInstanceUID",
        "SeriesInstanceUID",
        "DerivationDescription",
        "SmallestImagePixelValue",
        "LargestImagePixelValue",
        "PixelData",
        "ReferencedImageSequence[0].ReferencedSOPInstanceUID",
        f"{deep}FrameType",
        f"{deep}ConversionSourceAttributesSequence[0].ReferencedSOPInstanceUID",
        f"{deep}ReferencedSeriesSequence[0].SeriesInstanceUID",
        f"{deep}ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID",
        *(name for name in new if re.search("Icon|DigitalSignatures|MACParameters", name)),
        *(name for name in new if re.match(r"ContributingEquipmentSequence(\[1\].*)?$", name)),
    }
    gone = {"IconImageSequence", "DigitalSignaturesSequence", "MACParametersSequence"}
    assert gone | {f"{deep}IconImageSequence", f"{deep}DigitalSignaturesSequence"} <= set(new)
    assert all(new[name] is None for name in new if re.search("Icon|DigitalSignatures|MACParameters", name))
    assert new["meta.MediaStorageSOPInstanceUID"] == new["SOPInstanceUID"] == UIDS.new(f"{SERIES}.1")
    assert new["SeriesInstanceUID"] == new[f"{deep}ReferencedSeriesSequence[0].SeriesInstanceUID"] == UIDS.new(SERIES)
    assert new["ReferencedImageSequence[0].ReferencedSOPInstanceUID"] == UIDS.new(OTHER)
    assert new["ImageType"] == ["DERIVED", "PRIMARY", "AXIAL"]
    assert new[f"{deep}FrameType"] == ["DERIVED", "PRIMARY"]
    assert new["SmallestImagePixelValue"] == protected.image.min()
    assert new["LargestImagePixelValue"] == protected.image.max()
    assert protected.path.read_bytes()[:132] == old.read_bytes()[:132]


def test_what_is_said_of_the_change(tmp_path: Path) -> None:
    copy = pydicom.dcmread(protect(write(tmp_path / "a.dcm", grey()), tmp_path / "b.dcm").path)
    sentence = "Pixel values were changed by small whole steps to protect the image from unauthorised training."
    assert copy.DerivationDescription == sentence
    (equipment,) = copy.ContributingEquipmentSequence
    assert (equipment.Manufacturer, equipment.SoftwareVersions) == ("monai_unlearnable", __version__)
    (purpose,) = equipment.PurposeOfReferenceCodeSequence
    assert [purpose.CodeValue, purpose.CodingSchemeDesignator] == ["109103", "DCM"]
    assert purpose.CodeMeaning == "Modifying Equipment"
    assert "SourceImageSequence" not in copy


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("made before", "made before Pixel values were"),
        ("x" * 1000, "Pixel values were"),
        ("\x1b$B", "Pixel values were"),
    ],
)
def test_an_older_derivation_is_kept_where_it_fits(tmp_path: Path, before: str, after: str) -> None:
    path = write(tmp_path / "a.dcm", grey())
    dataset = pydicom.dcmread(path)
    dataset.add_new("DerivationDescription", "ST", before.encode())
    dataset.save_as(path)
    copy = pydicom.dcmread(protect(path, tmp_path / "b.dcm").path)
    assert copy.DerivationDescription.startswith(after)


def test_the_original_is_named_only_on_request(tmp_path: Path) -> None:
    old = rich(tmp_path / "a.dcm", SYNTAXES[1])
    identity = ReleaseIdentity(uids=UIDS, reference_source=True)
    copy = pydicom.dcmread(protect(old, tmp_path / "b.dcm", identity=identity).path)
    first, second = copy.SourceImageSequence
    assert first.ReferencedSOPInstanceUID == OUTSIDE
    assert (second.ReferencedSOPClassUID, second.ReferencedSOPInstanceUID) == (CT, f"{SERIES}.1")
    assert second.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
    form = DicomFormat(identity=identity)
    assert form.untouched_sha256(old) == form.untouched_sha256(tmp_path / "b.dcm")
    protect(old, tmp_path / "c.dcm")
    assert f"{SERIES}.1\0".encode() not in (tmp_path / "c.dcm").read_bytes()


def test_private_elements_stay_or_go(tmp_path: Path) -> None:
    old = rich(tmp_path / "a.dcm", SYNTAXES[1])
    dataset = pydicom.dcmread(old)
    dataset.private_block(0x0033, "SOMEONE ELSE", create=True).add_new(2, "OB", bytes(4096))
    dataset.save_as(old)
    kept = protect(old, tmp_path / "b.dcm")
    assert large_private_elements(read_content(old)) == ("(0033,1002), 4108 bytes",)
    assert "(0033,1002), 4108 bytes" in kept.written.notices[0]
    assert pydicom.dcmread(kept.path)[0x0033, 0x1002].value == bytes(4096)
    identity = ReleaseIdentity(uids=UIDS, drop_private=True)
    gone = protect(old, tmp_path / "c.dcm", identity=identity)
    assert gone.written.notices == ()
    assert not [name for name, _, _ in flat(pydicom.dcmread(gone.path)) if re.search(r"\((0029|0033),", name)]
    form = DicomFormat(identity=identity)
    assert form.untouched_sha256(old) == form.untouched_sha256(gone.path)


@pytest.mark.parametrize("change", ["PatientName", "RequestAttributesSequence", "WindowCenter", "Manufacturer"])
def test_any_other_change_shows_in_the_hash(tmp_path: Path, change: str) -> None:
    old = rich(tmp_path / "a.dcm", SYNTAXES[1])
    copy = protect(old, tmp_path / "b.dcm").path
    form = DicomFormat(identity=IDENTITY)
    assert form.untouched_sha256(old) == form.untouched_sha256(copy)
    dataset = pydicom.dcmread(copy)
    if change == "RequestAttributesSequence":
        dataset.RequestAttributesSequence[0].OperatorsName = "Doe^Bob"
    elif change == "Manufacturer":
        dataset.ContributingEquipmentSequence[0].Manufacturer = "Else"
    else:
        setattr(dataset, change, "7")
    dataset.save_as(copy)
    assert form.untouched_sha256(old)["data_set"] != form.untouched_sha256(copy)["data_set"]
    assert form.untouched_sha256(old)["file_meta"] == form.untouched_sha256(copy)["file_meta"]
    copy.write_bytes(b"\1" + copy.read_bytes()[1:])
    assert form.untouched_sha256(old)["file_meta"] != form.untouched_sha256(copy)["file_meta"]


def test_retired_group_lengths_stay_true(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", grey())
    data = path.read_bytes()
    at = data.index(b"\x08\x00\x05\x00CS")
    content = read_content(path)
    size = sum(len(one.header) + len(one.value) for one in content.elements if one.tag >> 16 == 8)
    path.write_bytes(data[:at] + b"\x08\x00\x00\x00UL\x04\x00" + size.to_bytes(4, "little") + data[at:])
    copy = read_content(protect(path, tmp_path / "b.dcm").path)
    group = [one for one in copy.elements if one.tag >> 16 == 8]
    assert group[0].tag == 0x00080000
    counted = sum(len(one.header) + len(one.value) for one in group[1:])
    assert int.from_bytes(group[0].value, "little") == counted > size


def test_uids_are_made_from_the_secret() -> None:
    first, second = UidMap(b"a secret of some length"), UidMap(b"another secret, as long")
    assert first.new("1.2.3") == UidMap(b"a secret of some length").new("1.2.3") != second.new("1.2.3")
    assert len({first.new(f"1.2.{number}") for number in range(1000)}) == 1000
    for number in range(50):
        uid = first.new(str(number))
        made = uuid.UUID(int=int(uid.removeprefix("2.25.")))
        assert made.variant == uuid.RFC_4122 and made.version == 8
        assert pydicom.uid.UID(uid).is_valid
    assert "secret" not in repr(first).replace("secret=", "")
    with pytest.raises(ReleaseError, match="The secret for new UIDs is 5 bytes long; 16 random bytes are the least"):
        UidMap(b"short")


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", grey(), BitsStored=12, PixelPaddingValue=int(grey()[0, 0, 0, 0]))
    levels = DicomImage().read(path)
    cases = {
        r"holds uint16 \(1, 4, 5\), the image to write is uint16 \(4, 5\)": levels[0],
        r"holds uint16 \(1, 4, 5\), the image to write is int16 \(1, 4, 5\)": levels.astype("int16"),
        r"BitsStored 12 holds levels 0 to 4095, the image to write has 3066 to 6882": levels + 3000,
        r"1 padding voxels \(PixelPaddingValue\) would change": levels + (levels == levels[0, 0, 0]),
    }
    for message, image in cases.items():
        with pytest.raises(ReleaseError, match=message):
            write_protected(tmp_path / "b.dcm", template=path, image=image.astype(image.dtype), identity=IDENTITY)
    form = DicomFormat(identity=IDENTITY)
    for images, message in (([], "none was given"), ([levels, levels], "more were given")):
        with pytest.raises(ReleaseError, match=message):
            form.write(tmp_path / "b.dcm", template=path, images=iter(images))
    assert not (tmp_path / "b.dcm").exists()
    form.write(tmp_path / "b.dcm", template=path, images=iter([levels]))
    assert [one.tolist() for one in form.read(tmp_path / "b.dcm")] == [levels.tolist()]


def test_a_file_without_instance_uid_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm", grey())
    dataset = pydicom.dcmread(path)
    del dataset.SOPInstanceUID
    dataset.save_as(path)
    with pytest.raises(ReleaseError, match="has no SOPInstanceUID, so it cannot get a new one"):
        protect(path, tmp_path / "b.dcm")
