"""A real Prometheus and promtool: those on the PATH, or Debian's package unpacked beside the tests."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".switchboard" / "prometheus"
PACKAGE = "prometheus"
MISSING = (
    "no prometheus and promtool here, and apt-get cannot download Debian's package of them: "
    "apt-get install prometheus"
)


@dataclass(frozen=True)
class Tools:
    prometheus: str
    promtool: str


def tools() -> Tools:
    """Where the two are; skips the test where they cannot be had."""
    found = _on_path() or _unpacked() or _downloaded()
    if found is None:
        pytest.skip(MISSING)
    return found


def _on_path() -> Tools | None:
    prometheus, promtool = shutil.which("prometheus"), shutil.which("promtool")
    return Tools(prometheus, promtool) if prometheus and promtool else None


def _unpacked() -> Tools | None:
    binaries = FOLDER / "usr" / "bin"
    found = Tools(str(binaries / "prometheus"), str(binaries / "promtool"))
    return found if Path(found.promtool).exists() else None


def _downloaded() -> Tools | None:
    """Downloads and unpacks the package; nothing is installed, and no root is needed."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        return None
    FOLDER.mkdir(parents=True, exist_ok=True)
    # A new machine knows no packages before it has asked; only root may ask.
    if not _apt_get("download", PACKAGE) and not (
        _apt_get("update") and _apt_get("download", PACKAGE)
    ):
        return None
    (package,) = FOLDER.glob(f"{PACKAGE}_*.deb")
    unpack = ["dpkg", "--extract", str(package), str(FOLDER)]
    subprocess.run(unpack, capture_output=True, check=True, timeout=60)
    package.unlink()
    return _unpacked()


def _apt_get(*words: str) -> bool:
    command = ["apt-get", *words]
    return not subprocess.run(
        command, cwd=FOLDER, capture_output=True, check=False, timeout=120
    ).returncode


@dataclass(frozen=True)
class Server:
    """A running Prometheus."""

    url: str

    def ask(self, path: str, **query: str) -> Any:
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=query, timeout=20)
        assert answer.status_code == 200, (query, answer.text)
        return answer.json()["data"]

    def series(self, expr: str) -> list[dict[str, Any]]:
        return list(self.ask("query", query=expr)["result"])


@contextmanager
def running(tools: Tools, config: Path, folder: Path) -> Iterator[Server]:
    """Prometheus with `config` on a free port, its data in `folder`, until the `with` ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [tools.prometheus, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
             f"--web.listen-address=127.0.0.1:{port}"],
            stdout=log, stderr=log,
        )  # fmt: skip
    server = Server(f"http://127.0.0.1:{port}")
    try:
        _wait_ready(server, process)
        yield server
    finally:
        process.terminate()
        process.wait()


def _wait_ready(server: Server, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < ends:
        try:
            if httpx.get(f"{server.url}/-/ready").status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise AssertionError("prometheus did not start")
