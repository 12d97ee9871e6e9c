"""Cut a polyline into the pieces that a dashed line consists of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segsem.core.coordinates import arc_length_px
from segsem.core.types import PointsXY


def split_into_dashes(
    line_xy: PointsXY, dashes: Sequence[float], width_px: float = 1.0
) -> list[PointsXY]:
    """Cut a polyline into dashes.

    Parameters
    ----------
    line_xy : (K, 2) array
        The polyline, in px of the picture.
    dashes : sequence of float
        Lengths drawn and left out in turn, an even number of them; empty: one solid line.
    width_px : float
        Line width; dashes grow with it.

    Returns
    -------
    list of (M, 2) arrays
        What is to be drawn, ends included at their exact places.
    """
    if not dashes or len(line_xy) < 2:
        return [line_xy]
    length = arc_length_px(line_xy)
    moved = np.concatenate([[True], np.diff(length) > 0])
    length, line_xy = length[moved], line_xy[moved]
    period = float(sum(dashes)) * width_px
    bounds = np.concatenate([[0.0], np.cumsum(dashes)]) * width_px
    pieces = []
    for begin in np.arange(0.0, length[-1], period):
        for on, off in zip(bounds[0:-1:2], bounds[1::2], strict=True):
            start, stop = begin + on, min(begin + off, length[-1])
            if start < stop:
                pieces.append(_between(line_xy, length, start, stop))
    return pieces


def _between(line_xy: PointsXY, length: PointsXY, start: float, stop: float) -> PointsXY:
    inside = slice(
        int(np.searchsorted(length, start, side="right")),
        int(np.searchsorted(length, stop, side="left")),
    )
    at = np.concatenate([[start], length[inside], [stop]])
    return np.column_stack([np.interp(at, length, axis) for axis in line_xy.T])
