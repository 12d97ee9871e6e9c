"""`segsem report`: a lot as one HTML file to read, print and sign."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


def report(
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULTS...", help="Folders that `extract` wrote.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE.html", help="The report.")],
    images: Annotated[
        Path | None, typer.Option(help="Folder of the images, where they have moved.")
    ] = None,
    measures: Annotated[
        Path | None, typer.Option(help="What `measure` wrote. [default: RESULTS/measure]")
    ] = None,
    limits: Annotated[
        Path | None,
        typer.Option(help="File with a table [qa]. [default: project.toml of the results]"),
    ] = None,
    pictures: Annotated[
        int, typer.Option(min=0, max=200, help="How many least sure, and how many random regions.")
    ] = 12,
    seed: Annotated[int, typer.Option(help="Draws the random regions.")] = 0,
) -> None:
    """Write a report of results: verdicts, tables, distributions, pictures, provenance.

    One HTML file without scripts that needs no network; a browser prints it as PDF.
    """
    from segsem.cli.progress_bar import shown
    from segsem.export.job import ExportJob, ExportOptions
    from segsem.export.report import write_report

    job = ExportJob.open(results, ExportOptions(measures=measures, limits=limits))
    written: Path = shown(write_report(job, out, seed=seed, pictures=pictures, images=images))
    verdict = job.quality.lot
    typer.echo(f"{written}: {verdict.name} {verdict.verdict}")
    for reason in verdict.reasons:
        typer.echo(f"  {reason}")
