"""The report opened from disk in a real browser: nothing is fetched, nobody complains."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import tifffile
from scipy import ndimage as ndi
from typer.testing import CliRunner

from segsem.cli.app import build_app

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--disable-domain-reliability", "--no-pings",
    "--disable-features=NetworkTimeServiceQuerying,OptimizationHints,MediaRouter,Translate",
)  # fmt: skip
PATIENCE_S = 120


@dataclass(frozen=True)
class Visit:
    """What a browser did with a page."""

    dom: str
    complaints: list[str]
    fetched: list[str]


@pytest.fixture
def browser() -> str:
    """A browser that can do without a screen."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    return found


def visit(browser: str, page: Path, folder: Path) -> Visit:
    """Open a page from disk and keep what the browser logs of console and network."""
    net_log = folder / f"{page.stem}-net.json"
    command = [
        browser, *QUIET, f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr",
        f"--log-net-log={net_log}", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr[-500:]
    complaints = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return Visit(done.stdout, complaints, sorted(set(_urls(json.loads(net_log.read_text())))))


def _urls(log: dict[str, object]) -> Iterable[str]:
    events = log["events"]
    assert isinstance(events, list)
    for event in events:
        url = event.get("params", {}).get("url") if isinstance(event, dict) else None
        # Blobs, data and the page itself come from where it lies.
        if url is not None and url.split(":")[0] in ("http", "https", "ws", "wss", "ftp"):
            yield url


def hosts(seen: Visit) -> set[str]:
    """Where something was fetched from."""
    return {urlsplit(url).netloc for url in seen.fetched}


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """Report of an image that `segsem extract` went through."""
    rows, cols = np.indices((200, 240))
    inside = (rows % 64 > 16) & (rows % 64 < 48) & (cols % 64 > 16) & (cols % 64 < 48)
    grey = ndi.gaussian_filter(np.where(inside, 180.0, 60.0), 1.2)
    grey += np.random.default_rng(3).normal(0, 5, grey.shape)
    image = tmp_path / "site.tif"
    tifffile.imwrite(image, np.clip(grey, 0, 255).astype(np.uint8))
    for words in (
        [
            "extract",
            str(image),
            "-o",
            str(tmp_path / "out"),
            "--fallback-only",
            "--pixel-size",
            "2",
        ],
        ["report", str(tmp_path / "out"), "-o", str(tmp_path / "report.html")],
    ):
        done = CliRunner().invoke(build_app(), words)
        assert done.exit_code == 0, done.output
    return tmp_path / "report.html"


@pytest.mark.slow
def test_the_report_needs_no_network_and_leaves_the_console_empty(
    browser: str, report: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.html"
    empty.write_text("<html></html>", encoding="utf-8")
    own = hosts(visit(browser, empty, tmp_path))  # what the browser asks for itself
    seen = visit(browser, report, tmp_path)
    assert "site" in seen.dom
    assert "<svg" in seen.dom or "<img" in seen.dom
    assert seen.complaints == []
    assert hosts(seen) <= own


@pytest.mark.slow
def test_a_page_that_fetches_and_complains_is_seen_to(browser: str, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text(
        '<html><img src="http://127.0.0.1:9/x.png"><script>console.error("oh")</script></html>',
        encoding="utf-8",
    )
    seen = visit(browser, page, tmp_path)
    assert any("oh" in line for line in seen.complaints)
    assert "127.0.0.1:9" in hosts(seen)
