"""`segsem models score`: how good a model is, on held-out, real and training-like images."""

from __future__ import annotations

import importlib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from segsem.cli.progress_bar import shown
from segsem.core.exceptions import UsageError
from segsem.core.files import write_json, write_text
from segsem.models.registry import NANO

SCORE_MODULE = "segsem.training.score"
HELDOUT_MODULE = "segsem.evaluation.heldout"
REAL_MODULE = "segsem.evaluation.real"
TABLES_MODULE = "segsem.evaluation.tables"
SETS_MODULE = "segsem.synth.heldout"
FORMAT_VERSION = 1


def score(
    model: Annotated[str, typer.Option(help="Name or model folder.")] = NANO.name,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Families and physics never trained on.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="A few objects of each held-out set.")
    ] = False,
    real: Annotated[
        Path | None, typer.Option(help="Folder with real_sem/: real objects, one click each.")
    ] = None,
    outlines: Annotated[
        Path | None, typer.Option(help="With --real: outlines, tests/integration/references.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write every object's scores.")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the tables.")] = None,
    frames: Annotated[
        int, typer.Option(min=1, help="Synthetic frames, or frames per image.")
    ] = 100,
    size_px: Annotated[int, typer.Option(min=64, help="Side of a frame (px).")] = 256,
    images: Annotated[Path | None, typer.Option(help="Folder of real images instead.")] = None,
    references: Annotated[Path | None, typer.Option(help="Their masks, same names.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Measure IoU and boundary F1 by kind of prompt.

    With --held-out or --real, prompts are answered as in the viewer. Without them, in single
    frames of training-like crops, or of images with masks.
    """
    if (images is None) != (references is None):
        msg = "Expected --images together with --references, but got one of them"
        raise UsageError(msg)
    full = held_out or real is not None
    if not full and (quick or outlines or json_file or markdown):
        msg = "Expected --held-out or --real together with this option"
        raise UsageError(msg)
    predictor: Any = importlib.import_module("segsem.models.load").load_predictor(model, device)
    if not full:
        _score_frames(predictor, frames, size_px, images, references)
        return
    text, values = _score_objects(predictor, held_out, quick, real, outlines)
    typer.echo(text)
    if markdown is not None:
        write_text(markdown, text)
    if json_file is not None:
        write_json(json_file, values)


def _score_objects(
    predictor: Any, held_out: bool, quick: bool, real: Path | None, outlines: Path | None
) -> tuple[str, dict[str, Any]]:
    """Return tables as Markdown, and everything as plain values."""
    tables: Any = importlib.import_module(TABLES_MODULE)
    sets: Any = importlib.import_module(SETS_MODULE)
    parts = []
    values: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "heldout_version": sets.HELDOUT_VERSION,
        "model": predictor.name,
        "weights_sha256": predictor.weights_sha256,
    }
    if held_out:
        heldout: Any = importlib.import_module(HELDOUT_MODULE)
        count = heldout.QUICK_OBJECTS if quick else heldout.FULL_OBJECTS
        found = shown(heldout.score_heldout(predictor, sets.SETS, count))
        made = tables.tables_of(found)
        parts.append(tables.markdown(made))
        values["held_out"] = {
            "objects_per_set": count,
            "tables": tables.as_json(made),
            "objects": [asdict(item) for item in found],
        }
    if real is not None:
        measuring: Any = importlib.import_module(REAL_MODULE)
        answers = shown(measuring.score_real(predictor, real, outlines))
        parts.append(tables.real_markdown(answers))
        values["real"] = [asdict(item) for item in answers]
    return "\n".join(parts), values


def _score_frames(
    predictor: Any, frames: int, size_px: int, images: Path | None, references: Path | None
) -> None:
    scoring: Any = importlib.import_module(SCORE_MODULE)
    if images is None:
        source = scoring.synthetic_frames(frames, size_px)
    else:
        source = scoring.reference_frames(images, references, size_px, frames)
    table = Table("prompt", "objects", "mean IoU", "best of three", "IoU > 0.85", box=None)
    for row in shown(scoring.score(predictor, source)):
        table.add_row(
            row.kind,
            str(row.count),
            f"{row.mean_iou:.3f}",
            f"{row.best_of_three:.3f}",
            f"{row.over_85:.2f}",
        )
    Console(soft_wrap=True).print(table)
