"""Tangential regularisation: how far neighbouring edge points speak for one another.

The edge is taken for a random walk along the contour, seen through white noise. Its step variance
and the noise together decide how wide to average, at every point anew: widely where noise is high
and the edge smooth, hardly at all where the edge is clear or turns. The error that is left holds
both the noise that came through and the roughness that was averaged away.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import solveh_banded

from segsem.contours.chains import Chains
from segsem.contours.fill import median_of_each
from segsem.contours.trace import smooth_along
from segsem.core.types import FloatArray

_LEAST_WALK = 1e-5
"""px² a point: below this the system is too stiff to be solved in double precision."""


def regularise(
    chains: Chains,
    seen_px: FloatArray,
    information: FloatArray,
    walk: FloatArray,
    with_sigma: bool = True,
) -> tuple[FloatArray, FloatArray]:
    """Most probable course of edges and its standard error.

    Parameters
    ----------
    chains : Chains
        The contours.
    seen_px : (K,) array
        Raw position of each point along its normal; any value where there is no information.
    information : (K,) array
        One over the variance of each raw position, 1/px²; 0 where nothing was seen.
    walk : (K,) array
        Variance of the edge's step from one point to the next, px².
    with_sigma : bool
        Whether the standard error is wanted; infinite where not.

    Returns
    -------
    course_px, sigma_px : (K,) arrays
        `sigma_px` by the stationary solution of the local noise and walk, infinite where no
        information is within reach.
    """
    walk = np.maximum(walk, _LEAST_WALK)
    reach = _reach(chains, information, walk)
    course = _solve(chains, seen_px, information, walk, reach)
    if not with_sigma:
        return course, np.full(len(course), np.inf)
    return course, _sigma(chains, information, walk, reach)


def _solve(
    chains: Chains, seen: FloatArray, information: FloatArray, walk: FloatArray, reach: FloatArray
) -> FloatArray:
    """Tridiagonal normal equations of walk and observations, closed contours told twice."""
    pads = np.where(chains.closed, np.minimum(np.ceil(6 * reach) + 2, chains.counts), 0)
    lengths = chains.counts + 2 * pads.astype(np.intp)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.intp)
    local = np.arange(len(owner)) - starts[owner] - pads.astype(np.intp)[owner]
    source = chains.starts[:-1][owner] + local % chains.counts[owner]
    seen, information, walk = seen[source], information[source], walk[source]
    link = 2.0 / (walk[1:] + walk[:-1])
    link[owner[1:] != owner[:-1]] = 0.0
    bands = np.zeros((2, len(seen)))
    bands[1] = information + 1e-9
    bands[1, 1:] += link
    bands[1, :-1] += link
    bands[0, 1:] = -link
    wanted = np.where(information > 0, information * seen, 0.0)
    course = solveh_banded(bands, wanted, check_finite=False)
    return np.asarray(course[(local >= 0) & (local < chains.counts[owner])])


def _reach(chains: Chains, information: FloatArray, walk: FloatArray) -> FloatArray:
    """Decay length in points (N,) of the stationary kernel: sqrt(noise / walk)."""
    usual = median_of_each(chains, np.where(information > 0, information, np.nan))
    usual = np.where(np.isfinite(usual), usual, 1.0)
    ratio = 1.0 / (usual * median_of_each(chains, walk))
    return np.asarray(np.clip(np.sqrt(ratio), 0.5, 60.0))


def _sigma(
    chains: Chains, information: FloatArray, walk: FloatArray, reach: FloatArray
) -> FloatArray:
    """Stationary posterior of a random walk in noise: q v / sqrt(q² + 4 q v)."""
    about = np.empty_like(information)
    for rows, closed, far in zip(chains.slices(), chains.closed, reach, strict=True):
        about[rows] = smooth_along(information[rows], float(far), bool(closed))
    about = np.maximum(about, 0.0)
    noise: FloatArray = np.full(len(about), np.inf)
    np.divide(1.0, about, out=noise, where=about > 1e-9)
    with np.errstate(invalid="ignore"):
        variance = walk * noise / np.sqrt(walk**2 + 4 * walk * noise)
    return np.where(np.isfinite(noise), np.sqrt(np.nan_to_num(variance)), np.inf)
