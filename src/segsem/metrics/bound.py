"""How well an edge can be placed at best: the Cramér-Rao bound per row, and the efficiency.

A straight edge at x = x0 gives the grey values ``y_k = g(x_k - x0) + n_k`` along each px of its
length (a *row*, taken along the normal), with independent noise of known standard deviation
``s_k``. For Gaussian noise the Fisher information about x0, all else known, is

``I = sum_k g'(x_k - x0)² / s_k²``,

since the log-likelihood is ``-sum_k (y_k - g(x_k - x0))² / (2 s_k²)`` and its second derivative
has the mean ``-I``. No unbiased estimate from one row has a standard deviation below ``1/sqrt(I)``.
Over all positions of the edge within a pixel the mean of the sum is the integral
``I = ∫ g'(x)² / s(x)² dx`` in 1/px², x in px; it also holds for a slanted edge, because an area of
1 px² holds one grey value whatever its direction. N independent rows have N times the
information, hence the bound ``1/sqrt(N I)`` for their mean position.

Noise that grows with the signal says a little more than this, by its variance; that is left out,
as no method here uses it. Where height, width or background of the edge are not known but fitted,
the bound is greater; it is the ideal that methods are compared with.

References
----------
S. M. Kay, "Fundamentals of Statistical Signal Processing: Estimation Theory", 1993, chapter 3.
"""

from __future__ import annotations

import numpy as np

from segsem.core.types import FloatArray

EFFICIENCY_LENGTH_PX = 32.0
"""Edge is averaged over this length before its variance is compared with the bound's."""

_LEAST_MEANS = 8


def row_bound_px(profile: FloatArray, noise: FloatArray, step_px: float) -> float:
    """Cramér-Rao bound on the position of a straight edge from one px of its length.

    Parameters
    ----------
    profile : (N,) array
        Noise-free grey levels along the normal, blurred by PSF and pixel, evenly spaced; from
        plateau to plateau.
    noise : (N,) array
        Standard deviation of a pixel's grey level where its mean is `profile`.
    step_px : float
        Distance of the samples; some tenths of the blur or less.

    Returns
    -------
    float
        Standard deviation in px; infinite where the profile is flat, 0 without noise.

    Raises
    ------
    ValueError
        If the arrays differ in shape or hold fewer than three samples, the noise is negative or
        the step not positive.
    """
    profile, noise = np.asarray(profile, dtype=np.float64), np.asarray(noise, dtype=np.float64)
    if profile.ndim != 1 or profile.shape != noise.shape or len(profile) < 3:
        msg = (
            "Expected `profile` and `noise` of one shape (N,), N >= 3, "
            f"but got {profile.shape} and {noise.shape}"
        )
        raise ValueError(msg)
    if not (step_px > 0 and np.all(noise >= 0)):
        msg = f"Expected a positive `step_px` and no negative noise, but got step {step_px}"
        raise ValueError(msg)
    slope = np.gradient(profile, step_px)
    steep = slope != 0
    if not steep.any():
        return float("inf")
    if np.any(noise[steep] == 0):
        return 0.0
    information = float(np.sum((slope[steep] / noise[steep]) ** 2) * step_px)
    return 1.0 / float(np.sqrt(information))


def means_along(
    epe_px: FloatArray, arc_px: FloatArray, length_px: float = EFFICIENCY_LENGTH_PX
) -> FloatArray:
    """Mean error of successive pieces of an edge.

    Parameters
    ----------
    epe_px : (N,) array
        Signed error at points along one edge; NaN where nothing was found.
    arc_px : (N,) array
        Their position along it, ascending, evenly spaced.
    length_px : float
        Length of a piece.

    Returns
    -------
    (M,) array
        Of the whole pieces; those with a point that was not found are left out.
    """
    if len(epe_px) == 0:
        return np.empty(0)
    piece = np.floor((arc_px - arc_px[0]) / length_px).astype(np.intp)
    step = float(np.median(np.diff(arc_px))) if len(arc_px) > 1 else length_px
    counts = np.bincount(piece)
    sums = np.bincount(piece, epe_px)
    whole = (counts + 1) * step > length_px
    means = sums[whole] / counts[whole]
    return np.asarray(means[np.isfinite(means)])


def efficiency(
    bound_px: float, means_px: FloatArray, length_px: float = EFFICIENCY_LENGTH_PX
) -> float:
    """Variance that the bound allows over the variance that was found.

    ``(bound² / length) / var(means)``: 1 is the ideal, 0.5 needs twice the dose for the same
    error. It is meaningful on straight edges without roughness only: what a method does not follow
    of an edge's own roughness would count as noise. A method that averages over more than a
    piece, as one that fits straight lines does, exceeds 1: say how far it averages beside it.

    Parameters
    ----------
    bound_px : float
        `row_bound_px` of the edge.
    means_px : (M,) array
        Mean errors of pieces of edge, M >= 8; their own mean is removed (one degree of freedom).
    length_px : float
        Length of a piece in px, each px being one row.

    Returns
    -------
    float
        NaN with fewer than eight pieces; infinite where they do not vary.
    """
    if len(means_px) < _LEAST_MEANS:
        return float("nan")
    variance = float(np.var(means_px, ddof=1))
    return bound_px**2 / length_px / variance if variance > 0 else float("inf")
