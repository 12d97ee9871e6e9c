#!/usr/bin/env python
"""Time and memory of a whole `segsem finetune`, as a user starts it, by the clock.

    python tools/measure_finetune_run.py
    python tools/measure_finetune_run.py --model tiny --images 3 --held-out 1 --epochs 1

Makes a project of synthetic images in a temporary folder, starts the command as a child and prints
a line for each epoch: seconds by the clock and of processor time since the start, the reading of
the project and the timing run included; resident memory of the child and all of its children,
looked at five times a second. The last line sums up: time to the checkpoint that was kept, time to
the end, peak memory. Other models than nano have random weights: what they cost does not depend on
them, but their epochs' worth means nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from measure_finetune import make_project, random_base, say

from segsem.benchmark.subject import RANDOM_MODELS
from segsem.core.exceptions import SegSemError, TaskError

SAMPLED_EVERY_S = 0.2
GIB = 2**30


def main() -> None:
    """Make a project, fine-tune on it, print what it took."""
    args = _arguments()
    with tempfile.TemporaryDirectory(prefix="segsem-finetune-") as kept:
        folder = Path(kept)
        project = make_project(folder / "project", args.images + args.held_out, args.side)
        base = random_base(args.model, folder)
        try:
            measured = measure(command_of(args, project, base, folder), args.threads)
        except SegSemError as error:
            sys.exit(f"error: {error}")
        say(summary(args, measured))


@dataclass(slots=True)
class Measured:
    """What a run took.

    Attributes
    ----------
    epochs : list of dict
        Events of the epochs, with `wall_s` and `cpu_s` since the start.
    peak_bytes : int
        Resident memory of the process tree, largest sum.
    step_s : float
        Of the run's own timing, before it begins.
    wall_s, cpu_s : float
        To the end.
    """

    epochs: list[dict[str, Any]] = field(default_factory=list)
    peak_bytes: int = 0
    step_s: float = float("nan")
    wall_s: float = float("nan")
    cpu_s: float = float("nan")

    @property
    def best(self) -> dict[str, Any]:
        """The epoch that was kept."""
        return [one for one in self.epochs if one["best"]][-1]


class TreeMemory:
    """Watches a process and its children from a thread; remembers the most they held.

    Parameters
    ----------
    pid : int
    """

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._ended = threading.Event()
        self.peak_bytes, self.cpu_s = 0, 0.0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def look(self) -> None:
        """Look once; what has ended meanwhile holds nothing."""
        held, used = 0, 0.0
        try:
            for one in (self._root, *self._root.children(recursive=True)):
                held += one.memory_info().rss
                times = one.cpu_times()
                used += times.user + times.system
        except psutil.Error:
            return
        self.peak_bytes, self.cpu_s = max(self.peak_bytes, held), max(self.cpu_s, used)

    def stop(self) -> None:
        """Look no longer."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLED_EVERY_S):
            self.look()


def measure(command: list[str], threads: int) -> Measured:
    """Run the command to its end.

    Raises
    ------
    TaskError
        If it fails.
    """
    own = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    began, found = time.perf_counter(), Measured()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **own}
    ) as child:
        memory = TreeMemory(child.pid)
        for line in child.stdout or ():
            memory.look()
            note(found, json.loads(line), time.perf_counter() - began, memory)
        memory.stop()
    found.wall_s, found.cpu_s = time.perf_counter() - began, memory.cpu_s
    found.peak_bytes = memory.peak_bytes
    if child.returncode:
        msg = f"the command ended with exit code {child.returncode}"
        raise TaskError(msg)
    return found


def note(found: Measured, event: dict[str, Any], wall_s: float, memory: TreeMemory) -> None:
    """Keep what an event says, and print what is of interest."""
    name = event.get("event")
    line = f"{wall_s:7.1f} s, {memory.cpu_s:7.1f} s of processor time, " + (
        f"peak {memory.peak_bytes / GIB:.2f} GiB: {name}"
    )
    if name == "epoch":
        found.epochs.append({**event, "wall_s": wall_s, "cpu_s": memory.cpu_s})
        best = ", best so far" if event["best"] else ""
        say(f"{line} {event['epoch']}, validation IoU {event['val_iou']:.3f}{best}")
    elif name == "timing":
        found.step_s = float(event["step_s"])
        say(f"{line}, {event['step_s']:.2f} s a step, {event['expected_s']:.0f} s expected")
    elif name in ("started", "done", "error"):
        say(f"{line} {event.get('message', '')}".rstrip())


def summary(args: argparse.Namespace, found: Measured) -> str:
    """One line of all of it."""
    best = found.best
    return (
        f"{args.model}, {args.images} images of {args.side} px, threads: {args.threads}; best "
        f"checkpoint (epoch {best['epoch']} of {len(found.epochs) - 1}) after "
        f"{best['wall_s'] / 60:.1f} min by the clock, {best['cpu_s'] / 60:.1f} min of processor "
        f"time; last epoch after {found.epochs[-1]['wall_s'] / 60:.1f} and "
        f"{found.epochs[-1]['cpu_s'] / 60:.1f}; done after {found.wall_s / 60:.1f} and "
        f"{found.cpu_s / 60:.1f}; {found.step_s:.2f} s a step at first; peak memory "
        f"{found.peak_bytes / GIB:.2f} GiB"
    )


def command_of(
    args: argparse.Namespace, project: Path, base: str | None, folder: Path
) -> list[str]:
    """The command, as it would be typed; the split is given, so that so many images teach."""
    ids = [f"image{number:02d}" for number in range(args.images + args.held_out)]
    split = folder / "split.json"
    chosen = {"train": ids[: args.images], "held_out": ids[args.images :]}
    split.write_text(json.dumps(chosen), encoding="utf-8")
    command = [sys.executable, "-m", "segsem", "finetune", str(project), "--name", "measured"]
    command += ["--split", str(split), "--device", "cpu", "--events", "jsonl"]
    command += ["--base", base] if base else []
    command += ["--epochs", str(args.epochs)] if args.epochs else []
    for text in args.set:
        command += ["--set", text]
    return command


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="nano", choices=("nano", *RANDOM_MODELS))
    parser.add_argument("--images", type=int, default=42, help="that teach")
    parser.add_argument("--held-out", type=int, default=14)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--epochs", type=int, help="as usual where not given")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
