"""An Orthanc server of a test's own: its own ports on this machine only, its own storage, gone afterwards."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.interop.programs import DICOMWEB, ORTHANC, path_of

AE_TITLE = "ORTHANC"
_START_S = 60.0
_ANSWER_S = 60.0


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    http_port: int
    dicom_port: int
    has_dicomweb: bool

    def get(self, path: str, *, accept: str = "*/*") -> tuple[bytes, str]:
        """Return the content of a path and its type."""
        return self._ask(urllib.request.Request(self._address(path), headers={"Accept": accept}))

    def get_json(self, path: str) -> Any:
        return json.loads(self.get(path, accept="application/json")[0])

    def post(self, path: str, data: bytes, *, content_type: str = "application/dicom") -> Any:
        """Send data and return the answer's JSON."""
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        return json.loads(self._ask(urllib.request.Request(self._address(path), data=data, headers=headers))[0])

    def find(self, level: str, **query: str) -> list[dict[str, Any]]:
        """Return what matches at ``Patient``, ``Study``, ``Series`` or ``Instance`` level, with its tags."""
        body = json.dumps({"Level": level, "Query": query, "Expand": True}).encode()
        found: list[dict[str, Any]] = self.post("/tools/find", body, content_type="application/json")
        return found

    def empty(self) -> None:
        """Take out every patient."""
        for one in self.get_json("/patients"):
            self._ask(urllib.request.Request(self._address(f"/patients/{one}"), method="DELETE"))
        assert self.get_json("/instances") == []

    def _address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http_port}{path}"

    def _ask(self, request: urllib.request.Request) -> tuple[bytes, str]:
        with _OPENER.open(request, timeout=_ANSWER_S) as answer:
            return answer.read(), answer.headers.get("Content-Type", "")


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy would look for 127.0.0.1 elsewhere


@contextmanager
def running_server(folder: Path) -> Iterator[Server]:
    """Start a server whose storage, log and settings lie in ``folder``, and end it with the block."""
    program, plugin = path_of(ORTHANC), DICOMWEB.find()
    server = Server(_free_port(), _free_port(), has_dicomweb=plugin is not None)
    settings = folder / "orthanc.json"
    settings.write_text(json.dumps(_settings(server, folder, plugin)))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, str(settings)], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            _wait(server, process, folder / "log")
            yield server
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _settings(server: Server, folder: Path, plugin: Path | None) -> dict[str, Any]:
    return {
        "Name": "test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "TemporaryDirectory": str(folder),
        "HttpPort": server.http_port,
        "DicomPort": server.dicom_port,
        "DicomAet": AE_TITLE,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowGet": True,
        "OverwriteInstances": False,
        "StorageCompression": False,
        "Plugins": [] if plugin is None else [str(plugin)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _wait(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            server.get("/system")
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"Orthanc did not start: {log.read_text(errors='replace')[-2000:]}")
