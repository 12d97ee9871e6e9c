"""`export_results`: from reviewed results to what an OPC flow takes in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from segsem.core.extraction import Extraction
from segsem.export.batch_layout import mean_offset_nm, write_layouts
from segsem.export.contours_csv import write_contours_csv
from segsem.export.geojson import write_geojson
from segsem.export.job import (
    GEOJSON,
    PARQUET,
    ExportJob,
    ExportOptions,
    check_target,
)
from segsem.export.manifest import MANIFEST, files_of, write_manifest
from segsem.export.outputs import CSV
from segsem.export.parquet import write_parquet
from segsem.export.point_columns import ColumnTemplate, write_point_table
from segsem.export.results import CONTOURS_CSV
from segsem.export.staging import staged

CONTOURS_PARQUET = "contours.parquet"
CONTOURS_GEOJSON = "contours.geojson"


def export_results(
    results: Sequence[Path | str], out: Path | str, options: ExportOptions | None = None
) -> list[Path]:
    """Export reviewed results: one layout and one point table for all images.

    Everything is checked before anything is written; the files appear together or not at all.
    Decisions of the review beside the results hold; rejected regions are left out. Where the
    images are registered to a design, cells lie in its coordinates.

    Parameters
    ----------
    results : sequence of path
        Result folders, or folders that hold them.
    out : path
        Folder for the export; not one of the results. Files of an earlier export go.
    options : ExportOptions, optional
        How to export.

    Returns
    -------
    list of Path
        The files; `manifest.json` last.

    Raises
    ------
    UsageError
        If a format is unknown or cannot be written here, or the export would overwrite results.
    InputError
        If a result cannot be read.
    CalibrationError
        If a format in nm is asked for and a pixel size is unknown.
    ExportError
        If regions wait for a decision, or a file cannot be written.
    """
    return export_job(ExportJob.open(results, options), Path(out))


def export_job(job: ExportJob, out: Path) -> list[Path]:
    """Export what was opened; see `export_results`."""
    check_target(out, job.lot)
    job.check()
    with staged(out, [*files_of(out / MANIFEST), MANIFEST]) as folder:
        written = _write(job, folder)
        offsets = {result.image_id: mean_offset_nm(job.chosen(result)) for result in job.lot}
        write_manifest(folder, job, offsets)
    return [out / path.name for path in [*written, folder / MANIFEST]]


def _write(job: ExportJob, folder: Path) -> list[Path]:
    options = job.options
    places = options.layout.places
    written: list[Path] = []
    template = options.columns or ColumnTemplate.default(design=bool(places))
    if CSV in options.formats:
        path = folder / CONTOURS_CSV
        if options.columns is None and not places:
            write_contours_csv(path, _extractions(job))
        else:
            write_point_table(path, _extractions(job), template, places)
        written.append(path)
    if PARQUET in options.formats:
        write_parquet(folder / CONTOURS_PARQUET, _extractions(job), template, places)
        written.append(folder / CONTOURS_PARQUET)
    if GEOJSON in options.formats:
        write_geojson(folder / CONTOURS_GEOJSON, _extractions(job), places)
        written.append(folder / CONTOURS_GEOJSON)
    if options.layouts:
        sources = [partial(job.read, result) for result in job.lot]
        written += write_layouts(sources, folder, formats=options.layouts, options=options.layout)
    return written


def _extractions(job: ExportJob) -> Iterator[Extraction]:
    return (job.chosen(result) for result in job.lot)
