"""Sub-pixel outlines of integer masks, and masks of sub-pixel outlines.

A mask says where its edge is to half a pixel. Its outline here is the smoothest line near by that
respects this: the line half way between inside and outside pixels, smoothed along itself, no
point of it moved by more than half a pixel. A staircase becomes the slanted edge that it stands
for; a straight edge along rows or columns stays exactly where it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage as ndi

from segsem.contours.trace import Polyline, resample, smooth_along, trace
from segsem.core.coordinates import arc_length_px
from segsem.core.types import FloatArray, FloatImage, MaskArray, PointsRC
from segsem.metrics.polyline import Polyline as TargetLine
from segsem.metrics.polyline import Target

SMOOTH_PX = 3.0
"""Gaussian sigma along the outline; less on outlines shorter than 16 times that."""

MOST_PX = 0.5
STEP_PX = 0.5
TIE_PX = 1e-3
"""A pixel whose centre lies on the outline belongs to the object: numerical noise must not tell
which pixels of a straight edge do."""

PAD_PX = 12
"""How far an object that reaches the window's edge is carried on beyond it."""


def sub_pixel_outline(mask: MaskArray, pad_px: int = PAD_PX) -> list[Polyline]:
    """Outline of a mask at sub-pixel accuracy.

    Parameters
    ----------
    mask : (h, w) bool
        Where it reaches the window's edge it goes on beyond it.
    pad_px : int
        How far beyond the window's edge it is carried on.

    Returns
    -------
    list of Polyline
        In the window's frame. Pieces and holes of one pixel have none.
    """
    field = np.pad(mask, pad_px, mode="edge").astype(np.float32) - np.float32(0.5)
    return [smoothed(line) for line in trace(field, (-pad_px, -pad_px))]


def smoothed(line: Polyline) -> Polyline:
    """Smooth an outline along itself, no point by more than half a pixel.

    The Gaussian is applied to what it took away as well (Tukey's "twicing"), so that curves do
    not shrink: a circle of radius R by about σ⁴/4R³ rather than σ²/2R.
    """
    even = resample(line, STEP_PX)
    closing = [even.vertices_rc, even.vertices_rc[:1]] if even.closed else [even.vertices_rc]
    length = float(arc_length_px(np.concatenate(closing))[-1])
    sigma = min(SMOOTH_PX, length / 16) / STEP_PX
    once = smooth_along(even.vertices_rc, sigma, even.closed)
    twice = once + smooth_along(even.vertices_rc - once, sigma, even.closed)
    moved = twice - even.vertices_rc
    far = np.linalg.norm(moved, axis=1, keepdims=True)
    moved = moved * np.minimum(1.0, MOST_PX / np.maximum(far, 1e-12))
    return Polyline(even.vertices_rc + moved, even.closed)


def signed_distance(lines: Sequence[Polyline], points_rc: PointsRC) -> FloatArray:
    """Distance in px of (N, 2) points to outlines, positive inside; -inf where there is none."""
    target = Target([TargetLine(line.vertices_rc, line.closed) for line in lines])
    return -target.nearest(np.asarray(points_rc, dtype=np.float64)).signed_px


def near_edge(mask: MaskArray) -> FloatImage:
    """(h, w) whole-pixel distance to the mask's edge, positive inside; its sign is the mask."""
    if mask.all() or not mask.any():
        return np.full(mask.shape, np.inf if mask.any() else -np.inf, dtype=np.float32)
    inside = ndi.distance_transform_edt(mask)
    outside = ndi.distance_transform_edt(~mask)
    return np.asarray(np.where(mask, inside - 0.5, 0.5 - outside), dtype=np.float32)


def rasterised(
    mask: MaskArray, lines: Sequence[Polyline], reach_px: float, offset_px: float = 0.0
) -> MaskArray:
    """Mask of the pixels whose centre lies in or on outlines that are moved outwards.

    Parameters
    ----------
    mask : (h, w) bool
        Where it is; pixels farther than `reach_px` from its edge stay what they are.
    lines : sequence of Polyline
        Outlines in the window's frame, feature on the left with y up.
    reach_px : float
        How far an edge may have moved.
    offset_px : float
        How far to move the outlines along their normals; negative moves them inwards.

    Returns
    -------
    (h, w) bool
    """
    if not lines:
        return mask.copy()
    near = np.abs(near_edge(mask)) <= reach_px
    pixels = np.argwhere(near)
    found = mask.copy()
    found[near] = signed_distance(lines, pixels.astype(np.float64)) > -offset_px - TIE_PX
    return found
