"""What an export would write: cells, layers, counts, extent; and what stands against it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from segsem.core.exceptions import CalibrationError, ExportError, SegSemError
from segsem.core.progress import Progress
from segsem.export.cells import CellGeometry, build_cell
from segsem.export.job import ExportJob
from segsem.export.layer_map import LayerDatatype
from segsem.export.layout import check_length

Extent = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class CellPreview:
    """One cell.

    Attributes
    ----------
    image_id, name : str
        Image and cell.
    regions : int
        Regions that it holds.
    left_out : int
        Regions that it does not.
    shapes : dict of (layer, datatype) to int
        Polygons and paths.
    vertices : int
    extent_um : (float, float, float, float)
        x0, y0, x1, y1.
    frame : str
        `image` or `design`.
    """

    image_id: str
    name: str
    regions: int
    left_out: int
    shapes: dict[LayerDatatype, int]
    vertices: int
    extent_um: Extent
    frame: str


@dataclass(frozen=True, slots=True)
class ExportPreview:
    """What an export would write.

    Attributes
    ----------
    cells : tuple of CellPreview
    layer_names : dict of (layer, datatype) to str
        What stands on each layer that is used.
    points : int
        Rows of a point table.
    blocked : tuple of str
        Why it would be refused; empty where it would not.
    """

    cells: tuple[CellPreview, ...]
    layer_names: dict[LayerDatatype, str]
    points: int
    blocked: tuple[str, ...]

    @property
    def shapes(self) -> dict[LayerDatatype, int]:
        """Polygons and paths of all cells by layer."""
        total: Counter[LayerDatatype] = Counter()
        for cell in self.cells:
            total.update(cell.shapes)
        return dict(sorted(total.items()))

    @property
    def extent_um(self) -> Extent | None:
        """Smallest box about all cells; None without a cell."""
        if not self.cells:
            return None
        boxes = np.array([cell.extent_um for cell in self.cells])
        low, high = boxes.min(axis=0), boxes.max(axis=0)
        return float(low[0]), float(low[1]), float(high[2]), float(high[3])


def preview_export(job: ExportJob) -> Generator[Progress, None, ExportPreview]:
    """Build all cells as an export would, and write nothing.

    Yields
    ------
    Progress
        One for each image.

    Returns
    -------
    ExportPreview
    """
    cells: list[CellPreview] = []
    blocked: list[str] = []
    points = 0
    try:
        job.check()
    except (CalibrationError, ExportError) as error:
        blocked.append(str(error))
    for number, result in enumerate(job.lot):
        yield Progress(number, len(job.lot), result.image_id)
        try:
            chosen = job.chosen(result)
            points += sum(len(c) for region in chosen.regions for c in region.contours)
            if result.record.pixel_size_nm is None:
                continue
            layout = job.options.layout
            place = layout.places.get(result.image_id)
            cell = build_cell(chosen, layout.layer_map, layout.dbu_nm, place)
            n_left = len(result.record.regions) - len(chosen.regions)
            cells.append(_preview(cell, len(chosen.regions), n_left, job))
            for layout_format in job.options.layouts:
                check_length(cell, layout_format, layout)
        except SegSemError as error:
            blocked.append(str(error))
    used = {layer for cell in cells for layer in cell.shapes}
    names: dict[LayerDatatype, list[str]] = {}
    for name, layer in job.options.layout.layer_map.items():
        if layer in used:
            names.setdefault(layer, []).append(name.replace("_", " "))
    layer_names = {layer: ", ".join(found) for layer, found in sorted(names.items())}
    return ExportPreview(tuple(cells), layer_names, points, tuple(dict.fromkeys(blocked)))


def preview_lines(preview: ExportPreview) -> list[str]:
    """Say a preview in lines of text."""
    lines = []
    for cell in preview.cells:
        x0, y0, x1, y1 = cell.extent_um
        left = f", {cell.left_out} left out" if cell.left_out else ""
        lines.append(
            f"cell {cell.name}: {cell.regions} regions{left}, {cell.vertices} vertices, "
            f"{x1 - x0:.4f} x {y1 - y0:.4f} um at ({x0:.4f}, {y0:.4f}) um "
            f"in the {cell.frame}'s frame"
        )
    for (layer, datatype), number in preview.shapes.items():
        name = preview.layer_names.get((layer, datatype), "")
        lines.append(f"layer {layer}/{datatype} {name}: {number} shapes")
    lines.append(f"{preview.points} points")
    extent = preview.extent_um
    if extent is not None:
        lines.append("extent {:.4f}, {:.4f} to {:.4f}, {:.4f} um".format(*extent))
    return lines


def _preview(cell: CellGeometry, regions: int, left_out: int, job: ExportJob) -> CellPreview:
    layout = job.options.layout
    points = np.concatenate([shape.points for shape in cell.shapes]) * layout.dbu_nm / 1000
    low, high = points.min(axis=0), points.max(axis=0)
    return CellPreview(
        image_id=cell.image_id,
        name=cell.name,
        regions=regions,
        left_out=left_out,
        shapes=dict(Counter(shape.layer for shape in cell.shapes)),
        vertices=cell.n_vertices,
        extent_um=(float(low[0]), float(low[1]), float(high[0]), float(high[1])),
        frame="design" if cell.image_id in layout.places else "image",
    )
