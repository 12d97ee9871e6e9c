"""How quick the window is: `segsem benchmark gui`, or `python -m napari_segsem._benchmark`.

Each part is played in a real viewer, in a process of its own, by real mouse and key events: once
with the plugin and, right after it, once in a control run: the same window, layers, mouse events
and changes of what the layers show, but no plugin, no callbacks of ours and no engine. Compare the
two: how long napari takes to draw a frame depends on the machine and on who else computes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_segsem._benchmark_images import write_holes, write_large, write_pair
from napari_segsem._benchmark_report import as_text, report
from segsem.core.exceptions import SegSemError, TaskError
from segsem.core.files import write_json
from segsem.project import default_folder as work

ROLES = ("ours", "control")
PARTS = ("outline", "script", "repeat", "regions", "training")
PATIENCE_S = 900
CHILD = "napari_segsem._benchmark_run"

Runs = dict[str, dict[str, list[dict[str, Any]]]]


def main() -> None:
    """Read the command line, play all parts, print and write what was found."""
    parser = argparse.ArgumentParser(prog="python -m napari_segsem._benchmark", description=__doc__)
    parser.add_argument("--json", type=Path, help="where the figures are written")
    parser.add_argument("--image", type=Path, help="image to click in; a synthetic one by default")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rounds", type=int, default=2, help="runs of each part, ours and control")
    parser.add_argument("--repeats", type=int, default=20, help="outlines in a run")
    parser.add_argument("--model", default="segsem-nano")
    options = parser.parse_args()
    try:
        found = report(measured(options), options.model, options.image)
    except SegSemError as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    print(as_text(found))  # noqa: T201
    if options.json is not None:
        write_json(options.json, found)


def measured(options: argparse.Namespace) -> Runs:
    """Play parts in turns.

    Returns
    -------
    dict
        What each run said, by part and role.

    Raises
    ------
    InputError
        If the image cannot be read, or has nothing in it to click on.
    TaskError
        If a run did not come to its end.
    """
    runs: Runs = {}
    with tempfile.TemporaryDirectory(prefix="segsem-benchmark-") as folder:
        for part, images in _images(Path(folder), options.parts, options.image):
            runs[part] = {role: [] for role in ROLES if part != "repeat" or role == "ours"}
            for number in range(options.rounds):
                for role in runs[part]:
                    # Nothing is known from the run before: neither objects nor embeddings.
                    home = Path(folder) / f"{part}-{number}-{role}"
                    repeats = 1 if part == "repeat" else options.repeats
                    arguments = [*map(str, images), "--repeats", str(repeats)]
                    runs[part][role].append(
                        run_child(CHILD, part, role, [*arguments, "--model", options.model], home)
                    )
    return runs


def _images(
    folder: Path, parts: tuple[str, ...], image: Path | None
) -> Iterator[tuple[str, list[Path]]]:
    for part in parts:
        if part == "repeat":
            yield part, [write_holes(folder)[0]]
        elif part == "regions":
            yield part, [write_large(folder)]
        else:
            yield part, write_pair(folder, image)


def run_child(
    module: str, part: str, role: str, arguments: list[str], home: Path
) -> dict[str, Any]:
    """Play one part in a process of its own.

    Parameters
    ----------
    module : str
        What is started; it prints JSON in its last line.
    part, role : str
    arguments : list of str
    home : Path
        Work and settings of the run, which belong to no user.

    Raises
    ------
    TaskError
        If it did not come to its end.
    """
    print(f"{part}, {role} ...", file=sys.stderr, flush=True)  # noqa: T201
    command = [sys.executable, "-m", module, part, role, *arguments]
    # The clicks belong to no user: neither work nor settings nor embeddings are the user's.
    own = {
        work.VARIABLE: str(home / "work"),
        "SEGSEM_CONFIG_HOME": str(home),
        "SEGSEM_EMBEDDING_DISK_MIB": "0",
    }
    environment = {"GOMP_SPINCOUNT": "0", **os.environ, **own}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            check=False,
            text=True,
            timeout=PATIENCE_S,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        msg = f"The part {part!r} ({role}) did not end within {PATIENCE_S} s"
        raise TaskError(msg) from error
    said = done.stdout.splitlines()
    if done.returncode != 0 or not said:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        msg = f"The part {part!r} ({role}) failed: {last}"
        raise TaskError(msg)
    result: dict[str, Any] = json.loads(said[-1])
    if not result["is_complete"]:
        msg = f"The part {part!r} ({role}) came to no end: something was waited for in vain"
        raise TaskError(msg)
    return result


if __name__ == "__main__":
    main()
