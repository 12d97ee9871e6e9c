#!/usr/bin/env python
"""Where the model's time goes: operations by kind, SAM2's own forward beside ours.

    python tools/profile_model.py encode|decode [--model tiny] [--threads 1] [--repeats 5]

Times are processor time, all threads together, and each kind's the smallest over the repeats: on a
machine that others use as well, that is nearest to what the operation itself takes.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

os.environ.setdefault("GOMP_SPINCOUNT", "0")

import torch
from rich.console import Console
from rich.table import Table
from torch.utils._python_dispatch import TorchDispatchMode

from segsem.benchmark.subject import RANDOM_MODELS, Options, Subject, make_subject
from segsem.segmentation.inference.decoder import FastDecoder, can_decode_fast
from segsem.segmentation.inference.encoder import FastEncoder
from segsem.segmentation.sam2_forward import decode_prompts, encode_pixels

KINDS = {
    "linear layers": ("addmm", "linear", "matmul", "aten.mm"),
    "attention": ("scaled_dot_product", "aten.bmm"),
    "softmax": ("softmax",),
    "copies": (
        *("copy", "aten.cat", "stack", "index_select", "repeat", "fill", "clone", "aten.to"),
        *("reshape", "contiguous", "tile", "aten.pad", "flatten"),
    ),
    "GELU": ("gelu",),
    "norms": ("layer_norm", "aten.mean", "aten.pow", "aten.sqrt", "aten.div"),
    "convolutions": ("conv",),
    "sums": ("aten.add", "aten.sub", "aten.mul", "aten.sum"),
    "pooling": ("max_pool", "maximum"),
    "interpolation": ("upsample",),
}
OTHER, BETWEEN = "other", "between operations"

Action = Callable[[], object]


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("encode", "decode"))
    models = ", ".join(["nano", *RANDOM_MODELS])
    parser.add_argument("--model", default="tiny", help=f"{models}, or a model that is here")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    subject = make_subject(Options(model=options.model, threads=options.threads))
    actions = encodings(subject) if options.what == "encode" else decodings(subject)
    with torch.inference_mode():
        columns = measured(actions, options.repeats)
    show(f"{options.what}, {subject.name}, {options.threads} threads, processor ms", columns)


def encodings(subject: Subject) -> dict[str, Action]:
    """Both forwards in both precisions."""
    model, side = subject.model, subject.frame_px
    pixels = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    fp32, bf16 = FastEncoder(model), FastEncoder(model, torch.bfloat16)

    def autocast() -> object:
        with torch.autocast("cpu", torch.bfloat16):
            return encode_pixels(model, pixels)

    return {
        "own fp32": lambda: encode_pixels(model, pixels),
        "own autocast bf16": autocast,
        "ours fp32": lambda: fp32(pixels),
        "ours bf16": lambda: bf16(pixels),
    }


def decodings(subject: Subject) -> dict[str, Action]:
    """One click; ours with what does not depend on it computed before."""
    model, side = subject.model, subject.frame_px
    features = FastEncoder(model)(torch.randn(1, 3, side, side))
    points, labels = torch.tensor([[[side / 3, side / 2]]]), torch.tensor([[1]])
    actions: dict[str, Action] = {"own": lambda: decode_prompts(model, features, points, labels)}
    if can_decode_fast(model):
        decoder = FastDecoder(model)
        frame = decoder.prepare(features)
        actions["ours"] = lambda: decoder(frame, (points, labels), None)
        actions["once an image"] = lambda: decoder.prepare(features)
    return actions


def measured(actions: dict[str, Action], repeats: int) -> dict[str, dict[str, float]]:
    """Milliseconds in operations of each kind, for actions that take turns."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in actions}
    for number in range(repeats + 1):
        for name, action in actions.items():
            times = times_by_kind(action)
            if number > 0:
                runs[name].append(times)
    return {
        name: {kind: min(run[kind] for run in found) for kind in (*KINDS, OTHER, BETWEEN)}
        for name, found in runs.items()
    }


class Clock(TorchDispatchMode):
    """Sums up the processor time of operations by kind."""

    def __init__(self) -> None:
        super().__init__()
        self.times: dict[str, float] = defaultdict(float)

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run one operation."""
        start = time.process_time()
        result = operation(*args, **(kwargs or {}))
        self.times[kind_of(str(operation))] += 1000.0 * (time.process_time() - start)
        return result


def times_by_kind(action: Action) -> dict[str, float]:
    """Milliseconds of one run in operations of each kind."""
    start = time.process_time()
    with Clock() as clock:
        action()
    whole = 1000.0 * (time.process_time() - start)
    # What is not in operations is in Python between them, and in the clock itself.
    return defaultdict(float, {**clock.times, BETWEEN: whole - sum(clock.times.values())})


def kind_of(operation: str) -> str:
    """Name the kind of an operation."""
    for kind, parts in KINDS.items():
        if any(part in operation for part in parts):
            return kind
    return OTHER


def show(title: str, columns: dict[str, dict[str, float]]) -> None:
    """Print kinds as rows, variants as columns."""
    console = Console(soft_wrap=True)
    console.print(title)
    table = Table("", *columns, box=None)
    totals = {name: sum(times.values()) for name, times in columns.items()}
    for kind in (*KINDS, OTHER, BETWEEN):
        cells = [f"{t[kind]:7.1f} {t[kind] / totals[n]:4.0%}" for n, t in columns.items()]
        table.add_row(kind, *cells)
    table.add_row("all", *[f"{total:7.1f}" for total in totals.values()])
    console.print(table)


if __name__ == "__main__":
    main()
