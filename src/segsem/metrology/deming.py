"""A straight line through points that are uncertain in both directions.

References
----------
W. E. Deming, Statistical Adjustment of Data (1943), chapter 11.
K. Linnet, Clin. Chem. 36, 2066 (1990): jackknife errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from segsem.core.exceptions import InputError
from segsem.core.types import FloatArray

LEAST_POINTS = 3


@dataclass(frozen=True, slots=True)
class Line:
    """``y = slope * x + intercept`` with 95 % intervals by jackknife.

    Attributes
    ----------
    slope, intercept : float
    slope_interval, intercept_interval : (float, float)
        From Student's t with n - 2 degrees of freedom.
    n : int
        Points.
    residual : float
        Standard deviation of the points' distances from the line in y.
    """

    slope: float
    intercept: float
    slope_interval: tuple[float, float]
    intercept_interval: tuple[float, float]
    n: int
    residual: float


def deming(x: FloatArray, y: FloatArray, variance_ratio: float = 1.0) -> Line:
    """Fit a line where x and y both carry errors.

    Parameters
    ----------
    x, y : (n,) arrays
        Pairs.
    variance_ratio : float
        Variance of the errors of y over that of the errors of x.

    Raises
    ------
    InputError
        If there are fewer than 3 pairs, x does not vary, or the ratio is not positive.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if len(x) != len(y) or len(x) < LEAST_POINTS:
        msg = f"Expected at least {LEAST_POINTS} pairs for a slope and an offset, but got {len(x)}"
        raise InputError(msg)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        msg = "Expected pairs of finite numbers"
        raise InputError(msg)
    if not (np.isfinite(variance_ratio) and variance_ratio > 0):
        msg = f"Expected a ratio of variances above 0, but got {variance_ratio}"
        raise InputError(msg)
    slope, intercept = _fit(x, y, variance_ratio)
    left_out = np.arange(len(x))
    pseudo = [_fit(x[left_out != i], y[left_out != i], variance_ratio) for i in range(len(x))]
    values = len(x) * np.array([slope, intercept]) - (len(x) - 1) * np.array(pseudo)
    error = values.std(axis=0, ddof=1) / np.sqrt(len(x))
    reach = float(stats.t.ppf(0.975, len(x) - 2)) * error
    residual = y - slope * x - intercept
    return Line(
        slope,
        intercept,
        (slope - float(reach[0]), slope + float(reach[0])),
        (intercept - float(reach[1]), intercept + float(reach[1])),
        len(x),
        float(np.sqrt(np.sum(residual**2) / (len(x) - 2))),
    )


def _fit(x: FloatArray, y: FloatArray, ratio: float) -> tuple[float, float]:
    of_x, of_y = x - x.mean(), y - y.mean()
    xx, yy, xy = float(of_x @ of_x), float(of_y @ of_y), float(of_x @ of_y)
    if xx <= 1e-12 * max(1.0, float(x @ x)) or xy == 0.0:
        msg = (
            "Expected values of different sizes that go together, but the measured ones do not "
            "vary or have nothing in common with the reference: no slope can be told"
        )
        raise InputError(msg)
    difference = yy - ratio * xx
    slope = (difference + float(np.sqrt(difference**2 + 4 * ratio * xy**2))) / (2 * xy)
    return slope, float(y.mean() - slope * x.mean())
