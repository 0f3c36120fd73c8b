"""A PACS takes a protected study beside its original, lists both, and gives every file back as it was."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from email import policy
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tests.interop.orthanc import AE_TITLE, Server, running_server
from tests.interop.programs import DICOMWEB, GETSCU, STORESCU, path_of
from tests.interop.roads import SeriesRoad, protect_series, series_slices

pytestmark = pytest.mark.interop

PACKAGED = Path(pydicom.__file__).parent / "data/test_files/dicomdirtests/98892001/CT5N"
PLAIN = {ImplicitVRLittleEndian, ExplicitVRLittleEndian}
META = ("MediaStorageSOPInstanceUID", "MediaStorageSOPClassUID")


@pytest.fixture(scope="module", params=["ct_chest", "mr_brain", "packaged"])
def road(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SeriesRoad:
    """One series of a study, cut in two volumes because a source needs two classes."""
    if request.param == "packaged":
        folder, starts, count = PACKAGED, (0, 2), 2
    else:
        folder, starts, count = request.getfixturevalue("shared_data") / "dicom" / request.param, (2, 12), 4
    parts = {f"part{start}": series_slices(folder, start=start, count=count) for start in starts}
    return protect_series(tmp_path_factory.mktemp(request.param), folders=parts)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    """The server, which holds nothing."""
    running.empty()
    return running


def files(road: SeriesRoad) -> list[Path]:
    return [path for pair in road.pairs() for path in pair]


def tags(path: Path, keyword: str) -> str:
    return str(pydicom.dcmread(path, stop_before_pixels=True)[keyword].value)


def check_listed(server: Server, road: SeriesRoad) -> dict[str, str]:
    """One patient and study with two series side by side; return the server's id of every instance by its UID."""
    originals, copies = ([pair[side] for pair in road.pairs()] for side in (0, 1))
    patient, study = (tags(originals[0], one) for one in ("PatientID", "StudyInstanceUID"))
    (found_patient,) = server.find("Patient")
    (found_study,) = server.find("Study")
    assert found_patient["MainDicomTags"]["PatientID"] == patient
    assert found_study["MainDicomTags"]["StudyInstanceUID"] == study
    series = {one["MainDicomTags"]["SeriesInstanceUID"]: len(one["Instances"]) for one in server.find("Series")}
    before, after = ({tags(path, "SeriesInstanceUID") for path in side} for side in (originals, copies))
    assert len(before) == len(after) == 1 and not before & after
    assert series == dict.fromkeys(before | after, len(originals))
    instances = {one["MainDicomTags"]["SOPInstanceUID"]: one["ID"] for one in server.find("Instance")}
    assert set(instances) == {tags(path, "SOPInstanceUID") for path in files(road)}
    assert len(instances) == 2 * len(originals)
    return instances


def check_same_data_set(found: Path, sent: Path) -> None:
    """The data sets are equal element by element, pixels too.

    A network writes a file meta header of its own, and may agree on the other of the two plain encodings.
    """
    first, second = pydicom.dcmread(found), pydicom.dcmread(sent)
    assert first == second, sent.name
    assert {one.file_meta.TransferSyntaxUID for one in (first, second)} <= {
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
    }
    assert [first.file_meta[one].value for one in META] == [second.file_meta[one].value for one in META]


def test_rest_gives_every_byte_back(server: Server, road: SeriesRoad) -> None:
    for path in files(road):
        assert server.post("/instances", path.read_bytes())["Status"] == "Success"
    instances = check_listed(server, road)
    for path in files(road):
        found, _ = server.get(f"/instances/{instances[tags(path, 'SOPInstanceUID')]}/file")
        assert found == path.read_bytes(), path.name


def test_a_file_that_is_sent_again_is_the_same_instance(server: Server, road: SeriesRoad) -> None:
    original, copy = road.pairs()[0]
    answers = [server.post("/instances", path.read_bytes())["Status"] for path in (original, copy, copy, original)]
    assert answers == ["Success", "Success", "AlreadyStored", "AlreadyStored"]


def test_the_server_decodes_exactly_the_delta(server: Server, road: SeriesRoad) -> None:
    for original, copy in road.pairs()[:2]:
        images = []
        for path in (original, copy):
            identity = server.post("/instances", path.read_bytes())["ID"]
            raw, _ = server.get(f"/instances/{identity}/frames/0/raw")
            dataset = pydicom.dcmread(path)
            images.append(np.frombuffer(raw, dataset.pixel_array.dtype)[: dataset.pixel_array.size].astype(np.int64))
            assert np.array_equal(images[-1].reshape(dataset.pixel_array.shape), dataset.pixel_array)
            picture, kind = server.get(f"/instances/{identity}/preview")
            assert kind == "image/png" and picture.startswith(b"\x89PNG")
        assert 0 < np.abs(images[1] - images[0]).max() <= 8


def test_store_and_get_by_the_dicom_network(server: Server, road: SeriesRoad, tmp_path: Path) -> None:
    peer = ["127.0.0.1", str(server.dicom_port)]
    store = [path_of(STORESCU), "-aec", AE_TITLE, *peer, *map(str, files(road))]
    subprocess.run(store, check=True, capture_output=True)
    instances = check_listed(server, road)
    (tmp_path / "back").mkdir()
    copy = road.pairs()[0][1]
    keys = ["QueryRetrieveLevel=SERIES"]
    keys += [f"{one}={tags(copy, one)}" for one in ("StudyInstanceUID", "SeriesInstanceUID")]
    words = [word for key in keys for word in ("-k", key)]
    get = [path_of(GETSCU), "-aec", AE_TITLE, "-S", "-od", str(tmp_path / "back"), *words, *peer]
    subprocess.run(get, check=True, capture_output=True)
    back = {tags(path, "SOPInstanceUID"): path for path in (tmp_path / "back").iterdir()}
    copies = {tags(path, "SOPInstanceUID"): path for _, path in road.pairs()}
    assert set(back) == set(copies) and set(copies) < set(instances)
    for uid, path in back.items():
        check_same_data_set(path, copies[uid])


def multipart(parts: list[bytes]) -> tuple[bytes, str]:
    """Return a body of several DICOM files, and its type."""
    boundary = hashlib.sha256(b"".join(parts)).hexdigest()
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    body = b"".join(head + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()
    return body, f'multipart/related; type="application/dicom"; boundary={boundary}'


def parts_of(body: bytes, content_type: str) -> list[bytes]:
    head = f"Content-Type: {content_type}\r\nMIME-Version: 1.0\r\n\r\n".encode()
    message: Any = BytesParser(policy=policy.HTTP).parsebytes(head + body)
    return [part.get_payload(decode=True) for part in message.iter_parts()]


def test_dicomweb_stores_lists_and_gives_back(server: Server, road: SeriesRoad) -> None:
    path_of(DICOMWEB)
    body, kind = multipart([path.read_bytes() for path in files(road)])
    answer = server.post("/dicom-web/studies", body, content_type=kind)
    assert len(answer["00081199"]["Value"]) == len(files(road))
    assert not answer.get("00081198", {}).get("Value")  # what failed
    check_listed(server, road)
    study = tags(files(road)[0], "StudyInstanceUID")
    listed = json.loads(server.get(f"/dicom-web/studies/{study}/series", accept="application/dicom+json")[0])
    found = {one["0020000E"]["Value"][0] for one in listed}
    assert found == {tags(path, "SeriesInstanceUID") for path in road.pairs()[0]}
    for original, copy in road.pairs():
        for path in (original, copy):
            place = [tags(path, one) for one in ("SeriesInstanceUID", "SOPInstanceUID")]
            address = f"/dicom-web/studies/{study}/series/{place[0]}/instances/{place[1]}"
            wanted = 'multipart/related; type="application/dicom"; transfer-syntax=*'
            (back,) = parts_of(*server.get(address, accept=wanted))
            assert back == path.read_bytes(), path.name
