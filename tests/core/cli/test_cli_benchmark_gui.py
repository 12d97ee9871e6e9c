"""`segsem benchmark gui` and `review`: what they start, and what they say where that is missing."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from segsem.cli import benchmark_gui
from segsem.cli.benchmark_gui import screen_command
from segsem.core.exceptions import UsageError


@pytest.fixture(autouse=True)
def linux_with_napari(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark_gui, "NEEDED", ("json",))
    monkeypatch.setattr(sys, "platform", "linux")


def test_a_screen_that_is_there_is_used() -> None:
    assert screen_command({"DISPLAY": ":0"}) == []
    assert screen_command({"WAYLAND_DISPLAY": "wayland-0"}) == []


def test_without_a_screen_a_virtual_one_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert screen_command({})[0] == "xvfb-run"


def test_neither_screen_nor_xvfb_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UsageError, match="Expected a screen"):
        screen_command({})


def test_without_napari_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark_gui, "NEEDED", ("no_such_package",))
    assert importlib.util.find_spec("no_such_package") is None
    with pytest.raises(UsageError, match="not installed: pip install"):
        screen_command({"DISPLAY": ":0"})


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["gui", "--part", "nothing"], 2),
        (["gui", "--image", "/no/such/image.tif"], 3),
        (["review", "--part", "outline"], 2),
    ],
)
def test_wrong_words_are_one_line(arguments: list[str], code: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "segsem", "benchmark", *arguments],
        capture_output=True,
        check=False,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == code
    assert done.stderr.count("\n") == 1
