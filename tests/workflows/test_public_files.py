"""No public file tells who a patient is, where a source lay or who made the release, but for what image files keep.

Headers of DICOM, NIfTI, MetaImage and NRRD files stay as they were, so that what they say stays in that file itself:
this software does not de-identify. Nowhere else may it occur: not in another file, nor in manifest, CSV or report.
"""

from __future__ import annotations

import base64
import gzip
import io
import platform
import re
import socket
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from PIL import Image, PngImagePlugin

from monai_unlearnable.cli import main
from monai_unlearnable.release import read_ledger
from tests.sources.dicom.building import write

FAMILY, GIVEN, PATIENT_ID, BIRTH = "Quillonbridge", "Zyxwania", "PID-735190442", "19370203"
WARD, ACCESSION, PHYSICIAN = "Ward-Obsidian", "ACC-88231907", "Thorneveldt"
STUDY, SERIES, INSTANCE = (f"1.2.826.0.1.3680043.9.{number}" for number in (11112222, 33334444, 55556666))
USER, HOST = "zephyrine-user", "obelisk-station-42"
PERSON = {FAMILY, GIVEN, PATIENT_ID, BIRTH, "1937-02-03", ACCESSION, PHYSICIAN, STUDY}
NEW_UIDS = {SERIES, INSTANCE}
PLACE = {USER, HOST, "archive-of-Basaltine", "ledger-of-Feldspar", "home-of-Malachite"}
KEEPS_ITS_HEADER = (".dcm", ".nii", ".nii.gz", ".mha", ".nrrd")
CODES = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le")
REMARK = f"{FAMILY}^{GIVEN} {PATIENT_ID} {BIRTH} {ACCESSION} {PHYSICIAN} {STUDY}"


def levels(seed: int, *shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(100, 3000, shape or (12, 12)).astype(np.uint16)


def write_dicom(path: Path, seed: int) -> None:
    patient = {"PatientName": f"{FAMILY}^{GIVEN}", "PatientID": PATIENT_ID, "PatientBirthDate": BIRTH}
    uids = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES, "SOPInstanceUID": f"{INSTANCE}.{seed}"}
    more = {"AccessionNumber": ACCESSION, "ReferringPhysicianName": PHYSICIAN, "InstitutionName": WARD}
    write(path, levels(seed)[None, ..., None], **patient, **uids, **more)


def write_nifti(path: Path, seed: int) -> None:
    image = nibabel.nifti1.Nifti1Image(levels(seed), np.eye(4))
    image.header["descrip"] = f"{FAMILY} {PATIENT_ID}".encode()
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(6, REMARK.encode()))
    nibabel.loadsave.save(image, path)


def write_itk(path: Path, seed: int) -> None:
    image = SimpleITK.GetImageFromArray(levels(seed))
    image.SetMetaData("Comment", REMARK)
    SimpleITK.WriteImage(image, str(path))


def write_png(path: Path, seed: int) -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", REMARK)
    texts.add_text("Author", PHYSICIAN, zip=True)
    texts.add_itxt("Title", f"{GIVEN} {FAMILY}", zip=True)
    exif = Image.Exif()
    exif[0x010E] = REMARK
    Image.fromarray(levels(seed)).save(path, pnginfo=texts, exif=exif)


def write_tiff(path: Path, seed: int) -> None:
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(path, levels(seed), description=REMARK, software=PHYSICIAN, metadata=None)


WRITERS = {".dcm": write_dicom, ".nii.gz": write_nifti, ".nii": write_nifti, ".mha": write_itk, ".nrrd": write_itk}
WRITERS |= {".png": write_png, ".tif": write_tiff}


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose names all tell something."""
    home = tmp_path / "home-of-Malachite"
    home.mkdir()
    for name in ("USER", "LOGNAME", "USERNAME"):
        monkeypatch.setenv(name, USER)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("HOSTNAME", HOST)
    for owner, name in ((platform, "node"), (socket, "gethostname"), (socket, "getfqdn")):
        monkeypatch.setattr(owner, name, lambda *_: HOST)
    return home


@pytest.fixture
def source(places: Path) -> Path:
    """Pictures of every format that has room for a name, in a folder that is named after the patient."""
    folder = places / "archive-of-Basaltine" / f"{FAMILY}_{BIRTH}"
    for number, (ending, save) in enumerate([*WRITERS.items()] * 2):
        path = folder / "ab"[number >= len(WRITERS)] / f"{number:02d}{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, number)
    return folder


def views(path: Path) -> Iterator[bytes]:
    """Everything that somebody can take out of a file: its bytes, what is packed in it, what is coded in its text."""
    data = path.read_bytes()
    yield path.name.encode() + b"\n" + data
    if data.startswith(b"\x1f\x8b"):
        yield gzip.decompress(data)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield "\n".join([str(archive.comment), *archive.namelist()]).encode()
            yield from map(archive.read, archive.namelist())
    if data.startswith(b"\x89PNG"):
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            yield repr((picture.info, dict(picture.getexif()))).encode()
    for start in (match.start() for match in re.finditer(rb"\x78[\x01\x9c\xda]", data)):
        try:
            yield zlib.decompressobj().decompress(data[start:], 1 << 20)
        except zlib.error:
            continue
    for part in data.split(b"base64,")[1:]:
        text = part.split(b'"')[0].split(b")")[0]
        yield base64.b64decode(text + b"=" * (-len(text) % 4))


def told(path: Path, secrets: set[str]) -> set[str]:
    found = set()
    for view in map(bytes.lower, views(path)):
        for one in secrets:
            plain = one.lower()
            if any(plain.encode(code) in view for code in CODES):
                found.add(one)
    return found


def check_public(folder: Path, secrets: set[str]) -> int:
    files = [one for one in folder.rglob("*") if one.is_file()]
    for path in files:
        may_keep = PERSON | {WARD} if path.name.endswith(KEEPS_ITS_HEADER) else set()
        assert told(path, secrets) <= may_keep, path.name
    return len(files)


def secrets_of(ledger: Path) -> set[str]:
    content = read_ledger(ledger)
    hashes = {sample.original_sha256 for file in content.files for sample in file.samples}
    hashes |= {file.source_sha256 for file in content.files}
    return PERSON | NEW_UIDS | PLACE | {WARD, str(content.configuration["seed"]), content.uid_secret} | (hashes - {""})


def test_the_scan_finds_what_is_there(source: Path) -> None:
    """Every way of writing a name that this file knows is a way that it can find one."""
    for path in source.rglob("*.*"):
        assert {FAMILY, PHYSICIAN} <= told(path, PERSON), path.name
    page = source / "page.html"
    picture = base64.b64encode((source / "a/05.png").read_bytes())
    page.write_bytes(b'<img src="data:image/png;base64,' + picture + b'">')
    assert told(page, PERSON) >= {FAMILY}
    np.savez_compressed(source / "set.npz", note=np.array([REMARK]))
    assert told(source / "set.npz", PERSON) >= {FAMILY}


def test_release_and_report_of_image_files(source: Path, places: Path, tmp_path: Path) -> None:
    release, ledger, report = tmp_path / "release", places / "ledger-of-Feldspar", tmp_path / "report"
    words = ["protect", source, "--output", release, "--ledger", ledger, "--perturbation", "synthetic"]
    assert main([*map(str, words), "--radius", "60 levels", "--seed", "922337203685477580"]) == 0
    secrets = secrets_of(ledger) | {str(places), str(tmp_path), tmp_path.name}
    assert check_public(release, secrets) == 2 * len(WRITERS) + 1
    words = [
        "audit",
        release,
        "--clean",
        source,
        "--output",
        report,
        "--seeds",
        "1",
        "--epochs",
        "1",
        "--victim-size-px",
        "12",
    ]
    assert main([str(one) for one in words]) in (0, 1)  # a victim of one epoch learns nothing, which is no matter here
    assert check_public(report, secrets) >= 2


def test_dicom_files_tell_it_in_their_own_tags_only(source: Path, places: Path, tmp_path: Path) -> None:
    words = ["protect", source, "--output", tmp_path / "release", "--ledger", places / "ledger"]
    assert main([*map(str, words), "--perturbation", "synthetic", "--radius", "60 levels"]) == 0
    files = list((tmp_path / "release").rglob("*.dcm"))
    assert len(files) == 2
    for path in files:
        copy, original = pydicom.dcmread(path), pydicom.dcmread(source / path.relative_to(tmp_path / "release"))
        kept = ["PatientName", "PatientID", "PatientBirthDate", "AccessionNumber", "ReferringPhysicianName"]
        for keyword in [*kept, "InstitutionName", "StudyInstanceUID"]:
            assert copy[keyword].value == original[keyword].value
            del copy[keyword]
        bare = tmp_path / "bare.dcm"
        copy.save_as(bare)
        assert told(bare, PERSON | NEW_UIDS | PLACE | {WARD}) == set()


def test_a_labels_file_and_an_archive(source: Path, places: Path, tmp_path: Path) -> None:
    labels = places / "archive-of-Basaltine" / f"{PATIENT_ID}.csv"
    names = sorted(path.relative_to(source).as_posix() for path in source.rglob("*.png"))
    labels.write_text("file,label\n" + "".join(f"{name},{number}\n" for number, name in enumerate(names)))
    words = ["protect", source, "--labels", labels, "--output", tmp_path / "release", "--ledger", places / "ledger"]
    assert main([*map(str, words), "--perturbation", "synthetic", "--radius", "60 levels"]) == 0
    assert check_public(tmp_path / "release", secrets_of(places / "ledger") | {str(places)}) == len(names) + 2
    images = np.stack([(levels(seed) // 16).astype(np.uint8) for seed in range(4)])
    archive = source / "set.npz"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.comment = REMARK.encode()
        for name, array in (("train_images", images), ("train_labels", np.arange(4)[:, None] % 2)):
            stream = io.BytesIO()
            np.save(stream, array)
            entry = zipfile.ZipInfo(f"{name}.npy")
            entry.comment = REMARK.encode()
            packed.writestr(entry, stream.getvalue())
    words = ["protect", archive, "--output", tmp_path / "other", "--ledger", places / "other-ledger"]
    assert main([*map(str, words), "--perturbation", "synthetic"]) == 0
    assert check_public(tmp_path / "other", secrets_of(places / "other-ledger") | {str(places)}) == 2
