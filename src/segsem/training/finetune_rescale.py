"""The base model's confidence brought to new weights: two numbers are fitted, not twenty."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from segsem.core.contour import Source
from segsem.core.exceptions import InputError
from segsem.core.types import FloatArray
from segsem.segmentation.calibrate import LEAST_OF_A_KIND, LEAST_REGIONS
from segsem.segmentation.calibration_examples import Examples, ExampleSet
from segsem.segmentation.calibration_fit import FOLDS, probabilities, smallest_safe_threshold
from segsem.segmentation.confidence import DEFAULT_THRESHOLD, Calibration, LogisticModel
from segsem.segmentation.outlier import Familiar, familiar_of

RIDGE = 1.0
"""Pull towards the base's figures, in examples."""

LEAST_THRESHOLD = 0.5
_CERTAIN = 1e-12


def rescaled_calibration(base: Calibration, examples: ExampleSet) -> Calibration:
    """Bring a calibration to a model that came from the one it was fitted to.

    Which evidence counts how much stays; the log odds of SAM2's parts and regions are stretched
    and moved to agree with what was seen. Sauvola's models depend on no weights, and stay.

    Parameters
    ----------
    base : Calibration
        Of the base model.
    examples : ExampleSet
        Of the new one; one look for each image.

    Returns
    -------
    Calibration
        Its threshold is safe on the examples (`smallest_safe_threshold`, out of fold), or the
        careful one where none can be shown to be.

    Raises
    ------
    InputError
        If too few regions, or too few right or wrong ones, were seen.

    References
    ----------
    J. Platt, "Probabilistic outputs for support vector machines", 1999: the two numbers.
    """
    seen = examples.regions[Source.SAM2]
    count, right = len(seen.right), sum(seen.right)
    if count < LEAST_REGIONS or min(right, count - right) < LEAST_OF_A_KIND:
        msg = (
            f"it takes {LEAST_REGIONS} regions, {LEAST_OF_A_KIND} of them right and "
            f"{LEAST_OF_A_KIND} wrong, and there are {count}, of which {right} are right"
        )
        raise InputError(msg)
    regions, parts = base.regions[Source.SAM2], base.models[Source.SAM2]
    safe = smallest_safe_threshold(_out_of_fold(regions, seen), seen.is_right, seen.group_number)
    return replace(
        base,
        models={**base.models, Source.SAM2: rescaled(parts, examples.parts[Source.SAM2])},
        regions={**base.regions, Source.SAM2: rescaled(regions, seen)},
        threshold=max(DEFAULT_THRESHOLD if safe is None else safe, LEAST_THRESHOLD),
        familiar=_both(base.familiar, familiar_of(examples.looks)),
    )


def rescaled(model: LogisticModel, examples: Examples) -> LogisticModel:
    """Stretch (never turn) and move a model's log odds to fit examples best."""
    if not examples.right:
        return model
    odds = _odds(model, examples)
    right = examples.is_right

    def loss(theta: FloatArray) -> tuple[float, FloatArray]:
        score = theta[0] + theta[1] * odds
        off = np.array([theta[0], theta[1] - 1.0])
        value = np.logaddexp(0.0, score).sum() - right @ score + 0.5 * RIDGE * (off @ off)
        residual = expit(score) - right
        slope = np.array([residual.sum(), residual @ odds]) + RIDGE * off
        return float(value), slope

    start = np.array([0.0, 1.0])
    bounds = [(None, None), (0.0, None)]
    move, stretch = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x.tolist()
    weights = {name: stretch * weight for name, weight in model.weights.items()}
    return replace(model, intercept=move + stretch * model.intercept, weights=weights)


def _odds(model: LogisticModel, examples: Examples) -> FloatArray:
    shares = np.clip(probabilities(model, examples), _CERTAIN, 1.0 - _CERTAIN)
    return np.asarray(logit(shares))


def _out_of_fold(model: LogisticModel, examples: Examples) -> FloatArray:
    """Confidence of examples, rescaled without the groups that they are of."""
    fold = examples.group_number % FOLDS
    result = np.empty(len(examples.right))
    for number in np.unique(fold):
        others = rescaled(model, _chosen(examples, np.flatnonzero(fold != number)))
        held = np.flatnonzero(fold == number)
        result[held] = probabilities(others, _chosen(examples, held))
    return result


def _chosen(examples: Examples, which: np.ndarray) -> Examples:
    return Examples(
        [examples.evidence[i] for i in which],
        [examples.right[i] for i in which],
        [examples.group[i] for i in which],
    )


def _both(base: Familiar | None, own: Familiar) -> Familiar:
    """What either has seen is familiar."""
    if base is None:
        return own
    ranges = dict(base.ranges)
    for name, (low, high) in own.ranges.items():
        known = ranges.get(name, (low, high))
        ranges[name] = (min(low, known[0]), max(high, known[1]))
    return Familiar(
        ranges,
        (*base.histograms, *own.histograms),
        max(base.histogram_limit, own.histogram_limit),
    )
