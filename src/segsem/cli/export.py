"""`segsem export`: layouts and a point table from results."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


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
        str, typer.Option(help="Formats, separated by commas: oas, gds, csv.")
    ] = "oas,gds,csv",
    only: Annotated[
        Only | None, typer.Option(help="Only what a person accepted or corrected.")
    ] = None,
    layer_map: Annotated[
        Path | None,
        typer.Option(help="CSV of name, layer, datatype; see contours.layers.csv of any export."),
    ] = None,
    dbu_nm: Annotated[float, typer.Option("--dbu", help="Database unit in nm.")] = 0.1,
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
) -> None:
    """Export contours as OASIS, GDSII and a table of points.

    Regions that need a person's decision stop the export; rejected ones are left out. Layouts
    are read back and compared before they are called done.
    """
    from segsem.export.export_results import export_results
    from segsem.export.layer_map import LayerMap, read_layer_map
    from segsem.export.layout import LayoutOptions

    options = LayoutOptions(
        dbu_nm=dbu_nm,
        allow_needs_human=allow_needs_human,
        only_accepted=only is Only.ACCEPTED,
        allow_long_gds=allow_long_gds,
        layer_map=LayerMap() if layer_map is None else read_layer_map(layer_map),
    )
    names = [name.strip() for name in formats.split(",") if name.strip()]
    for path in export_results(results, out, formats=names, options=options):
        typer.echo(str(path))
