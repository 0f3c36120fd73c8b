"""Every file that comes with pydicom is protected and given back, or refused for a reason that is known."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pydicom
import pytest

from monai_unlearnable.errors import SourceError
from monai_unlearnable.sources.dicom import DicomImage
from tests.release.dicom.writing import check_both_ways, protect

PACKAGED = Path(pydicom.__file__).parent / "data" / "test_files"

REASONS = {
    "loses something": r"TransferSyntaxUID is .*, which loses something at every writing",
    "no pixels": r"has no PixelData \(it is .*\), so there is no image to protect",
    "list of files": r"is a DICOMDIR, a list of files",
    "no DICOM file": r"is no DICOM file, or a damaged one without preamble",
    "cut short": r"promises \d+ bytes at offset \d+, \d+ are there: the file is cut short or damaged",
    "cells of 32 bits": r"BitsAllocated is 32; only cells of 8 and 16 bits",
    "cells of 1 bit": r"BitsAllocated is 1; only cells of 8 and 16 bits",
    "palette": r"PhotometricInterpretation is 'PALETTE COLOR'",
    "YBR uncompressed": r"PhotometricInterpretation is 'YBR_FULL_422' with SamplesPerPixel 3; handled: RGB",
    "not as its syntax says": r"has no value representation .*, as an Explicit VR file must",
    "bad number": r"NumberOfFrames is '1A'; it must be one whole number",
    "no image module": r"has no BitsAllocated, so its pixels cannot be read",
    "no codec reads it": r"its pixels cannot be decoded \(pylibjpeg: ",
}

COUNTS = {
    "3.0.2": {
        "protected": 55,
        "no pixels": 62,
        "loses something": 23,
        "list of files": 7,
        "no DICOM file": 10,
        "cut short": 3,
        "cells of 32 bits": 8,
        "cells of 1 bit": 2,
        "palette": 1,
        "YBR uncompressed": 1,
        "not as its syntax says": 1,
        "bad number": 1,
        "no image module": 2,
    }
}
"""By version of pydicom: how many of its files are protected, and why the others are not."""

LOSSY_COUNTS = {"3.0.2": {"protected": 21, "no codec reads it": 2}}


def files() -> list[Path]:
    return sorted(path for path in PACKAGED.rglob("*") if path.is_file())


def outcome(path: Path, folder: Path, *, allow_lossy: bool) -> str:
    try:
        protected = protect(path, folder / "copy.dcm", allow_lossy=allow_lossy)
    except SourceError as error:
        assert str(error).startswith(f"{path}: ")
        return next((name for name, reason in REASONS.items() if re.search(reason, str(error))), str(error))
    check_both_ways(protected, folder)
    return "protected"


def test_every_packaged_file(tmp_path: Path) -> None:
    counts = Counter(outcome(path, tmp_path, allow_lossy=False) for path in files())
    print("\n".join(f"{count:4d}  {name}" for name, count in counts.most_common()))
    assert set(counts) <= {"protected", *REASONS}
    assert counts["protected"] > 40
    if pydicom.__version__ in COUNTS:
        assert counts == COUNTS[pydicom.__version__]


@pytest.mark.filterwarnings("ignore")  # pydicom warns of what is odd in these files
def test_every_packaged_file_that_lost_something(tmp_path: Path) -> None:
    lossy = []
    for path in files():
        try:
            DicomImage().header(path)
        except SourceError as error:
            lossy += [path] if "loses something" in str(error) else []
    counts = Counter(outcome(path, tmp_path, allow_lossy=True) for path in lossy)
    print("\n".join(f"{count:4d}  {name}" for name, count in counts.most_common()))
    assert set(counts) <= {"protected", *REASONS}
    if pydicom.__version__ in LOSSY_COUNTS:
        assert counts == LOSSY_COUNTS[pydicom.__version__]
