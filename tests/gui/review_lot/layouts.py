"""What a written layout holds of an image, as klayout and as gdstk read it; and what it should."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gdstk
import klayout.db as kdb
import numpy as np

from segsem.core.contour import Region
from segsem.core.coordinates import rc_to_nm
from segsem.export.cells import cell_name

DBU_NM = 0.1
OUTER, HOLES = 1, 2
DATATYPES = range(4)


def klayout_areas(path: Path, image_id: str) -> kdb.Region:
    """Layer 1 without layer 2 of an image's cell; nothing where there is no such cell."""
    layout = kdb.Layout()
    layout.read(str(path))
    cell = layout.cell(cell_name(image_id))

    def on(layer: int) -> kdb.Region:
        found = kdb.Region()
        for datatype in DATATYPES:
            index = layout.find_layer(layer, datatype)
            if cell is not None and index is not None:
                found.insert(cell.begin_shapes_rec(index))
        return found

    return on(OUTER) - on(HOLES)


def gdstk_areas(path: Path, image_id: str) -> kdb.Region:
    """The same by gdstk; klayout only compares."""
    cells = [c for c in gdstk.read_oas(path, unit=1e-9).cells if c.name == cell_name(image_id)]
    polygons = [polygon for cell in cells for polygon in cell.polygons]
    outer = [p for p in polygons if p.layer == OUTER]
    holes = [p for p in polygons if p.layer == HOLES]
    found = kdb.Region()
    for polygon in gdstk.boolean(outer, holes, "not", precision=DBU_NM / 10):
        found.insert(_in_dbu(polygon.points))
    return found


def areas_of(regions: Sequence[Region], height: int, pixel_nm: tuple[float, float]) -> kdb.Region:
    """What regions cover, straight from their closed contours."""
    parts = {False: kdb.Region(), True: kdb.Region()}
    for contour in (c for region in regions for c in region.contours if c.closed):
        parts[contour.is_hole].insert(_in_dbu(rc_to_nm(contour.vertices_rc, height, pixel_nm)))
    return parts[False] - parts[True]


def are_alike(one: kdb.Region, other: kdb.Region) -> bool:
    """Whether nothing is left of what differs once 1 dbu is taken off on each side."""
    return bool((one ^ other).merged().sized(-1).is_empty())


def _in_dbu(points_nm: np.ndarray) -> kdb.Polygon:
    points = np.rint(np.asarray(points_nm) / DBU_NM).astype(int)
    return kdb.Polygon([kdb.Point(*point) for point in points.tolist()])
