"""A region after a person's hand: its new outline, placed, and which stretches are hers.

Whole pixels (a brush, the model's new answer) say which edge is meant: the image says where it
is, as in the extraction, and where it shows none the line stays as it was drawn. Stretches that
were not touched keep their line, source and evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from scipy import ndimage as ndi
from scipy.spatial import cKDTree

from segsem.contours.place import PlacedLine
from segsem.contours.trace import Polyline, normals_rc, resample, trace
from segsem.core.contour import SOURCE_CODES, Contour, PointFlag, Region, Source
from segsem.core.types import FloatArray, LabelArray, MaskArray, PointsRC
from segsem.editing.errors import EditError
from segsem.editing.outline import rasterised, smoothed
from segsem.editing.window import Box, Slices, around, box_of, placed
from segsem.metrics.polyline import Polyline as TargetLine
from segsem.metrics.polyline import Target
from segsem.review.ground import Ground

PAD_PX = 2
TOUCHED_PX = 1.5
"""A point this near to a pixel that changed is on the person's stretch."""

SAME_PX = 1.5
"""Untouched points are put back onto the line before, if it is this near."""

HAND_PX = 3.0
"""A hand is this sure of where an edge is: from further away the image does not move its line."""

TURN_POINTS, TURN_PX = 4, 1.0
"""So many points beside those that stay as drawn are drawn as well, if they moved this far."""

SAME_POINT_PX = 1e-6

MANUAL_CODE = SOURCE_CODES.index(Source.MANUAL)
LOST = np.uint8(PointFlag.LOW_SLOPE | PointFlag.OUTLIER)

Codes = npt.NDArray[np.uint8]


def window_of(region: Region, ground: Ground, more: Sequence[Box] = ()) -> Slices:
    """Index of the part of the image that a change of a region looks at."""
    height, width = ground.shape
    margin = int(np.ceil(ground.edge.search_px)) + PAD_PX
    return around([region.bbox_rc, *more], margin, (0, 0, height, width))


def redrawn(ground: Ground, before: Region, labels: LabelArray, window: Slices) -> Region:
    """Give a region another mask, and place the edge of what changed.

    Parameters
    ----------
    ground : Ground
    before : Region
        As it was.
    labels : (h, w) int32
        The window with the region's new mask under its id; other regions are in its way.
    window : (slice, slice)
        Holds the region before and after, with room around it (`window_of`).

    Returns
    -------
    Region
        `before` itself where no pixel changed.

    Raises
    ------
    EditError
        If nothing that has an outline is left.
    """
    mask = labels == before.region_id
    changed = mask ^ placed(before.mask, before.offset_rc, window)
    if not changed.any():
        return before
    corner = (window[0].start, window[1].start)
    field = np.where(mask, np.float32(0.5), np.float32(-0.5))
    lines = [smoothed(line) for line in trace(field, corner)]
    if not lines:
        msg = "Nothing of this region would be left: reject it instead"
        raise EditError(msg)
    far = ndi.distance_transform_edt(~changed)
    known = _known(before)
    contours = []
    for drawn, line in zip(lines, ground.place(lines, HAND_PX), strict=True):
        made = _retraced(line, _touched(line.raw_vertices_rc, far, corner), known)
        if crosses_itself(made):
            made = _as_drawn(drawn, far, corner, known)
        contours.append(made)
    return composed(before, contours, mask, labels, window, ground.edge.search_px + 2.0)


def composed(
    before: Region,
    contours: Sequence[Contour],
    mask: MaskArray,
    labels: LabelArray,
    window: Slices,
    reach_px: float,
) -> Region:
    """Put a region together from new contours; its mask follows them.

    Parameters
    ----------
    before : Region
        Whose id it keeps.
    contours : sequence of Contour
    mask : (h, w) bool
        Of the window; what is far from all contours stays as it is.
    labels : (h, w) int32
        Other regions keep their pixels.
    window : (slice, slice)
    reach_px : float
        How far contours may lie from the mask's edge.

    Raises
    ------
    EditError
        If nothing would be left.
    """
    corner = np.array([window[0].start, window[1].start])
    lines = [Polyline(c.vertices_rc - corner, c.closed) for c in contours]
    taken = (labels > 0) & (labels != before.region_id)
    filled = rasterised(mask, lines, reach_px) & ~taken
    if not filled.any():
        msg = "Nothing of this region would be left: reject it instead"
        raise EditError(msg)
    row0, col0, row1, col1 = box_of(filled)
    codes = np.unique(np.concatenate([contour.source_code for contour in contours]))
    source = SOURCE_CODES[int(codes[0])] if len(codes) == 1 else Source.MIXED
    return replace(
        before,
        offset_rc=(int(corner[0]) + row0, int(corner[1]) + col0),
        mask=filled[row0:row1, col0:col1].copy(),
        contours=tuple(sorted(contours, key=lambda contour: contour.is_hole)),
        source=source,
        # What a model was sure of is no longer there, and nobody has rated a person's hand.
        confidence=float("nan"),
        needs_human=False,
    )


def refuse_crossing(contours: Sequence[Contour]) -> None:
    """Refuse outlines that cross themselves: they bound no area.

    Raises
    ------
    EditError
    """
    if any(crosses_itself(contour) for contour in contours):
        msg = "The outline would cross itself there: take a smaller step, or the brush"
        raise EditError(msg)


def contour_of(line: PlacedLine, source_code: Codes, confidence: FloatArray) -> Contour:
    """Make a placed outline a contour; its number is given when it is read with the others."""
    return line.as_contour(1, source_code, confidence)


def crosses_itself(contour: Contour) -> bool:
    """Whether a contour touches or crosses itself, or has shrunk to nothing."""
    vertices = np.asarray(contour.vertices_rc)
    if len(vertices) < (3 if contour.closed else 2):
        return True
    made = shapely.linearrings(vertices) if contour.closed else shapely.linestrings(vertices)
    return not bool(shapely.is_simple(made))


@dataclass(frozen=True, slots=True)
class _Known:
    """All points of a region as it was.

    Attributes
    ----------
    target : Target
        Its lines.
    tree : cKDTree
        Of its points.
    points : dict of str to arrays
        What is known of each point.
    """

    target: Target
    tree: cKDTree
    points: dict[str, npt.NDArray[np.generic]]


PER_POINT = (
    "vertices_rc", "raw_vertices_rc", "normals_rc", "sigma_px", "slope", "contrast", "confidence",
    "source_code", "flags", "unsmoothed_px", "offset_nm",
)  # fmt: skip
_KEPT = ("sigma_px", "slope", "contrast", "confidence", "source_code", "flags", "raw_vertices_rc")


def _known(region: Region) -> _Known | None:
    contours = [contour for contour in region.contours if len(contour) > 1]
    if not contours:
        return None
    points = {
        name: np.concatenate([getattr(contour, name) for contour in contours]) for name in _KEPT
    }
    vertices = np.concatenate([contour.vertices_rc for contour in contours])
    lines = [TargetLine(contour.vertices_rc, contour.closed) for contour in contours]
    return _Known(Target(lines), cKDTree(vertices), points)


def _touched(points_rc: PointsRC, far: FloatArray, corner: tuple[int, int]) -> MaskArray:
    at = np.rint(points_rc - corner).astype(int)
    at = np.clip(at, 0, np.asarray(far.shape) - 1)
    return np.asarray(far[at[:, 0], at[:, 1]] <= TOUCHED_PX)


def _retraced(line: PlacedLine, touched: MaskArray, known: _Known | None) -> Contour:
    """Put what was not touched back onto the line before; the rest is the person's."""
    nan = np.full(len(line.vertices_rc), np.nan)
    made = contour_of(line, np.full(len(nan), MANUAL_CODE, dtype=np.uint8), nan)
    vertices = line.vertices_rc.copy()
    # Where the image shows no edge near by, the person's line stands as she drew it.
    shift = np.hypot(*(line.vertices_rc - line.raw_vertices_rc).T)
    lost = touched & ((line.flags & LOST != 0) | (shift > HAND_PX))
    # Where her line leaves the edge of the image it turns: there the image pulls it on along it.
    beside = ndi.maximum_filter1d(
        lost, 2 * TURN_POINTS + 1, mode="wrap" if line.closed else "nearest"
    )
    drawn = lost | (touched & beside & (shift > TURN_PX))
    vertices[drawn] = line.raw_vertices_rc[drawn]
    made = replace(made, sigma_px=np.where(drawn, np.nan, made.sigma_px))
    if known is None:
        return tidied(replace(made, vertices_rc=vertices))
    vertices, kept = _put_back(line, vertices, touched, known)
    _, index = known.tree.query(vertices)
    values: dict[str, Any] = {}
    for name in _KEPT:
        own, old = np.array(getattr(made, name)), known.points[name][index]
        own[kept] = old[kept]
        values[name] = own
    # Beside a change, but not part of it: the method that stood there found this edge, too.
    values["source_code"][~touched] = known.points["source_code"][index][~touched]
    unsmoothed = made.unsmoothed_px
    if unsmoothed is not None:
        # Raw positions belong to the line that was left.
        unsmoothed = np.where(kept, np.nan, unsmoothed)
    return tidied(replace(made, vertices_rc=vertices, unsmoothed_px=unsmoothed, **values))


def _put_back(
    line: PlacedLine, vertices: PointsRC, touched: MaskArray, known: _Known
) -> tuple[PointsRC, MaskArray]:
    """Put untouched points back onto the line before; tell which of them lie on it now."""
    nearest = known.target.nearest(vertices)
    kept = ~touched & (nearest.distance_px <= SAME_PX)
    vertices = np.where(kept[:, None], nearest.point_rc, vertices)
    # Beside a cut the image may have pulled a point away: the pixels tell where it was.
    away = ~touched & ~kept
    traced = known.target.nearest(line.raw_vertices_rc)
    again = away & (traced.distance_px <= SAME_PX)
    vertices = np.where(again[:, None], traced.point_rc, vertices)
    vertices = np.where((away & ~again)[:, None], line.raw_vertices_rc, vertices)
    return vertices, kept | again


def _as_drawn(
    line: Polyline, far: FloatArray, corner: tuple[int, int], known: _Known | None
) -> Contour:
    """Take the outline of the pixels itself, where the placed one would cross itself."""
    even = resample(line, 1.0)
    vertices = even.vertices_rc
    codes = np.full(len(vertices), MANUAL_CODE, dtype=np.uint8)
    if known is not None:
        _, index = known.tree.query(vertices)
        touched = _touched(vertices, far, corner)
        codes = np.where(touched, codes, known.points["source_code"][index]).astype(np.uint8)
    nan, zero = np.full(len(vertices), np.nan), np.zeros(len(vertices))
    return Contour(
        contour_id=1,
        vertices_rc=vertices,
        raw_vertices_rc=vertices,
        normals_rc=normals_rc(even),
        closed=even.closed,
        is_hole=even.is_hole,
        sigma_px=nan,
        slope=zero,
        contrast=zero,
        confidence=nan,
        source_code=codes,
        flags=np.full(len(vertices), PointFlag.LOW_SLOPE, dtype=np.uint8),
    )


def tidied(contour: Contour) -> Contour:
    """Drop points that lie on the one before, and give the person's points normals of their own."""
    vertices = contour.vertices_rc
    keep = np.any(np.abs(np.diff(vertices, axis=0, prepend=vertices[:1] - 1.0)) > SAME_POINT_PX, 1)
    if contour.closed and len(vertices) > 1:
        keep[0] &= bool(np.abs(vertices[0] - vertices[-1]).max() > SAME_POINT_PX)
    names = [name for name in PER_POINT if getattr(contour, name) is not None]
    values: dict[str, Any] = {name: getattr(contour, name)[keep] for name in names}
    contour = replace(contour, **values)
    manual = contour.source_code == MANUAL_CODE
    own = normals_rc(Polyline(contour.vertices_rc, contour.closed))
    return replace(contour, normals_rc=np.where(manual[:, None], own, contour.normals_rc))
