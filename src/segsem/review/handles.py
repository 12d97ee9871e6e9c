"""Corners by which a person takes an outline, and outlines that are moved as they are.

An outline has a point for each pixel: too many to take hold of. A few of them are handles; what
lies between two handles follows them, by how near it is to each. These moves say where the edge
is, so no image is asked: only snapping asks it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import shapely
from scipy.spatial import cKDTree

from segsem.contours.place import PlacedLine
from segsem.contours.trace import Polyline, normals_rc
from segsem.core.contour import Contour, Region
from segsem.core.coordinates import arc_length_px
from segsem.core.types import FloatArray, LabelArray, PointsRC
from segsem.editing.errors import EditError
from segsem.editing.window import Box, Slices, placed
from segsem.review.ground import Ground
from segsem.review.redraw import (
    LOST,
    MANUAL_CODE,
    PER_POINT,
    composed,
    contour_of,
    crosses_itself,
    refuse_crossing,
    tidied,
)

MOST_HANDLES = 24
FIRST_TOLERANCE_PX = 0.75
STILL_PX = 1e-3
"""Less than this is no move."""

LONGEST_STEP_PX = 1.5
"""Where a move pulls points further apart, more are put between them."""

LEAST_SHARE = 0.5
"""An outline of which the image places less than this is left alone."""


@dataclass(frozen=True, slots=True)
class Handles:
    """Points of one contour that can be taken hold of.

    Attributes
    ----------
    contour : int
        Index of the contour in its region.
    index : (N,) int
        Their indices among its points, ascending.
    points_rc : (N, 2) array
    closed : bool
    """

    contour: int
    index: npt.NDArray[np.int64]
    points_rc: PointsRC
    closed: bool


def handles_of(region: Region, contour: int = 0, most: int = MOST_HANDLES) -> Handles:
    """Thin one contour of a region to a handful of points that keep its shape.

    Parameters
    ----------
    region : Region
    contour : int
        Index of the contour.
    most : int
        At most so many.
    """
    made = region.contours[contour]
    points = np.asarray(made.vertices_rc)
    ring = np.vstack([points, points[:1]]) if made.closed else points
    line, tolerance = shapely.linestrings(ring), FIRST_TOLERANCE_PX
    while True:
        kept = shapely.get_coordinates(shapely.simplify(line, tolerance, preserve_topology=False))
        if len(kept) <= most + int(made.closed):
            break
        tolerance *= 1.5
    where = {(float(r), float(c)): number for number, (r, c) in reversed([*enumerate(points)])}
    index = np.array(sorted({where[float(r), float(c)] for r, c in kept}), dtype=np.int64)
    if len(index) < 3:
        index = np.unique(np.linspace(0, len(points) - 1, 4).astype(np.int64))
    return Handles(contour, index, points[index], made.closed)


def dragged(
    ground: Ground,
    before: Region,
    handles: Handles,
    moved_rc: PointsRC,
    labels: LabelArray,
    window: Slices,
) -> Region:
    """Move handles, and with each the outline up to its neighbours.

    Parameters
    ----------
    ground : Ground
        Says where the image ends.
    before : Region
    handles : Handles
        Of `before`.
    moved_rc : (N, 2) array
        Where the handles are now.
    labels : (h, w) int32
        Of the window; other regions keep their pixels.
    window : (slice, slice)
        Holds the region before and after (`window_of`).

    Returns
    -------
    Region
        `before` itself where no handle has moved.

    Raises
    ------
    EditError
        If the outline would cross itself, or nothing would be left.
    """
    high = np.asarray(ground.shape) - 0.5
    step = np.clip(np.asarray(moved_rc, dtype=np.float64), -0.5, high) - handles.points_rc
    # A viewer keeps corners in single precision: those that were not moved stay exactly.
    step[np.abs(step).max(axis=1) < STILL_PX] = 0.0
    far = float(np.abs(step).max(initial=0.0))
    if far == 0.0:
        return before
    contour = before.contours[handles.contour]
    vertices = contour.vertices_rc
    wanted = np.clip(vertices + _spread(contour, handles, step), -0.5, high)
    moved = _moved(contour, wanted - vertices)
    contours = [moved if n == handles.contour else c for n, c in enumerate(before.contours)]
    refuse_crossing(contours)
    mask = placed(before.mask, before.offset_rc, window)
    return composed(before, contours, mask, labels, window, 2.0 * far + 2.0)


def box_around(points_rc: PointsRC) -> Box:
    """Pixels that hold points, for `window_of`."""
    low, high = np.floor(points_rc.min(axis=0)), np.ceil(points_rc.max(axis=0)) + 1
    row0, col0 = (int(max(value, 0)) for value in low)
    return row0, col0, int(high[0]), int(high[1])


def grown(
    ground: Ground, before: Region, amount_px: float, labels: LabelArray, window: Slices
) -> Region:
    """Move all outlines outwards along their normals; inwards where the amount is negative.

    Parameters
    ----------
    ground : Ground
        Says where the image ends.
    before : Region
    amount_px : float
    labels : (h, w) int32
        Of the window; other regions keep their pixels.
    window : (slice, slice)

    Raises
    ------
    EditError
        If an outline would cross itself, or nothing would be left.
    """
    high = np.asarray(ground.shape) - 0.5
    contours = []
    for contour in before.contours:
        vertices = contour.vertices_rc
        step = amount_px * normals_rc(Polyline(vertices, contour.closed))
        contours.append(_moved(contour, np.clip(vertices + step, -0.5, high) - vertices))
    refuse_crossing(contours)
    mask = placed(before.mask, before.offset_rc, window)
    return composed(before, contours, mask, labels, window, abs(amount_px) + 2.0)


def snapped(ground: Ground, before: Region, labels: LabelArray, window: Slices) -> Region:
    """Place all outlines anew on the edge that the image shows; sources stay what they are.

    Parameters
    ----------
    ground : Ground
    before : Region
    labels : (h, w) int32
        Of the window; other regions keep their pixels.
    window : (slice, slice)

    Raises
    ------
    EditError
        If the image shows an edge along less than half of the outline, or it would cross itself.
    """
    known = [contour for contour in before.contours if len(contour) > 3]
    done = ground.place([Polyline(contour.vertices_rc, contour.closed) for contour in known])
    good = sum(int(np.count_nonzero(line.flags & LOST == 0)) for line in done)
    share = good / max(sum(len(line.flags) for line in done), 1)
    if share < LEAST_SHARE:
        msg = (
            f"Expected an edge within {ground.edge.search_px:g} px of the outline, but the image "
            f"shows one along {share:.0%} of it only: bring the outline nearer first"
        )
        raise EditError(msg)
    contours = [_snapped(line, old) for line, old in zip(done, known, strict=True)]
    if all(new is old for new, old in zip(contours, known, strict=True)):
        msg = "The edge that the image shows would make the outline cross itself: use the brush"
        raise EditError(msg)
    mask = placed(before.mask, before.offset_rc, window)
    return composed(before, contours, mask, labels, window, ground.edge.search_px + 2.0)


def _snapped(line: PlacedLine, old: Contour) -> Contour:
    """Make a placed line a contour again; the old one where it would cross itself."""
    _, index = cKDTree(old.vertices_rc).query(line.vertices_rc)
    made = tidied(contour_of(line, old.source_code[index], old.confidence[index]))
    return old if crosses_itself(made) else made


def _spread(contour: Contour, handles: Handles, step: FloatArray) -> FloatArray:
    """How far each point moves: as its handle, fading to nothing at the next that stays."""
    points = np.asarray(contour.vertices_rc)
    ring = np.vstack([points, points[:1]]) if contour.closed else points
    arc = arc_length_px(ring)
    at, values = arc[handles.index], step
    if contour.closed:
        total = arc[-1]
        at = np.concatenate([at[-1:] - total, at, at[:1] + total])
        values = np.concatenate([step[-1:], step, step[:1]])
    own = arc[: len(points)]
    return np.stack([np.interp(own, at, values[:, axis]) for axis in (0, 1)], axis=1)


def _moved(contour: Contour, shift: FloatArray) -> Contour:
    """Move points; those that move are the person's from now on."""
    manual = np.abs(shift).max(axis=1) > STILL_PX
    vertices = contour.vertices_rc + shift
    nan = np.where(manual, np.nan, 0.0)
    moved = replace(
        contour,
        vertices_rc=vertices,
        raw_vertices_rc=np.where(manual[:, None], vertices, contour.raw_vertices_rc),
        sigma_px=contour.sigma_px + nan,
        confidence=contour.confidence + nan,
        source_code=np.where(manual, np.uint8(MANUAL_CODE), contour.source_code),
        unsmoothed_px=None if contour.unsmoothed_px is None else contour.unsmoothed_px + nan,
    )
    return tidied(_filled(moved))


def _filled(contour: Contour) -> Contour:
    """Put points between those that lie far apart, with what is known of the nearer one."""
    vertices = np.asarray(contour.vertices_rc)
    after = np.roll(vertices, -1, axis=0) if contour.closed else vertices[1:]
    lengths = np.hypot(*(after - vertices[: len(after)]).T)
    counts = np.maximum(np.ceil(lengths / LONGEST_STEP_PX).astype(int), 1)
    if not contour.closed:
        counts = np.append(counts, 1)
    if counts.max() == 1:
        return contour
    index = np.repeat(np.arange(len(vertices)), counts)
    first = np.cumsum(counts) - counts
    part = (np.arange(len(index)) - first[index]) / counts[index]
    following = (index + 1) % len(vertices)
    nearest = np.where(part > 0.5, following, index)
    names = [name for name in PER_POINT if getattr(contour, name) is not None]
    values = {name: getattr(contour, name)[nearest] for name in names}
    for name in ("vertices_rc", "raw_vertices_rc"):
        whole = getattr(contour, name)
        values[name] = whole[index] + part[:, None] * (whole[following] - whole[index])
    # Between the person's point and one that stayed, the line is another one, too.
    manual = contour.source_code == MANUAL_CODE
    between = (part > 0) & (manual[index] | manual[following])
    values["source_code"] = np.where(between, np.uint8(MANUAL_CODE), values["source_code"])
    return replace(contour, **values)


def longest(contours: Sequence[Contour]) -> int:
    """Index of the contour with the most points: the one whose corners are offered."""
    return int(np.argmax([len(contour) for contour in contours]))
