"""dciodvfy, which checks a file against the DICOM standard, finds no error that the original does not have."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pydicom
import pytest

from monai_unlearnable.errors import SourceError
from monai_unlearnable.release.formats.dicom import ReleaseIdentity
from monai_unlearnable.sources.dicom import DicomImage
from tests.interop.programs import DCIODVFY, path_of
from tests.interop.roads import protect_folder
from tests.release.dicom import writing
from tests.release.dicom.writing import UIDS

pytestmark = pytest.mark.interop

PACKAGED = Path(pydicom.__file__).parent / "data" / "test_files"
DEFLATED = "1.2.840.10008.1.2.1.99"


def complaints(path: Path) -> set[str]:
    command = [path_of(DCIODVFY), "-new", str(path)]
    run = subprocess.run(command, capture_output=True, check=False, text=True, errors="replace")
    lines = (run.stdout + run.stderr).splitlines()
    assert lines, f"dciodvfy says nothing about {path.name}, not even its name"
    return {line for line in lines if line.startswith("Error")}


@pytest.mark.parametrize("reference_source", [False, True])
def test_packaged_files(tmp_path: Path, reference_source: bool) -> None:
    identity = ReleaseIdentity(uids=UIDS, reference_source=reference_source)
    checked = 0
    for path in sorted(one for one in PACKAGED.rglob("*") if one.is_file()):
        try:
            header = DicomImage(allow_lossy=True).header(path)
            writing.protect(path, tmp_path / "copy.dcm", identity=identity, allow_lossy=True)
        except SourceError:
            continue
        if header.transfer_syntax != DEFLATED:  # which dciodvfy does not read
            assert complaints(tmp_path / "copy.dcm") <= complaints(path), path.name
            checked += 1
    assert checked > 60


@pytest.mark.parametrize("series", ["ct_chest", "mr_brain"])
def test_every_slice_of_real_series(tmp_path: Path, shared_data: Path, series: str) -> None:
    originals = sorted((shared_data / "dicom" / series).iterdir())
    assert len(originals) > 20
    for number, path in enumerate(originals):
        (tmp_path / "source" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "source" / "ab"[number % 2] / path.name)
    report = protect_folder(tmp_path)
    assert (report.held, report.images) == (True, len(originals))
    for number, path in enumerate(originals):
        copy = tmp_path / "release" / "ab"[number % 2] / path.name
        assert complaints(copy) <= complaints(path), path.name
