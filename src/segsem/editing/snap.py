"""The outline of an object onto the edge that the image shows."""

from __future__ import annotations

import numpy as np
from scipy import ndimage as ndi

from segsem.contours.place import PlacedLine, place
from segsem.contours.profiles import prepare, sample_offsets, sample_profiles
from segsem.contours.trace import Polyline, normals_rc, trace
from segsem.core.contour import PointFlag
from segsem.core.params import EdgeParams
from segsem.core.types import FloatArray, FloatImage, LabelArray, MaskArray
from segsem.editing.errors import EditError
from segsem.editing.outline import rasterised, smoothed
from segsem.editing.parts import MIN_PIECE_PX

LEAST_SHARE = 0.5
"""An outline of which the image places less than this is left alone."""

SIDE_PX = 4.0
"""How far on either side of an outline the grey values tell which side is brighter."""

MARGIN_PX = 24
"""Room around an object that placement looks at: search distance, rim and spline."""

DEFAULT_EDGE = EdgeParams()


def snap(
    labels: LabelArray,
    object_id: int,
    grey: FloatImage,
    params: EdgeParams = DEFAULT_EDGE,
) -> LabelArray:
    """Move an object's edge to where the image shows one; other objects are in its way.

    The edge is placed as `segsem extract` places it (`contours.place`), and the placed contour is
    made a mask again. Stretches without an edge follow their neighbours.

    Parameters
    ----------
    labels : (h, w) int32
        The object with `MARGIN_PX` around it.
    object_id : int
    grey : (h, w) float32
        Normalised grey values (0-255) of the same window.
    params : EdgeParams
        Edge definition; `search_px` is how far the edge may lie from the outline.

    Returns
    -------
    (h, w) int32
        A new array.

    Raises
    ------
    EditError
        If the image shows an edge along less than half of the outline.
    """
    mask = labels == object_id
    lines = [smoothed(line) for line in _traced(labels, object_id)]
    placed = _placed(lines, grey, params)
    share = _placed_share(placed)
    if share < LEAST_SHARE:
        msg = (
            f"Expected an edge within {params.search_px:g} px of the outline, but the image shows "
            f"one along {share:.0%} of it only: bring the outline nearer with the brush first"
        )
        raise EditError(msg)
    contours = [Polyline(line.vertices_rc, line.closed) for line in placed]
    wanted = _without_crumbs(rasterised(mask, contours, params.search_px + 2.0))
    result = wanted & ((labels == 0) | mask)
    if not result.any():
        msg = "The edge that the image shows leaves nothing of this object: correct it by brush"
        raise EditError(msg)
    after = np.where(mask, np.int32(0), labels)
    after[result] = object_id
    return after


def _traced(labels: LabelArray, object_id: int) -> list[Polyline]:
    """Outlines in the window; where the image ends they end."""
    return trace(np.where(labels == object_id, np.float32(0.5), np.float32(-0.5)))


def _placed(lines: list[Polyline], grey: FloatImage, params: EdgeParams) -> list[PlacedLine]:
    if not lines:
        msg = "This object is too small to have an outline: use the brush"
        raise EditError(msg)
    image = prepare(grey)
    offsets = sample_offsets(SIDE_PX)
    profiles = np.concatenate(
        [sample_profiles(image, x.vertices_rc, normals_rc(x), offsets) for x in lines]
    )
    bright = _mean(profiles[:, offsets < -0.5]) > _mean(profiles[:, offsets > 0.5])
    return [place(image, line, bright, params) for line in lines]


def _mean(values: FloatArray) -> float:
    """Mean of what lies in the image; 0 where nothing does."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else 0.0


def _placed_share(lines: list[PlacedLine]) -> float:
    """How much of the outline, by length, the image placed."""
    lost = np.uint8(PointFlag.LOW_SLOPE | PointFlag.OUTLIER)
    good = sum(int(np.count_nonzero(line.flags & lost == 0)) for line in lines)
    return good / max(sum(len(line.flags) for line in lines), 1)


def _without_crumbs(mask: MaskArray) -> MaskArray:
    pieces, count = ndi.label(mask)
    areas = np.bincount(pieces.ravel(), minlength=count + 1)
    keep = areas >= MIN_PIECE_PX
    keep[0] = False
    return np.asarray(keep[pieces])
