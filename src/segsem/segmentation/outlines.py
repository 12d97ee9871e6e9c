"""Outlines of one region, however large: its holes are traced one by one.

Tracing takes some hundred bytes for each pixel that an outline passes, and a copy of the field in
double precision: too much at once for a film with tens of thousands of holes.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage as ndi

from segsem.contours.trace import Polyline, trace
from segsem.core.types import FloatImage, MaskArray

LARGE_PX = 1 << 20
"""Fields with fewer pixels are traced as a whole."""


def outlines(
    field: FloatImage, inside: MaskArray, offset_rc: tuple[int, int], large_px: int = LARGE_PX
) -> list[Polyline]:
    """Trace the zero level of a region's field; the same lines as `trace`, in the same order.

    Parameters
    ----------
    field : (h, w) float32
        Positive inside the region only.
    inside : (h, w) bool
        Where it is: one 4-connected piece.
    offset_rc : (int, int)
        Row and column of `field[0, 0]` in the image.
    large_px : int
        Size from which holes are traced one by one.

    Returns
    -------
    list of Polyline
        In the image's frame, longest first.
    """
    if field.size < large_px:
        return trace(field, offset_rc)
    # Outside pixels that meet at a corner lie in one hole, as the tracer has it.
    holes, count = ndi.label(~inside, structure=np.ones((3, 3)))
    sides = np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]])
    at_side = np.zeros(count + 1, dtype=bool)
    at_side[np.unique(sides)] = True
    lines: list[Polyline] = []
    filled = field.copy()
    for number, box in enumerate(ndi.find_objects(holes), start=1):
        if at_side[number]:
            continue
        rows, cols = (slice(span.start - 1, span.stop + 1) for span in box)
        hole = holes[rows, cols] == number
        near = field[rows, cols]
        alone = np.where(hole, near, np.abs(near))
        lines += trace(alone, (offset_rc[0] + rows.start, offset_rc[1] + cols.start))
        part = filled[rows, cols]
        part[hole] = np.abs(part[hole])
    del holes
    lines += trace(filled, offset_rc)
    lines.sort(key=_first_cell)
    return sorted(lines, key=lambda line: -len(line.vertices_rc))


def _first_cell(line: Polyline) -> tuple[int, int]:
    """Row and column of the first cell that a line passes, row by row: the order of the tracer."""
    vertices = line.vertices_rc
    following = np.roll(vertices, -1, axis=0)
    if not line.closed:
        vertices, following = vertices[:-1], following[:-1]
    cells = np.floor(np.minimum(vertices, following)).astype(np.int64)
    first = np.lexsort((cells[:, 1], cells[:, 0]))[0]
    return int(cells[first, 0]), int(cells[first, 1])
