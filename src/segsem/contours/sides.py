"""The two sides of lines: tilt, charging and slanted walls make them look different."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segsem.contours.trace import Polyline
from segsem.core.types import FloatArray

STRAIGHT = 0.9
"""Chord over length from which on an edge has one direction."""

MIN_SIDE_PX = 600.0
"""So much edge of a side is needed to tell its look."""

MIN_ALONG = 0.9
"""Cosine to the common direction of the lines."""


def opposite_sides(lines: Sequence[Polyline]) -> FloatArray | None:
    """Find the common normal of straight edges that bound features on either side.

    Parameters
    ----------
    lines : sequence of Polyline
        All edges of an image.

    Returns
    -------
    (2,) array or None
        Unit vector; None where either side has too little straight edge.
    """
    chords = np.array([_chord(line) for line in lines if _is_straight(line)]).reshape(-1, 2)
    if len(chords) == 0:
        return None
    lengths = np.hypot(*chords.T)
    spread = (chords / lengths[:, None]).T @ chords
    axis = np.asarray(np.linalg.eigh(spread)[1][:, 1])
    normal = np.array([axis[1], -axis[0]])
    along = (chords @ axis) / lengths
    for sense in (1.0, -1.0):
        if lengths[sense * along > MIN_ALONG].sum() < MIN_SIDE_PX:
            return None
    return normal


def side_of(line: Polyline, normal_rc: FloatArray) -> int:
    """Side that an edge lies on: 1 or -1 along or against `normal_rc`, 0 for other edges."""
    if not _is_straight(line):
        return 0
    chord = _chord(line)
    along = float(chord[1] * normal_rc[0] - chord[0] * normal_rc[1]) / float(np.hypot(*chord))
    return int(np.sign(along)) if abs(along) > MIN_ALONG else 0


def _chord(line: Polyline) -> FloatArray:
    return np.asarray(line.vertices_rc[-1] - line.vertices_rc[0], dtype=np.float64)


def _is_straight(line: Polyline) -> bool:
    if line.closed or len(line.vertices_rc) < 2:
        return False
    steps = np.diff(line.vertices_rc, axis=0)
    length = float(np.hypot(*steps.T).sum())
    return float(np.hypot(*_chord(line))) > STRAIGHT * max(length, 1e-9)
