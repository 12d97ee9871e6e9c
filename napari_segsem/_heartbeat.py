"""How long the window stands still: `python -m napari_segsem._heartbeat --json FILE`.

A timer beats in the GUI thread of a real viewer while images are opened, prompted and turned.
Each run has a control: the same window, layers, mouse and changes of what the layers show, but no
plugin and no engine. napari alone takes its time for some of these, so only gaps that the control
does not have are ours. Needs a display, e.g. `xvfb-run -a`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from segsem.core.files import write_json
from segsem.project import default_folder as work

LIMIT_MS = 100.0
"""A window that stands still for longer feels stuck."""

ROLES = ("ours", "control")
PITCH_PX, PAD_PX = 64, 34
DATA_SEED = 5


def main() -> None:
    """Read the command line, run both roles in turn and write what they found."""
    parser = argparse.ArgumentParser(prog="python -m napari_segsem._heartbeat", description=__doc__)
    parser.add_argument("--json", type=Path, help="where the figures are written")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each role")
    parser.add_argument("--clicks", type=int, default=15)
    parser.add_argument("--size", default="1248x1692", help="height x width of the test images")
    parser.add_argument("--model", default="segsem-nano")
    options = parser.parse_args()
    height, width = (int(number) for number in options.size.split("x"))
    with tempfile.TemporaryDirectory(prefix="segsem-heartbeat-") as folder:
        images = write_images(Path(folder), (height, width))
        arguments = [*map(str, images), "--clicks", str(options.clicks), "--model", options.model]
        # The clicks belong to no user: they do not go into the user's project.
        os.environ[work.VARIABLE] = str(Path(folder) / "work")
        runs: dict[str, list[dict[str, Any]]] = {role: [] for role in ROLES}
        for _ in range(options.repeats):
            for role in ROLES:
                runs[role].append(_run(role, arguments))
    found = {"size_px": [height, width], "limit_ms": LIMIT_MS, **compare(runs)}
    print(as_text(found))  # noqa: T201
    if options.json is not None:
        write_json(options.json, {**found, "runs": runs})


def write_images(folder: Path, shape: tuple[int, int]) -> list[Path]:
    """Write two noisy images of the same bright pads."""
    paths = []
    for number in range(2):
        path = folder / f"pads_{number}.tif"
        tifffile.imwrite(path, pads(shape, DATA_SEED + number))
        paths.append(path)
    return paths


def pads(shape: tuple[int, int], seed: int) -> npt.NDArray[np.uint8]:
    """(H, W) grey image of square pads on a grid; the first is in the upper left corner."""
    rows, cols = np.indices(shape, sparse=True)
    inside = (rows % PITCH_PX < PAD_PX) & (cols % PITCH_PX < PAD_PX)
    grey = np.where(inside, 170.0, 60.0) + np.random.default_rng(seed).normal(0, 12, shape)
    return np.clip(grey, 0, 255).astype(np.uint8)


def compare(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Put the gaps of both roles side by side.

    Parameters
    ----------
    runs : dict of str to list of dict
        What `_heartbeat_run` printed, by role.

    Returns
    -------
    dict
        `phases`: for each phase and role what `summarise` says; `excess`: phases with a gap above
        the limit that the control does not have, Python's collections of garbage taken off;
        `blame`: our gaps above the limit, with the lines of the plugin that were being run;
        `collections`: for each role, gaps that are above the limit only with a collection.
    """
    names = list(dict.fromkeys(name for run in runs["ours"] for name in run["gaps"]))
    phases = {
        name: {
            role: summarise([gap for run in done for gap in run["gaps"].get(name, [])])
            for role, done in runs.items()
        }
        for name in names
    }
    excess = [
        name
        for name, roles in phases.items()
        if roles["ours"]["longest_ms"] > LIMIT_MS and roles["control"]["longest_ms"] <= LIMIT_MS
    ]
    blame = [
        {"phase": name, **gap}
        for run in runs["ours"]
        for name, gaps in run["gaps"].items()
        for gap in gaps
        if gap["ms"] > LIMIT_MS
    ]
    collections = {
        role: sum(
            gap["ms"] > LIMIT_MS >= gap["ms"] - gap["collecting_ms"]
            for run in done
            for gaps in run["gaps"].values()
            for gap in gaps
        )
        for role, done in runs.items()
    }
    return {"phases": phases, "excess": excess, "blame": blame, "collections": collections}


def summarise(gaps: list[dict[str, Any]]) -> dict[str, float]:
    """Longest gap, the processor time of the GUI thread in its busiest one, and how many.

    All without the time of Python's collections of garbage. The processor time tells a busy GUI
    thread from one that waits while others compute.
    """
    longest = [gap["ms"] - gap["collecting_ms"] for gap in gaps]
    busiest = [gap["cpu_ms"] - gap["collecting_ms"] for gap in gaps]
    return {
        "longest_ms": round(max(longest, default=0.0), 1),
        "longest_cpu_ms": round(max(busiest, default=0.0), 1),
        "above_limit": sum(ms > LIMIT_MS for ms in longest),
        "kept": len(gaps),
    }


def as_text(found: dict[str, Any]) -> str:
    """Table of the longest gaps."""
    lines = [
        f"{'':<16}{'longest gap, ms':^18}{'processor, ms':^18}{'above limit':^14}",
        f"{'phase':<16}{'ours':>9}{'control':>9}{'ours':>9}{'control':>9}{'ours':>6}{'control':>8}",
    ]
    for name, roles in found["phases"].items():
        ours, control = roles["ours"], roles["control"]
        cells = f"{ours['longest_ms']:>9.0f}{control['longest_ms']:>9.0f}"
        cells += f"{ours['longest_cpu_ms']:>9.0f}{control['longest_cpu_ms']:>9.0f}"
        cells += f"{ours['above_limit']:>6.0f}{control['above_limit']:>8.0f}"
        mark = "  <- not in the control" if name in found["excess"] else ""
        lines.append(f"{name:<16}{cells}{mark}")
    for name in found["phases"]:
        gaps = [gap for gap in found["blame"] if gap["phase"] == name]
        if gaps:
            worst = max(gaps, key=lambda gap: gap["ms"])
            lines.append(f"{name}: {worst['ms']:.0f} ms in {worst['where'] or 'napari or Qt'}")
    return "\n".join(lines)


def _run(role: str, arguments: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "napari_segsem._heartbeat_run", role, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, timeout=600)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    main()
