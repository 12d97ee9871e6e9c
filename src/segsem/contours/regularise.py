"""Tangential regularisation: how far neighbouring edge points speak for one another.

The edge is taken for a random walk along the contour, seen through white noise. Its step variance
and the noise together decide how wide to average, at every point anew: widely where noise is high
and the edge smooth, hardly at all where the edge is clear or turns. The error that is left holds
both the noise that came through and the roughness that was averaged away.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import solveh_banded

from segsem.contours.trace import smooth_along
from segsem.core.types import FloatArray

_LEAST_WALK = 1e-5
"""px² a point: below this the system is too stiff to be solved in double precision."""


def regularise(
    seen_px: FloatArray, information: FloatArray, walk: FloatArray, closed: bool
) -> tuple[FloatArray, FloatArray]:
    """Most probable course of an edge and its standard error.

    Parameters
    ----------
    seen_px : (K,) array
        Raw position of each point along its normal; any value where there is no information.
    information : (K,) array
        One over the variance of each raw position, 1/px²; 0 where nothing was seen.
    walk : (K,) array
        Variance of the edge's step from one point to the next, px².
    closed : bool
        Whether the last point is the first one's neighbour.

    Returns
    -------
    course_px, sigma_px : (K,) arrays
        `sigma_px` by the stationary solution of the local noise and walk, infinite where no
        information is within reach.
    """
    walk = np.maximum(walk, _LEAST_WALK)
    reach = _reach(information, walk)
    pad = min(len(seen_px), int(np.ceil(6 * reach)) + 2) if closed else 0
    wrapped = [np.pad(a, pad, mode="wrap") for a in (seen_px, information, walk)]
    course = _solve(*wrapped)[pad : pad + len(seen_px)]
    return course, _sigma(information, walk, reach, closed)


def _solve(seen: FloatArray, information: FloatArray, walk: FloatArray) -> FloatArray:
    """Tridiagonal normal equations of walk and observations."""
    link = 2.0 / (walk[1:] + walk[:-1])
    bands = np.zeros((2, len(seen)))
    bands[1] = information + 1e-9
    bands[1, 1:] += link
    bands[1, :-1] += link
    bands[0, 1:] = -link
    wanted = np.where(information > 0, information * seen, 0.0)
    return np.asarray(solveh_banded(bands, wanted, check_finite=False))


def _reach(information: FloatArray, walk: FloatArray) -> float:
    """Decay length in points of the stationary kernel: sqrt(noise / walk)."""
    usual = float(np.median(information[information > 0])) if np.any(information > 0) else 1.0
    return float(np.clip(np.sqrt(1.0 / (usual * np.median(walk))), 0.5, 60.0))


def _sigma(information: FloatArray, walk: FloatArray, reach: float, closed: bool) -> FloatArray:
    """Stationary posterior of a random walk in noise: q v / sqrt(q² + 4 q v)."""
    about = information
    if len(information) >= 3:
        about = np.maximum(smooth_along(information, reach, closed), 0.0)
    noise: FloatArray = np.full(len(about), np.inf)
    np.divide(1.0, about, out=noise, where=about > 1e-9)
    with np.errstate(invalid="ignore"):
        variance = walk * noise / np.sqrt(walk**2 + 4 * walk * noise)
    return np.where(np.isfinite(noise), np.sqrt(np.nan_to_num(variance)), np.inf)
