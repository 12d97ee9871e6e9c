"""`segsem synth`: synthetic SEM images whose truth is known exactly."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress as ProgressBar

from segsem.core.exceptions import UsageError
from segsem.core.progress import Progress, run_to_completion

if TYPE_CHECKING:
    from segsem.core.types import PointsXY

_DEFAULT_COUNT = 20
_SAMPLE = "sample"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("synth")(synth)


def synth(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the set.")],
    count: Annotated[
        int | None,
        typer.Option(min=1, help=f"Number of images; {_DEFAULT_COUNT} where not given."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Same seed, same images, whatever the count; 0 where not given, except for "
            "edges, which has a seed of its own.",
        ),
    ] = None,
    preset: Annotated[
        str,
        typer.Option(
            help="default, lines, contacts, metal, free-form, clean (no noise), hard, fewshot "
            "(one process), polycrystal (one process at 20 sites, for measuring few-shot gains), "
            "sample (the project's sample data), or edges (the benchmark of edge placement: "
            "nothing is tuned by it)."
        ),
    ] = "default",
    layout: Annotated[
        Path | None,
        typer.Option(help="GDSII, OASIS, .glp or SVG file to take the patterns from."),
    ] = None,
    layer: Annotated[
        str | None, typer.Option(metavar="L/D", help="Layer of the layout, or its name.")
    ] = None,
    cell: Annotated[str | None, typer.Option(help="Cell of the layout.")] = None,
) -> None:
    """Generate SEM images, their exact contours and their design."""
    if layout is None and (layer is not None or cell is not None):
        msg = "Expected --layout FILE beside --layer and --cell, but got none"
        raise UsageError(msg)
    steps = _steps(out, count, seed, preset, _polygons(layout, layer, cell))
    console = Console(stderr=True)
    with ProgressBar(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("Synthetic images", total=None)

        def show(step: Progress) -> None:
            bar.update(task, completed=step.done, total=step.total, description=step.message)

        manifest = run_to_completion(steps, show)
    typer.echo(f"wrote {manifest}")


def _steps(
    out: Path, count: int | None, seed: int | None, preset: str, polygons_nm: list[PointsXY] | None
) -> Generator[Progress, None, Path]:
    # The generator needs cv2 and scipy; `segsem --help` shall not wait for them.
    from segsem.synth.edges_set import EDGES_COUNT, EDGES_PRESET, EDGES_SEED
    from segsem.synth.sample import DEMO_COUNT, write_sample
    from segsem.synth.write import SynthSet, write_set

    if preset == EDGES_PRESET and polygons_nm is None and seed is None:
        return write_set(out, SynthSet(preset, count or EDGES_COUNT, EDGES_SEED))
    seed = seed or 0
    if preset == _SAMPLE and polygons_nm is None:
        return write_sample(out, seed, count or DEMO_COUNT)
    return write_set(out, SynthSet(preset, count or _DEFAULT_COUNT, seed, polygons_nm))


def _polygons(layout: Path | None, layer: str | None, cell: str | None) -> list[PointsXY] | None:
    if layout is None:
        return None
    from segsem.layout.read import read_layout

    return read_layout(layout, cell).polygons(layer)
