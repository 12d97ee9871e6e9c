"""Mean, spread and number: what every table of measurements states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segsem.core.types import FloatArray


@dataclass(frozen=True, slots=True)
class Stats:
    """Of n values; NaN where there are too few to say.

    Attributes
    ----------
    n : int
        Values that were found.
    mean, three_sigma : float
        Mean, and 3 times the standard deviation (n - 1 below).
    low, high : float
        Least and greatest.
    median : float
        Of the values.
    """

    n: int
    mean: float
    three_sigma: float
    low: float
    high: float
    median: float

    @classmethod
    def of(cls, values: FloatArray) -> Stats:
        """Take what is finite."""
        found = np.asarray(values, dtype=np.float64)
        found = found[np.isfinite(found)]
        if not len(found):
            return cls(0, *(float("nan"),) * 5)
        spread = 3.0 * float(found.std(ddof=1)) if len(found) > 1 else float("nan")
        low, high = float(found.min()), float(found.max())
        median = float(np.median(found))
        return cls(len(found), float(found.mean()), spread, low, high, median)

    @property
    def standard_error(self) -> float:
        """Of the mean, if the values were independent."""
        return self.three_sigma / 3.0 / float(np.sqrt(self.n)) if self.n else float("nan")


def root_mean_square(values: FloatArray) -> float:
    """Root of the mean square of what is finite; NaN where nothing is."""
    found = np.asarray(values)[np.isfinite(values)]
    return float(np.sqrt(np.mean(found**2))) if len(found) else float("nan")
