"""`segsem measure` and `segsem calibrate-offset`."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from segsem.cli.design_options import DesignOptions
from segsem.cli.progress_bar import shown
from segsem.core.exceptions import UsageError

DESIGN_FILE = "registration.json"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("measure")(measure)
    app.command("calibrate-offset")(calibrate_offset)


def measure(
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULTS...", help="Folders that `extract` wrote.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Folder for the tables. [default: RESULTS/measure]"),
    ] = None,
    gauges: Annotated[
        Path | None,
        typer.Option(help="CSV of EP and CD gauges: gauge, kind, frame, x, y, nx, ny or x2, y2."),
    ] = None,
    design: Annotated[
        Path | None, typer.Option(help="Layout (GDSII, OASIS, GLP, SVG) to register and compare.")
    ] = None,
    cell: Annotated[str | None, typer.Option(help="Its cell.")] = None,
    layer: Annotated[str | None, typer.Option(metavar="L/D", help="Its layer.")] = None,
    near: Annotated[
        str | None,
        typer.Option(
            "--near", "--at", metavar="X,Y", help="Where in the design (nm) the centre lies."
        ),
    ] = None,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Try quarter turns of the design as well.")
    ] = False,
    fit_scale: Annotated[
        bool, typer.Option("--fit-scale", help="Fit a scale; the CD that it absorbs is told.")
    ] = False,
    reach: Annotated[
        float | None,
        typer.Option(min=0.1, metavar="NM", help="How far from the design an edge is looked for."),
    ] = None,
    offset: Annotated[
        Path | None, typer.Option(help="offset.json of `calibrate-offset`, applied before.")
    ] = None,
    offset_layer: Annotated[
        str | None, typer.Option(help="Its layer, where it has several.")
    ] = None,
    average: Annotated[
        bool, typer.Option("--average", help="The images are repeats of one site: average them.")
    ] = False,
) -> None:
    """Measure CD, EPE, LER and LWR of results.

    Writes cd.csv and roughness.csv; with a design epe.csv, topology.csv, registration.json, and a
    map and a histogram of each image's EPE in figures; with gauges gauges.csv. Outward is
    positive. Exit codes: 0 all is well, 2 usage, 3 bad input.
    """
    if average and design is None:
        msg = "Expected --design FILE beside --average, but got none"
        raise UsageError(msg)
    drawn = DesignOptions(design, cell, layer, near, rotate, fit_scale).read()
    folders = _folders(results)
    work: Any = importlib.import_module("segsem.metrology.measure")
    options: Any = importlib.import_module("segsem.layout.register")
    job = work.MeasureJob(
        gauges=() if gauges is None else tuple(_module("gauge_csv").read_gauges(gauges)),
        design=None if drawn is None else drawn.design,
        register=options.RegisterOptions() if drawn is None else drawn.options,
        reach_nm=reach,
        offset=None if offset is None else _module("offset_files").read_offset(offset),
        offset_layer=offset_layer,
        average=average,
    )
    target = out or results[0] / "measure"
    importlib.import_module("segsem.batch").check_writable(target)
    measures = shown(work.measure_images(_as_decided(folders), job, len(folders)))
    written = _module("tables").write_tables(target, measures)
    if drawn is not None:
        written.append(_write_registrations(target, measures, drawn.record))
        written += _module("epe_figures").write_figures(target, measures)
    for one in measures.images:
        for warning in (*one.warnings, *_roughness_warnings(one)):
            typer.echo(f"warning: {warning}", err=True)
    for path in written:
        typer.echo(f"wrote {path}")
    typer.echo(_module("summary").summary_line(measures))


def calibrate_offset(
    table: Annotated[
        Path, typer.Argument(help="CSV of measured_nm, reference_nm and, optionally, layer.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The offset.json to write.")],
    variance_ratio: Annotated[
        float,
        typer.Option(min=1e-6, help="Variance of the reference's errors over that of ours."),
    ] = 1.0,
    edge_method: Annotated[
        str | None, typer.Option(help="Edge method of measured_nm; the offset holds for no other.")
    ] = None,
    edge_side: Annotated[str | None, typer.Option(help="Edge side of measured_nm.")] = None,
) -> None:
    """Fit slope and offset of our CDs against CD-SEM values, by layer (Deming regression)."""
    files: Any = _module("offset_files")
    edge = {"edge_method": edge_method, "edge_side": edge_side}
    offset = _module("offset").calibrate_offset(
        files.read_cd_pairs(table),
        variance_ratio=variance_ratio,
        edge={name: value for name, value in edge.items() if value is not None},
        table=table.name,
    )
    files.write_offset(out, offset)
    for name, layer in offset.layers.items():
        typer.echo(f"{name}: {_module('summary').offset_line(layer)}")
    typer.echo(f"wrote {out}")


def _module(name: str) -> Any:
    return importlib.import_module(f"segsem.metrology.{name}")


def _as_decided(folders: list[Path]) -> Iterator[Any]:
    """Read results with what the review's journal says of them."""
    reviewed: Any = importlib.import_module("segsem.export.reviewed")
    lot = [reviewed.ResultFolder.read(folder) for folder in folders]
    reviews = reviewed.open_reviews(lot)
    for result in lot:
        yield reviewed.read_reviewed(result, reviews[result.image_id])


def _folders(results: list[Path]) -> list[Path]:
    find = importlib.import_module("segsem.export.results").find_results
    return [folder for root in results for folder in find(root)]


def _write_registrations(out: Path, measures: Any, record: dict[str, Any]) -> Path:
    found = {
        one.image_id: one.registration for one in measures.images if one.registration is not None
    }
    write = importlib.import_module("segsem.layout.registration_json").write_registrations
    write(out / DESIGN_FILE, found, record)
    return out / DESIGN_FILE


def _roughness_warnings(one: Any) -> list[str]:
    return [
        f"{one.image_id}: {rough.kind}: {text}"
        for rough in one.roughness
        for text in rough.warnings
    ]
