"""Open contours end where the image ends."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from segsem.core.types import FloatArray, PointsRC

REACH_PX = 5.0
"""An end that stops this near to the border is carried on to it."""

TANGENT_POINTS = 6


def end_at_border(
    vertices_rc: PointsRC, closed: bool, shape: tuple[int, ...]
) -> tuple[npt.NDArray[np.intp], PointsRC]:
    """Cut an open line at the image's border, and carry short ends on to it.

    Placement moves points along normals, at the ends out of the image or away from its border.

    Parameters
    ----------
    vertices_rc : (K, 2) array
        Vertices in px.
    closed : bool
        Closed lines are only cut back into the image, never opened.
    shape : (int, int)
        (H, W); the image covers [-0.5, H-0.5] x [-0.5, W-0.5].

    Returns
    -------
    source : (N,) array of int
        Which of the old points each new one stands for.
    vertices_rc : (N, 2) array
        New vertices.
    """
    low = np.array([-0.5, -0.5])
    high = np.array([shape[0] - 0.5, shape[1] - 0.5])
    if closed:
        return np.arange(len(vertices_rc)), np.clip(vertices_rc, low, high)
    inside = np.all((vertices_rc >= low) & (vertices_rc <= high), axis=1)
    kept = np.flatnonzero(inside)
    if len(kept) < TANGENT_POINTS:
        return np.arange(len(vertices_rc)), np.clip(vertices_rc, low, high)
    source = np.arange(kept[0], kept[-1] + 1)
    vertices = np.clip(vertices_rc[source], low, high)
    first = _border_point(vertices[:TANGENT_POINTS][::-1], low, high)
    last = _border_point(vertices[-TANGENT_POINTS:], low, high)
    if first is not None:
        vertices, source = np.vstack([first, vertices]), np.insert(source, 0, source[0])
    if last is not None:
        vertices, source = np.vstack([vertices, last]), np.append(source, source[-1])
    return source, vertices


def _border_point(end_rc: PointsRC, low: FloatArray, high: FloatArray) -> FloatArray | None:
    """Where the line, carried straight on past its last point, meets the border, if it is near."""
    direction = end_rc[-1] - end_rc[0]
    length = float(np.linalg.norm(direction))
    if length == 0:
        return None
    direction = direction / length
    to_border = np.full(2, np.inf)
    ahead = np.where(direction > 0, high - end_rc[-1], end_rc[-1] - low)
    np.divide(ahead, np.abs(direction), out=to_border, where=direction != 0)
    distance = float(to_border.min())
    if not 1e-6 < distance <= REACH_PX:
        return None
    return np.asarray(np.clip(end_rc[-1] + distance * direction, low, high))
