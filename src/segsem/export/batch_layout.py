"""`write_layouts`: the results of a batch as one OASIS and one GDSII file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from segsem import __version__
from segsem.core.exceptions import CalibrationError, ExportError
from segsem.core.extraction import Extraction
from segsem.core.files import write_json
from segsem.export.cells import CellGeometry, build_cell
from segsem.export.layer_map import write_layer_map
from segsem.export.layout import (
    LayoutFormat,
    LayoutOptions,
    check_length,
    remove_layout,
    write_layout_file,
)
from segsem.export.regions_json import plain_json
from segsem.export.results import read_results
from segsem.export.selection import check_decided, is_undecided, select_regions

LAYOUT_STEM = "contours"
LAYER_MAP_CSV = "contours.layers.csv"
LAYOUT_JSON = "contours.layout.json"

ALL_LAYOUT_FORMATS = (LayoutFormat.OASIS, LayoutFormat.GDSII)

Source = Extraction | Path | str | Callable[[], Extraction]
"""A result, the folder that it was written to, or what reads it."""


def write_layouts(
    sources: Sequence[Source],
    out: Path | str,
    *,
    formats: Sequence[LayoutFormat] = ALL_LAYOUT_FORMATS,
    options: LayoutOptions | None = None,
    skip_refused: bool = False,
) -> list[Path]:
    """Write the layouts of many images, one cell for each, reading one result at a time.

    Beside them stand the layer map (`contours.layers.csv`, which `--layer-map` takes back) and
    `contours.layout.json`: which cell is which image under which edge definition, what was left
    out and why, and what was overridden.

    Parameters
    ----------
    sources : sequence of Extraction, path or callable
        Results, result folders, or what reads a result.
    out : path
        Folder of `contours.oas` and `contours.gds`.
    formats : sequence of LayoutFormat
        Which to write.
    options : LayoutOptions, optional
        How to write.
    skip_refused : bool
        Leave out images whose layout is refused, and say so in `contours.layout.json`, rather
        than raise. A format that no image is left for is not written.

    Returns
    -------
    list of Path
        The files. Layouts of an earlier run that were not written again are removed.

    Raises
    ------
    CalibrationError
        If a pixel size is unknown.
    ExportError
        If regions wait for a decision, a format cannot hold a contour, or a file does not read
        back as it was written. Files of formats before the failing one are complete.
    """
    out = Path(out)
    options = options or LayoutOptions()
    report = _Report()
    written: list[Path] = []
    if len(sources) == 1 and not isinstance(sources[0], Extraction):
        sources = [_loaded(sources[0])]  # once for all formats
    for layout_format in formats:
        path = out / f"{LAYOUT_STEM}.{layout_format.value}"
        cells = _cells(sources, layout_format, options, report, skip_refused)
        files: list[Path] = []
        try:
            first = next(cells, None)
            if first is not None:
                files = write_layout_file(path, chain([first], cells), layout_format, options)
        finally:
            remove_layout(path, keep=files)
        written += files
    if not written:
        return []
    write_layer_map(out / LAYER_MAP_CSV, options.layer_map)
    write_json(out / LAYOUT_JSON, _layout_record(written, options, report))
    return [*written, out / LAYER_MAP_CSV, out / LAYOUT_JSON]


def layout_cell(
    extraction: Extraction, layout_format: LayoutFormat, options: LayoutOptions
) -> CellGeometry:
    """Build the cell of an image if its layout may be written in this format.

    Raises
    ------
    CalibrationError
        If the pixel size is unknown.
    ExportError
        If regions wait for a decision, or the format cannot hold a contour.
    """
    chosen = select_regions(extraction, only_accepted=options.only_accepted)
    place = options.places.get(extraction.image_id)
    cell = build_cell(chosen, options.layer_map, options.dbu_nm, place)
    if not options.allow_needs_human:
        undecided = [r.region_id for r in chosen.regions if is_undecided(r)]
        check_decided(extraction.image_id, undecided)
    check_length(cell, layout_format, options)
    return cell


@dataclass(slots=True)
class _Report:
    cells: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: list[dict[str, str]] = field(default_factory=list)


def _cells(
    sources: Sequence[Source],
    layout_format: LayoutFormat,
    options: LayoutOptions,
    report: _Report,
    skip_refused: bool,
) -> Iterator[CellGeometry]:
    for source in sources:
        extraction = _loaded(source)
        try:
            cell = layout_cell(extraction, layout_format, options)
        except (CalibrationError, ExportError) as error:
            if not skip_refused:
                raise
            report.left_out.append(
                {
                    "image_id": extraction.image_id,
                    "format": layout_format.value,
                    "reason": str(error),
                }
            )
            continue
        report.cells[cell.name] = _cell_record(extraction, cell.name, options)
        yield cell


def _loaded(source: Source) -> Extraction:
    if isinstance(source, Extraction):
        return source
    return source() if callable(source) else read_results(source)


def _cell_record(extraction: Extraction, name: str, options: LayoutOptions) -> dict[str, Any]:
    chosen = select_regions(extraction, only_accepted=options.only_accepted)
    exported = {region.region_id for region in chosen.regions}
    provenance = extraction.provenance
    return {
        "cell": name,
        "image_id": extraction.image_id,
        "pixel_size_nm": plain_json(extraction.pixel_size_nm),
        "pixel_size_source": extraction.pixel_size_source,
        "frame": "design" if extraction.image_id in options.places else "image",
        "edge_definition": plain_json(edge_definition(provenance)),
        "offset_nm": mean_offset_nm(chosen),
        "model": plain_json(provenance.get("model")),
        "regions": len(exported),
        "regions_left_out": [
            r.region_id for r in extraction.regions if r.region_id not in exported
        ],
        "exported_without_decision": [r.region_id for r in chosen.regions if is_undecided(r)],
    }


def edge_definition(provenance: Mapping[str, Any]) -> Any:
    """Give how edges were placed, as the provenance says it; None where it does not."""
    params = provenance.get("params")
    from_params = params.get("edge") if isinstance(params, Mapping) else None
    return provenance.get("edge_definition", from_params)


def mean_offset_nm(extraction: Extraction) -> float:
    """Mean over all points of the calibrated offset that was applied, outwards positive."""
    offsets = [
        contour.offset_nm
        for region in extraction.regions
        for contour in region.contours
        if contour.offset_nm is not None
    ]
    return round(float(np.mean(np.concatenate(offsets))), 6) if offsets else 0.0


def _layout_record(files: list[Path], options: LayoutOptions, report: _Report) -> dict[str, Any]:
    return {
        "format": "segsem-layout",
        "version": 1,
        "segsem": __version__,
        "files": [path.name for path in files],
        "dbu_nm": options.dbu_nm,
        "layers": {name: list(numbers) for name, numbers in options.layer_map.items()},
        "overrides": {
            "allow_needs_human": options.allow_needs_human,
            "allow_long_gds": options.allow_long_gds,
        },
        "only_accepted": options.only_accepted,
        "cells": list(report.cells.values()),
        "left_out": report.left_out,
    }
