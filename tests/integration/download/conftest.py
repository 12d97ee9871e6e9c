"""A real HTTP server on the loopback that holds a checkpoint, and behaves as it is told."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from segsem.core.exceptions import ModelError
from segsem.core.progress import run_to_completion
from segsem.models import store
from segsem.models.build import build_model
from segsem.models.download import download_model, part_of
from segsem.models.registry import MODELS, ModelSpec

NAME = "sam2.1_hiera_tiny"
CUT_BYTES = 5_000_000
CHILD = """
import resource, sys
import signal
from dataclasses import replace
from segsem.models.registry import MODELS
name, url, sha256, limit = sys.argv.pop(1), sys.argv.pop(1), sys.argv.pop(1), int(sys.argv.pop(1))
MODELS[name] = replace(MODELS[name], config="segsem-nano", url=url, sha256=sha256)
# A test run in the background hands on that Ctrl-C is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
from segsem.cli.app import main
main()
"""
"""`segsem` with the loopback's model in the registry, and a limit to what it can write."""


@dataclass
class Served:
    """What the server holds, how it behaves, and what it was asked (path and range)."""

    content: bytes
    etag: str = '"v1"'
    ranges: bool = True
    length: bool = True
    status: int = 200
    kind: str = "application/octet-stream"
    cut_bytes: int | None = None
    hold: threading.Event | None = None
    reached_hold: threading.Event = field(default_factory=threading.Event)
    meanwhile: Callable[[], None] | None = None
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""

    def start_of_range(self, headers: object) -> int | None:
        wanted = re.fullmatch(r"bytes=(\d+)-", headers.get("Range", ""))  # type: ignore[attr-defined]
        same = headers.get("If-Range", self.etag) == self.etag  # type: ignore[attr-defined]
        return int(wanted[1]) if wanted and self.ranges and same else None


class Handler(BaseHTTPRequestHandler):
    served: Served

    def do_GET(self) -> None:
        served, total = self.served, len(self.served.content)
        served.asked.append((self.path, self.headers.get("Range")))
        start = served.start_of_range(self.headers)
        if served.meanwhile is not None:
            served.meanwhile()
        if start is not None and start >= total:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{total}")
            self.end_headers()
            return
        self.send_response(served.status if start is None else 206)
        if served.etag:
            self.send_header("ETag", served.etag)
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if served.length:
            self.send_header("Content-Length", str(total - (start or 0)))
        self.send_header("Content-Type", served.kind)
        self.end_headers()
        self.send_body(served.content[start or 0 :])

    def send_body(self, body: bytes) -> None:
        with suppress(ConnectionError):  # where the client left while this was sent
            self.wfile.write(body[: self.served.cut_bytes])
        if self.served.hold is not None:
            self.served.reached_hold.set()
            self.served.hold.wait(60)

    def log_message(self, *arguments: object) -> None:
        pass


@dataclass
class Loopback:
    """The server, the registry's entry that leads to it, and where things are kept."""

    served: Served
    spec: ModelSpec
    home: Path
    children: list[subprocess.Popen[str]] = field(default_factory=list)
    cut_bytes: int = CUT_BYTES

    @property
    def folder(self) -> Path:
        return self.home / "models" / NAME

    @property
    def part(self) -> Path:
        return part_of(self.spec)

    @property
    def ranges(self) -> list[str | None]:
        return [wanted for _, wanted in self.served.asked]

    def publish(self, content: bytes, config: str) -> None:
        """Publish another file in place of the small checkpoint."""
        self.served.content = content
        sha256 = hashlib.sha256(content).hexdigest()
        self.spec = replace(self.spec, config=config, sha256=sha256)
        MODELS[NAME] = self.spec

    def download(self, source: str | None = None) -> Path:
        return run_to_completion(download_model("tiny", source))

    def cut(self, match: str = "The same command goes on") -> int:
        """Begin a download that the server cuts off; give what is kept of it."""
        self.served.cut_bytes = CUT_BYTES
        with pytest.raises(ModelError, match=match):
            self.download()
        self.served.cut_bytes = None
        kept = self.part.stat().st_size
        assert 0 < kept <= CUT_BYTES
        return kept

    def start(self, limit_bytes: int = 0) -> subprocess.Popen[str]:
        """Start `segsem models download tiny` in a process of its own."""
        facts = [NAME, str(self.spec.url), str(self.spec.sha256), str(limit_bytes)]
        command = [sys.executable, "-c", CHILD, *facts, "models", "download", "tiny"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.children.append(process)
        return process

    def assert_installed(self) -> None:
        names = sorted(path.name for path in self.folder.iterdir())
        assert names == ["model.json", "weights.safetensors"]
        assert store.verify(self.folder).provenance["source_sha256"] == self.spec.sha256
        self.assert_no_part()

    def assert_nothing_installed(self) -> None:
        models = self.home / "models"
        assert not models.exists() or list(models.iterdir()) == []

    def assert_no_part(self) -> None:
        assert list((self.home / "downloads").iterdir()) == []


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SEGSEM_MODEL_URL"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("SEGSEM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A `.pt` as Meta publishes it, of an architecture that is small: some 10 MB."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("checkpoint") / "nano.pt"
    torch.save({"model": build_model("segsem-nano").state_dict()}, path)
    return path.read_bytes()


@pytest.fixture
def served(checkpoint: bytes) -> Iterator[Served]:
    served = Served(checkpoint)
    handler = type("OneHandler", (Handler,), {"served": served})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}/weights/{NAME}.pt"
    yield served
    if served.hold is not None:
        served.hold.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def loopback(served: Served, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    """`tiny` of the registry, published on the loopback instead of Meta's server."""
    sha256 = hashlib.sha256(served.content).hexdigest()
    spec = replace(MODELS[NAME], config="segsem-nano", url=served.url, sha256=sha256)
    monkeypatch.setitem(MODELS, NAME, spec)
    loopback = Loopback(served, spec, home)
    yield loopback
    for process in loopback.children:
        process.kill()
        process.communicate()
