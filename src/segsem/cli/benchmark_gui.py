"""`segsem benchmark gui` and `review`: how quick the window is, measured in a child process.

The command line never loads Qt: the plugin measures itself, on a virtual screen where there is
none.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from segsem.core.exceptions import InputError, UsageError
from segsem.core.files import write_json

CHILD = "napari_segsem._benchmark"
REVIEW_CHILD = "napari_segsem._benchmark_review"
NEEDED = ("napari", "qtpy")
VIRTUAL_SCREEN = ("xvfb-run", "-a", "-s", "-screen 0 1600x1000x24")

Image = Annotated[Path | None, typer.Option(help="Image to click in; a synthetic one by default.")]
Output = Annotated[Path | None, typer.Option("--json", help="File for all values.")]
Parts = Annotated[
    list[str] | None,
    typer.Option("--part", help="outline, script, repeat, regions or training; all by default."),
]
PARTS = ("outline", "script", "repeat", "regions", "training")
REVIEW_PARTS = ("decide", "scroll")


def gui(
    image: Image = None,
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each part.")] = 2,
    repeats: Annotated[int, typer.Option(min=1, help="Outlines in each run.")] = 20,
    part: Parts = None,
    model: Annotated[str, typer.Option(help="Name of a model that is here.")] = "segsem-nano",
    json: Output = None,
) -> None:
    """Time the window: event to outline, a scripted visit, repeat, thousands of objects.

    Each beside a control run in which napari shows the same without the plugin.
    """
    parts = _known_parts(part, PARTS)
    if image is not None and not image.is_file():
        msg = f"{image} is not a file: give an SEM image"
        raise InputError(msg)
    options = ["--rounds", str(rounds), "--repeats", str(repeats), "--model", model]
    options += ["--parts", *parts]
    if image is not None:
        options += ["--image", str(image.resolve())]
    _run(CHILD, options, json)


def review(
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each part.")] = 2,
    part: Annotated[
        list[str] | None, typer.Option("--part", help="decide or scroll; both by default.")
    ] = None,
    share: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="Of the images of each lot; less is quicker.")
    ] = 1.0,
    json: Output = None,
) -> None:
    """Time a review: clear a queue of 200 regions by keys, scroll one of 5,000.

    Each beside a control run in which napari shows the same without the plugin.
    """
    parts = _known_parts(part, REVIEW_PARTS)
    options = ["--rounds", str(rounds), "--share", str(share), "--parts", *parts]
    _run(REVIEW_CHILD, options, json)


def _known_parts(asked: list[str] | None, known: Sequence[str]) -> list[str]:
    parts = asked or list(known)
    unknown = [name for name in parts if name not in known]
    if unknown:
        msg = f"Expected --part to be one of {', '.join(known)}, but got {unknown[0]!r}"
        raise UsageError(msg)
    return parts


def _run(child: str, options: list[str], json: Path | None) -> None:
    command = [*screen_command(os.environ), sys.executable, "-m", child, *options]
    with tempfile.TemporaryDirectory(prefix="segsem-benchmark-") as folder:
        found = Path(folder) / "found.json"
        done = subprocess.run([*command, "--json", str(found)], env=_environment(), check=False)
        if done.returncode != 0 or not found.is_file():
            # The child has told why, in one line.
            raise typer.Exit(done.returncode or 1)
        if json is not None:
            write_json(json, {**_read(found), "machine": _machine()})


def screen_command(environment: Mapping[str, str]) -> list[str]:
    """Give the words that a program is started with so that it has a screen.

    Raises
    ------
    UsageError
        If napari is not installed, or there is neither a screen nor Xvfb.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        msg = f"Expected {missing[0]}, which is not installed: pip install 'napari-segsem[pyqt5]'"
        raise UsageError(msg)
    if not sys.platform.startswith("linux"):
        return []
    if environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"):
        return []
    if shutil.which(VIRTUAL_SCREEN[0]) is None:
        msg = "Expected a screen, but DISPLAY is not set: start it in a desktop, or install xvfb"
        raise UsageError(msg)
    return list(VIRTUAL_SCREEN)


def _environment() -> dict[str, str]:
    # Unbuffered, so that lines of the children come in their order.
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


def _read(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def _machine() -> dict[str, Any]:
    facts: dict[str, Any] = importlib.import_module("segsem.benchmark.machine").machine_facts("cpu")
    return facts
