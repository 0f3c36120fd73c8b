"""The programs of other people that the tests run, and the Debian packages that hold them."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

_MORE_FOLDERS = ("/usr/sbin", "/usr/local/sbin")  # where servers lie, which not everybody's PATH has


@dataclass(frozen=True)
class Program:
    """A program, or another file that a package brings."""

    name: str
    package: str
    place: str = ""
    optional: bool = False

    def find(self) -> Path | None:
        if self.place:
            return Path(self.place) if Path(self.place).is_file() else None
        found = shutil.which(self.name, path=os.pathsep.join([os.environ.get("PATH", ""), *_MORE_FOLDERS]))
        return None if found is None else Path(found)


DCIODVFY = Program("dciodvfy", "dicom3tools")
DCM2NIIX = Program("dcm2niix", "dcm2niix")
ORTHANC = Program("Orthanc", "orthanc")
STORESCU = Program("storescu", "dcmtk")
GETSCU = Program("getscu", "dcmtk")
DICOMWEB = Program(
    "DICOMweb plugin", "orthanc-dicomweb", place="/usr/share/orthanc/plugins/libOrthancDicomWeb.so", optional=True
)
PROGRAMS = (DCIODVFY, DCM2NIIX, ORTHANC, STORESCU, GETSCU, DICOMWEB)


def path_of(program: Program) -> str:
    """Return where a program is; its absence fails the test, because nothing would be proved."""
    found = program.find()
    if found is not None:
        return str(found)
    message = f"{program.name} is not installed (Debian package {program.package}); `make test-interop` installs it"
    if program.optional:
        pytest.skip(message)
    pytest.fail(message)
