"""How honest confidence is: calibration error, Brier score, risk against coverage.

Everything takes confidences (N,), verdicts (N,) and the number of the image that each comes from:
regions of one image are alike, so intervals draw whole images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segsem.core.types import FloatArray

BINS = 15
DRAWS = 1000
_SEED = 20_240_401

IntArray = npt.NDArray[np.intp]
Figure = Callable[[FloatArray, FloatArray], float]


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % interval by bootstrap over images."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True, slots=True)
class ReliabilityRow:
    """One bin of the reliability table.

    Attributes
    ----------
    confidence : float
        Mean confidence of the bin.
    right : Interval
        Share that is right.
    count : int
    """

    confidence: float
    right: Interval
    count: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What a threshold lets pass.

    Attributes
    ----------
    threshold : float
    coverage : Interval
        Share that is kept.
    right : Interval
        Share of the kept ones that is right; NaN where none is kept.
    flagged : Interval
        Share of the wrong ones that is not kept; NaN where none is wrong.
    """

    threshold: float
    coverage: Interval
    right: Interval
    flagged: Interval


def expected_calibration_error(
    confidence: FloatArray, right: FloatArray, bins: int = BINS
) -> float:
    """Mean distance between confidence and share right, in bins of equal mass.

    Equal mass, not equal width: where nearly all confidences are high, bins of equal width judge
    by a few examples each.

    Parameters
    ----------
    confidence : (N,) array
        In [0, 1].
    right : (N,) array
        1 where right, 0 where wrong.
    bins : int
        Their number; equal confidences are kept in one bin.

    Returns
    -------
    float
        NaN without examples.

    References
    ----------
    A. Kumar, P. Liang, T. Ma, "Verified uncertainty calibration", NeurIPS 2019.
    """
    _check(confidence, right)
    if not len(confidence):
        return float("nan")
    number, count = _equal_mass(confidence, bins)
    off = np.bincount(number, confidence - right, count)
    return float(np.abs(off).sum() / len(confidence))


def brier_score(confidence: FloatArray, right: FloatArray) -> float:
    """Mean squared distance between confidence and verdict; NaN without examples.

    References
    ----------
    G. W. Brier, Monthly Weather Review 78, 1 (1950).
    """
    _check(confidence, right)
    return float(np.mean((confidence - right) ** 2)) if len(confidence) else float("nan")


def brier_skill(confidence: FloatArray, right: FloatArray) -> float:
    """Brier score saved against always saying the share that is right.

    1 is perfect, 0 no better than that share; NaN where all verdicts are the same.
    """
    share = float(np.mean(right)) if len(right) else float("nan")
    base = share * (1 - share)
    return 1.0 - brier_score(confidence, right) / base if base > 0 else float("nan")


def risk_coverage(confidence: FloatArray, right: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Share of wrong ones among those kept, against the share kept, most confident first.

    Returns
    -------
    coverage, risk : (K,) arrays
        One entry for each distinct confidence: what is equally sure is kept together.

    References
    ----------
    R. El-Yaniv, Y. Wiener, "On the foundations of noise-free selective classification", JMLR 11,
    1605 (2010).
    """
    _check(confidence, right)
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(1.0 - right[order])
    kept = np.arange(1, len(order) + 1, dtype=np.float64)
    sure = confidence[order]
    last = np.append(sure[1:] != sure[:-1], True) if len(sure) else np.empty(0, dtype=bool)
    return kept[last] / max(len(order), 1), wrong[last] / kept[last]


def area_under_risk_coverage(confidence: FloatArray, right: FloatArray) -> float:
    """Mean risk over all coverages; lower is better, the share of wrong ones is no skill."""
    coverage, risk = risk_coverage(confidence, right)
    if not len(coverage):
        return float("nan")
    return float(np.sum(np.diff(coverage, prepend=0.0) * risk))


def reliability(
    confidence: FloatArray, right: FloatArray, image: IntArray, bins: int = 10
) -> list[ReliabilityRow]:
    """Share right by confidence, in bins of equal mass, least sure first."""
    number, count = _equal_mass(confidence, bins)
    rows = []
    for index in range(count):
        own = number == index
        share = bootstrap(lambda _, r: float(np.mean(r)), confidence[own], right[own], image[own])
        rows.append(ReliabilityRow(float(confidence[own].mean()), share, int(own.sum())))
    return rows


def kept_at(threshold: float, confidence: FloatArray, right: FloatArray, image: IntArray) -> Kept:
    """What a threshold keeps and what it flags."""

    def figure(value: Figure) -> Interval:
        return bootstrap(value, confidence, right, image)

    return Kept(
        threshold,
        figure(lambda c, _: float(np.mean(c >= threshold))),
        figure(lambda c, r: _share(r > 0.5, c >= threshold)),
        figure(lambda c, r: _share(c < threshold, r < 0.5)),
    )


def bootstrap(
    value: Figure, confidence: FloatArray, right: FloatArray, image: IntArray, draws: int = DRAWS
) -> Interval:
    """Give a figure and its 95 % percentile interval, whole images drawn with replacement.

    Parameters
    ----------
    value : callable
        Of confidences and verdicts.
    confidence, right : (N,) arrays
    image : (N,) int array
        Which image each comes from.
    draws : int

    References
    ----------
    B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993.
    """
    _check(confidence, right)
    order = np.argsort(image, kind="stable")
    _, start = np.unique(image[order], return_index=True)
    members = np.split(order, start[1:]) if len(start) else []
    rng = np.random.default_rng([_SEED, len(members), len(right)])
    found = []
    for _ in range(draws if len(members) else 0):
        drawn = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        found.append(value(confidence[drawn], right[drawn]))
    known = np.array(found)[np.isfinite(found)] if found else np.empty(0)
    here = value(confidence, right)
    if not len(known):
        return Interval(here, float("nan"), float("nan"))
    low, high = np.percentile(known, [2.5, 97.5])
    return Interval(here, float(low), float(high))


def _share(of: npt.NDArray[np.bool_], among: npt.NDArray[np.bool_]) -> float:
    count = int(np.count_nonzero(among))
    return float(np.count_nonzero(of & among) / count) if count else float("nan")


def _equal_mass(confidence: FloatArray, bins: int) -> tuple[IntArray, int]:
    """Bin of each example and the number of bins, the least sure first."""
    values, group, sizes = np.unique(confidence, return_inverse=True, return_counts=True)
    middle = (np.cumsum(sizes) - sizes / 2) / max(len(confidence), 1)
    wanted = np.minimum((middle * bins).astype(np.intp), bins - 1)
    _, number = np.unique(wanted, return_inverse=True)
    return number[group].astype(np.intp), int(number.max()) + 1 if len(values) else 0


def _check(confidence: FloatArray, right: FloatArray) -> None:
    if confidence.shape != right.shape or confidence.ndim != 1:
        msg = (
            f"Expected `confidence` and `right` of one shape (N,), but got {confidence.shape} "
            f"and {right.shape}"
        )
        raise ValueError(msg)
    if len(confidence) and not (confidence.min() >= 0 and confidence.max() <= 1):
        msg = f"Expected `confidence` in [0, 1], but got {confidence.min()} to {confidence.max()}"
        raise ValueError(msg)
