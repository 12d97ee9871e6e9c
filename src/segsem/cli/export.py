"""`segsem export`: layouts and point tables from reviewed results."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from segsem.export.job import ExportJob


class Only(StrEnum):
    """Which regions to export."""

    ACCEPTED = "accepted"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)


def export(
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULTS...", help="Folders that `extract` wrote.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the export.")],
    formats: Annotated[
        str, typer.Option(help="Formats, separated by commas: oas, gds, csv, parquet, geojson.")
    ] = "oas,gds,csv",
    only: Annotated[
        Only | None, typer.Option(help="Only what a person accepted or corrected.")
    ] = None,
    layer_map: Annotated[
        Path | None,
        typer.Option(help="CSV of name, layer, datatype; see contours.layers.csv of any export."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="LIST|@FILE",
            help="Columns of the point table: x=x_nm,y=y_nm,weight, or @ and a file of them.",
        ),
    ] = None,
    dbu_nm: Annotated[float, typer.Option("--dbu", help="Database unit in nm.")] = 0.1,
    measures: Annotated[
        Path | None,
        typer.Option(help="What `measure` wrote: registrations. [default: RESULTS/measure]"),
    ] = None,
    image_frame: Annotated[
        bool,
        typer.Option(
            "--image-frame", help="Image coordinates, even where a registration to a design is."
        ),
    ] = False,
    offset: Annotated[
        Path | None, typer.Option(help="offset.json of `calibrate-offset`, applied before.")
    ] = None,
    offset_layer: Annotated[
        str | None, typer.Option(help="Its layer, where it has several.")
    ] = None,
    limits: Annotated[
        Path | None,
        typer.Option(help="File with a table [qa]. [default: project.toml of the results]"),
    ] = None,
    allow_needs_human: Annotated[
        bool,
        typer.Option(
            "--allow-needs-human", help="Export regions that still need a person's decision."
        ),
    ] = False,
    allow_long_gds: Annotated[
        bool,
        typer.Option(
            "--allow-long-gds", help="Write GDSII polygons above 8,190 vertices all the same."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")
    ] = False,
) -> None:
    """Export contours as OASIS, GDSII, and tables of points.

    Decisions of the review hold. Regions that need a person's decision stop the export; rejected
    ones are left out. Layouts are read back and compared; all files appear together or not at
    all. manifest.json says what was written from what, and on whose word.
    """
    from segsem.export.export_results import export_job
    from segsem.export.job import ExportJob, ExportOptions
    from segsem.export.layer_map import LayerMap, read_layer_map
    from segsem.export.layout import LayoutOptions
    from segsem.export.point_columns import read_template
    from segsem.metrology.offset_files import read_offset

    layout = LayoutOptions(
        dbu_nm=dbu_nm,
        allow_needs_human=allow_needs_human,
        only_accepted=only is Only.ACCEPTED,
        allow_long_gds=allow_long_gds,
        layer_map=LayerMap() if layer_map is None else read_layer_map(layer_map),
    )
    options = ExportOptions(
        formats=tuple(name.strip() for name in formats.split(",") if name.strip()),
        layout=layout,
        columns=None if columns is None else read_template(columns),
        image_frame=image_frame,
        measures=measures,
        offset=None if offset is None else read_offset(offset),
        offset_layer=offset_layer,
        limits=limits,
    )
    job = ExportJob.open(results, options)
    if dry_run:
        _preview(job)
        return
    for path in export_job(job, out):
        typer.echo(str(path))


def _preview(job: ExportJob) -> None:
    from segsem.cli.progress_bar import shown
    from segsem.core.exceptions import ExportError
    from segsem.export.preview import ExportPreview, preview_export, preview_lines

    preview: ExportPreview = shown(preview_export(job))
    for line in preview_lines(preview):
        typer.echo(line)
    verdict = job.quality.lot
    typer.echo(f"quality of {verdict.name}: {verdict.verdict}")
    for reason in verdict.reasons:
        typer.echo(f"  {reason}")
    if preview.blocked:
        raise ExportError(preview.blocked[0])
