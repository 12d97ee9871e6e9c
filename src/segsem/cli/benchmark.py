"""`segsem benchmark`: how quick the model is beside SAM2's own predictor, and the window."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from segsem.cli.benchmark_gui import gui, review
from segsem.cli.progress_bar import shown
from segsem.core.exceptions import UsageError
from segsem.core.files import write_json

_ROOM = "segsem.benchmark"
TABLE_WIDTH = 120

Model = Annotated[
    str,
    typer.Option(
        help="nano; tiny, small, base-plus or large (official architectures, random weights); "
        "or a model that is here, by name or folder."
    ),
]
Image = Annotated[
    Path | None,
    typer.Option(help="Image whose middle square is taken; a synthetic one by default."),
]
Repeats = Annotated[int, typer.Option(min=1, help="Rounds that are measured.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of torch.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")]
Precision = Annotated[str, typer.Option(help="Of our encoder: auto, fp32 or bf16.")]
Output = Annotated[Path | None, typer.Option("--json", help="File for all values.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        no_args_is_help=True, help="Times as ratios to SAM2's own predictor or to napari alone."
    )
    group.command("encode")(encode)
    group.command("prompt")(prompt)
    group.command("extract")(extract)
    group.command("sauvola")(sauvola)
    group.command("gui")(gui)
    group.command("review")(review)
    app.add_typer(group, name="benchmark")


def encode(
    model: Model = "tiny",
    image: Image = None,
    repeats: Repeats = 7,
    threads: Threads = None,
    device: Device = "cpu",
    precision: Precision = "auto",
    json: Output = None,
) -> None:
    """Encode an image with ours and with SAM2's own predictor, in turns."""
    _run("encode", "benchmark_encode", (model, image, repeats, threads, device, precision), json)


def prompt(
    model: Model = "tiny",
    image: Image = None,
    repeats: Repeats = 21,
    threads: Threads = None,
    device: Device = "cpu",
    precision: Precision = "auto",
    beside_training: Annotated[
        bool, typer.Option(help="Ours alone, and beside a training run, in turns.")
    ] = False,
    reopen: Annotated[
        bool, typer.Option(help="Ours from an image that was encoded in an earlier session.")
    ] = False,
    json: Output = None,
) -> None:
    """Go from a click to an outline with ours and with SAM2's own predictor, in turns."""
    if beside_training and reopen:
        msg = "Expected --beside-training or --reopen, but got both: run it twice"
        raise UsageError(msg)
    module, function = "prompt", "benchmark_prompt"
    if beside_training:
        module, function = "beside_training", "benchmark_beside_training"
    if reopen:
        module, function = "reopen", "benchmark_reopen"
    _run(module, function, (model, image, repeats, threads, device, precision), json)


def extract(
    repeats: Repeats = 7,
    threads: Threads = None,
    json: Output = None,
) -> None:
    """Extract an image of a hundred features; contour points per second of each edge method."""
    _measure("extract", "benchmark_extract", (repeats, threads), json)


def sauvola(repeats: Repeats = 21, json: Output = None) -> None:
    """Threshold an image with ours and with scikit-image's Sauvola, in turns."""
    _measure("sauvola", "benchmark_sauvola", (repeats,), json)


def _run(module: str, function: str, values: tuple[Any, ...], json: Path | None) -> None:
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    options = importlib.import_module(f"{_ROOM}.subject").Options(*values)
    _measure(module, function, (options,), json)


def _measure(module: str, function: str, values: tuple[Any, ...], json: Path | None) -> None:
    # As in the engine, and before torch is loaded: threads that spin slow whoever else computes.
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    steps = getattr(importlib.import_module(f"{_ROOM}.{module}"), function)(*values)
    report: Any = shown(steps)
    if json is not None:
        write_json(json, report.as_json())
    _show(report)


def _show(report: Any) -> None:
    console = Console(soft_wrap=True, highlight=False)
    # Where nobody looks, rich takes 80 columns, and would break numbers in two.
    console.width = max(console.width, TABLE_WIDTH)
    facts, machine = report.facts, report.facts["machine"]
    known = [str(facts[name]) for name in ("model", "weights") if name in facts]
    if "frame_px" in facts:
        known.append(f"frame {facts['frame_px']} px")
    if "precision" in facts["settings"]:
        known.append(facts["settings"]["precision"])
    known += [f"{machine['threads']} threads", f"{machine['device']}: {machine['processor']}"]
    console.print(", ".join(known))
    times = Table(
        Column("", no_wrap=True), "median ms", "quartiles ms", "processor ms", "n", box=None
    )
    for name, samples in report.times.items():
        row = samples.as_json()
        spread = f"{row['q1_ms']:.1f} to {row['q3_ms']:.1f}"
        cpu_ms = f"{row['median_cpu_ms']:.1f}"
        times.add_row(name, f"{row['median_ms']:.1f}", spread, cpu_ms, str(row["n"]))
    console.print(times)
    ratios = Table(
        Column("ratio", no_wrap=True), "of medians", "in rounds", "of processor times", box=None
    )
    for name, ratio in report.ratios.items():
        spread = f"{ratio.q1:.2f} to {ratio.q3:.2f}"
        ratios.add_row(name, f"{ratio.of_medians:.2f}", spread, f"{ratio.of_cpu_medians:.2f}")
    console.print(ratios)
    for name, value in report.checks.items():
        console.print(f"{name}: {_plain(value)}")
    for note in report.notes:
        console.print(note)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {part:.4g}" for name, part in value.items())
    return str(value)
