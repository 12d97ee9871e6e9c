"""Fitting of confidence: logistic models, thresholds, out-of-fold probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import beta

from segsem.core.types import FloatArray
from segsem.segmentation.calibration_examples import Examples
from segsem.segmentation.confidence import SPREAD_FLOOR, LogisticModel

RIDGE = 1.0
"""Penalty on weights of standardised evidence, in examples: next to nothing but for the stability
of figures that say the same."""

FREE = frozenset({"size", "straight"})
"""Evidence whose weight may have either sign; of all other evidence more is better."""

FOLDS = 5
MAX_RISK = 0.05
CERTAINTY = 0.95
DRAWS = 1000
_SEED = 20_240_301


def fit_logistic(examples: Examples, names: Sequence[str]) -> LogisticModel:
    """Fit a logistic model on the log odds of evidence, by penalised maximum likelihood.

    Weights are held at 0 or above: more edge never makes a region less likely right, which keeps
    models of few images sensible and lets the figure that costs most be named as the reason.

    Parameters
    ----------
    examples : Examples
    names : sequence of str
        Evidence to use.

    Returns
    -------
    LogisticModel
    """
    x, right = _spread(examples.columns(names)), examples.is_right
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    deviation = np.where(deviation > 1e-6, deviation, np.inf)
    z = (x - mean) / deviation

    def loss(theta: FloatArray) -> tuple[float, FloatArray]:
        score = theta[0] + z @ theta[1:]
        value = np.logaddexp(0.0, score).sum() - right @ score + 0.5 * RIDGE * theta[1:] @ theta[1:]
        residual = expit(score) - right
        slope = np.concatenate([[residual.sum()], z.T @ residual + RIDGE * theta[1:]])
        return float(value), slope

    share = np.clip(right.mean(), 0.01, 0.99)
    start = np.concatenate([[np.log(share / (1 - share))], np.zeros(len(names))])
    bounds = [(None, None)] + [(None if name in FREE else 0.0, None) for name in names]
    found = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    weights = found[1:] / deviation
    usual = x[right > 0.5].mean(axis=0) if right.any() else mean
    return LogisticModel(
        float(found[0] - weights @ mean),
        {name: float(weight) for name, weight in zip(names, weights, strict=True)},
        spreads=True,
        usual={name: float(value) for name, value in zip(names, usual, strict=True)},
    )


def probabilities(model: LogisticModel, examples: Examples) -> FloatArray:
    """(N,) confidence of examples."""
    return np.array([model.probability(one) for one in examples.evidence])


def out_of_fold(examples: Examples, names: Sequence[str]) -> FloatArray:
    """(N,) confidence of examples by models that saw no image of their group."""
    fold = np.random.default_rng(_SEED).permutation(int(examples.group_number.max()) + 1) % FOLDS
    of_example = fold[examples.group_number]
    result = np.empty(len(examples.right))
    for number in range(FOLDS):
        held = np.flatnonzero(of_example == number)
        if len(held):
            model = fit_logistic(_chosen(examples, of_example != number), names)
            result[held] = probabilities(model, _chosen(examples, of_example == number))
    return result


def smallest_safe_threshold(
    confidence: FloatArray, right: FloatArray, group: npt.NDArray[np.intp]
) -> float | None:
    """Smallest threshold at which at most 5 % of what is kept is wrong, upper 95 % bound.

    The bound is the larger of two: Clopper and Pearson's of the counts, which holds where nothing
    at all is wrong, and a bootstrap over groups of images, whose regions err together.

    Parameters
    ----------
    confidence, right : (N,) arrays
    group : (N,) int
        Number of the group of each, 0, 1, 2, ...

    Returns
    -------
    float or None
        In steps of 0.005; None where no threshold is safe.
    """
    for threshold in np.arange(0.5, 0.9951, 0.005):
        kept = confidence >= threshold
        if np.count_nonzero(kept) and risk_bound(1.0 - right[kept], group[kept]) <= MAX_RISK:
            return round(float(threshold), 3)
    return None


def risk_bound(wrong: FloatArray, group: npt.NDArray[np.intp]) -> float:
    """Upper 95 % bound of the share of wrong ones; see `smallest_safe_threshold`.

    References
    ----------
    C. J. Clopper, E. S. Pearson, Biometrika 26, 404 (1934).
    """
    count, bad = len(wrong), float(wrong.sum())
    exact = 1.0 if bad >= count else float(beta.ppf(CERTAINTY, bad + 1, count - bad))
    _, number = np.unique(group, return_inverse=True)
    sums, sizes = np.bincount(number, wrong), np.bincount(number)
    groups = len(sizes)
    drawn = np.random.default_rng([_SEED, groups]).multinomial(
        groups, np.full(groups, 1 / groups), DRAWS
    )
    return max(exact, float(np.quantile((drawn @ sums) / (drawn @ sizes), CERTAINTY)))


def _chosen(examples: Examples, which: npt.NDArray[np.bool_]) -> Examples:
    chosen = np.flatnonzero(which)
    return Examples(
        [examples.evidence[i] for i in chosen],
        [examples.right[i] for i in chosen],
        [examples.group[i] for i in chosen],
    )


def _spread(shares: FloatArray) -> FloatArray:
    clipped = np.clip(shares, 0.0, 1.0)
    return np.log((clipped + SPREAD_FLOOR) / (1.0 - clipped + SPREAD_FLOOR))
