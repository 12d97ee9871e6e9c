"""`export_results`: from result folders to what an OPC flow takes in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from segsem.core.exceptions import ExportError, UsageError
from segsem.export.batch_layout import write_layouts
from segsem.export.contours_csv import write_contours_csv
from segsem.export.layout import LayoutFormat, LayoutOptions
from segsem.export.outputs import CSV, LAYOUT_FORMATS
from segsem.export.regions_json import RegionsFile, read_regions_json
from segsem.export.results import CONTOURS_CSV, REGIONS_JSON, find_results, read_results
from segsem.export.selection import (
    check_decided,
    check_pixel_size,
    is_exported,
    is_undecided,
    select_regions,
)

EXPORT_FORMATS = (*LAYOUT_FORMATS, CSV)

_MOST_LISTED = 5


def export_results(
    results: Sequence[Path | str],
    out: Path | str,
    *,
    formats: Sequence[str] = EXPORT_FORMATS,
    options: LayoutOptions | None = None,
) -> list[Path]:
    """Export reviewed results: one layout and one point table for all images.

    Every image is checked before anything is written. Rejected regions are left out.

    Parameters
    ----------
    results : sequence of path
        Result folders, or folders that hold them.
    out : path
        Folder for the export; not one of the results.
    formats : sequence of str
        Out of `oas`, `gds`, `csv`.
    options : LayoutOptions, optional
        How to write; `only_accepted` and `allow_needs_human` hold for the point table too.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    UsageError
        If a format is unknown, or the export would overwrite results.
    InputError
        If a result cannot be read.
    CalibrationError
        If a layout is asked for and a pixel size is unknown.
    ExportError
        If regions wait for a decision, or a file cannot be written.
    """
    out = Path(out)
    options = options or LayoutOptions()
    layouts = _layout_formats(formats)
    folders = [folder for root in results for folder in find_results(root)]
    if (out / REGIONS_JSON).exists() or out.resolve() in {folder.resolve() for folder in folders}:
        msg = f"Expected a folder for the export, but {out} holds results: choose another one"
        raise UsageError(msg)
    _check([read_regions_json(folder / REGIONS_JSON) for folder in folders], layouts, options)
    written: list[Path] = []
    if CSV in formats:
        table = out / CONTOURS_CSV
        write_contours_csv(
            table,
            (
                select_regions(read_results(folder), only_accepted=options.only_accepted)
                for folder in folders
            ),
        )
        written.append(table)
    if layouts:
        written += write_layouts(folders, out, formats=layouts, options=options)
    return written


def _layout_formats(formats: Sequence[str]) -> list[LayoutFormat]:
    unknown = [name for name in formats if name not in EXPORT_FORMATS]
    if unknown or not formats:
        got = repr(unknown[0]) if unknown else "none"
        msg = f"Expected formats out of {', '.join(EXPORT_FORMATS)}, but got {got}"
        raise UsageError(msg)
    return [f for f in LayoutFormat if f.value in formats]


def _check(
    records: Sequence[RegionsFile], layouts: Sequence[LayoutFormat], options: LayoutOptions
) -> None:
    seen: set[str] = set()
    for record in records:
        if record.image_id in seen:
            msg = f"Expected one result for each image, but {record.image_id} occurs twice"
            raise ExportError(msg)
        seen.add(record.image_id)
        if layouts:
            check_pixel_size(record.image_id, record.pixel_size_nm)
    if options.only_accepted and not any(
        is_exported(region, only_accepted=True) for record in records for region in record.regions
    ):
        msg = (
            "Expected accepted or corrected regions, but no region of these results was accepted: "
            "review them first, or export without --only accepted"
        )
        raise ExportError(msg)
    if not options.allow_needs_human:
        _check_decisions(records, options)


def _check_decisions(records: Sequence[RegionsFile], options: LayoutOptions) -> None:
    waiting = {
        record.image_id: ids for record in records if (ids := _undecided_ids(record, options))
    }
    if len(waiting) > 1:
        listed = ", ".join(
            f"{name} ({len(ids)})" for name, ids in list(waiting.items())[:_MOST_LISTED]
        )
        msg = (
            f"Regions of {len(waiting)} images need a person's decision: {listed}"
            f"{', ...' if len(waiting) > _MOST_LISTED else ''}. Decide in Review, export with "
            "--only accepted, or override with --allow-needs-human"
        )
        raise ExportError(msg)
    for name, ids in waiting.items():
        check_decided(name, ids)


def _undecided_ids(record: RegionsFile, options: LayoutOptions) -> list[int]:
    return [
        region.id
        for region in record.regions
        if is_undecided(region) and is_exported(region, only_accepted=options.only_accepted)
    ]
