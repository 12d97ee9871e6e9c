"""The edge model of an image, from its mean profile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from segsem.contours.edge_model import EdgeModel, shapes
from segsem.core.types import FloatArray

PRIOR_LOG_PX = np.log([1.5, 2.5, 1.5])
PRIOR_SPREAD = np.array([0.5, 0.5, 0.4])
"""Blur, rim and shadow of SEM images at 0.5 to 2 nm a pixel, within factors of about 1.6: what
decides where a noisy or rimless profile does not."""

OFFSET_SPREAD_PX = 3.0
MODEL_ERROR = 0.004
"""Of the contrast: no edge follows the model better than this."""

SHADOW_PRIOR = 0.08
"""A shadow is taken for low unless the profile shows it; in parts of the model's error."""

TOLERANCE = 1e-5
"""Of the sum of squares, and of the lengths: far below what noise leaves open."""

NO_RIM = [0, 1, 3]


@dataclass(frozen=True, slots=True)
class ModelFit:
    """Result of `fit_model`.

    Attributes
    ----------
    model : EdgeModel
        The edge.
    edge_px : float
        Where on the mean profile it lies.
    misfit : float
        Root mean square of the residuals over the contrast.
    """

    model: EdgeModel
    edge_px: float
    misfit: float


def fit_model(
    mean: FloatArray,
    offsets_px: FloatArray,
    error: FloatArray,
    before: ModelFit | None = None,
) -> ModelFit:
    """Fit the edge model to a mean profile.

    The grey levels enter linearly and are solved for at each step (variable projection, Golub and
    Pereyra 1973); edge, blur and the two lengths are sought by Levenberg and Marquardt's way.

    Parameters
    ----------
    mean : (T,) array
        Mean profile, material left; NaN is left out.
    offsets_px : (T,) array
        Its offsets.
    error : (T,) array
        Standard error of the mean in grey levels; infinite where the profile does not count.
    before : ModelFit, optional
        Of nearly the same profile, to start from.

    Returns
    -------
    ModelFit
    """
    known = np.isfinite(mean) & np.isfinite(error)
    t, grey = offsets_px[known], mean[known]
    contrast = max(float(np.ptp(grey)), 1e-6)
    weight = 1.0 / np.hypot(error[known], MODEL_ERROR * contrast)
    prior = np.concatenate([[0.0], PRIOR_LOG_PX])
    spread = np.concatenate([[OFFSET_SPREAD_PX], PRIOR_SPREAD])

    def solve(at: FloatArray) -> tuple[FloatArray, FloatArray]:
        design = _design(t, at) * weight[:, None]
        # One more row: the shadow's prior.
        ridge = np.zeros((1, 4))
        ridge[0, 3] = SHADOW_PRIOR / (MODEL_ERROR * contrast)
        wanted = np.concatenate([grey * weight, [0.0]])
        whole = np.vstack([design, ridge])
        levels, *_ = np.linalg.lstsq(whole, wanted, rcond=None)
        if levels[2] < 0:  # no rim is darker than its material; blur would be traded for it
            rest, *_ = np.linalg.lstsq(whole[:, NO_RIM], wanted, rcond=None)
            levels = np.array([rest[0], rest[1], 0.0, rest[2]])
        return levels, design @ levels - grey * weight

    def residuals(at: FloatArray) -> FloatArray:
        return np.concatenate([solve(at)[1], (at - prior) / spread])

    start = prior.copy()
    start[0] = _steepest_fall(grey, t)
    low = prior - 3 * spread
    if before is not None:
        lengths = (before.model.blur_px, before.model.rim_px, before.model.shadow_px)
        start[1:] = np.clip(np.log(lengths), low[1:] + 1e-3, (prior + 3 * spread)[1:] - 1e-3)
    found = least_squares(
        residuals,
        start,
        bounds=(low, prior + 3 * spread),
        x_scale=[0.5, 0.3, 0.3, 0.3],
        ftol=TOLERANCE,
        xtol=TOLERANCE,
    )
    levels, residual = solve(found.x)
    blur, rim_px, shadow_px = np.exp(found.x[1:])
    heights = np.array([levels[0], levels[1], 1.0])
    model = EdgeModel(
        float(blur), float(rim_px), float(shadow_px), heights, float(levels[2]), float(levels[3])
    )
    misfit = float(np.sqrt(np.mean((residual / weight) ** 2))) / contrast
    return ModelFit(model, float(found.x[0]), misfit)


def _design(t: FloatArray, at: FloatArray) -> FloatArray:
    step, rim, shadow = shapes(t - at[0], *np.exp(at[1:]))
    return np.stack([1 - step, step, rim, -shadow], axis=1)


def _steepest_fall(grey: FloatArray, t: FloatArray) -> float:
    fall = -np.gradient(grey, t) * np.exp(-0.5 * (t / OFFSET_SPREAD_PX) ** 2)
    return float(np.clip(t[int(np.argmax(fall))], -6.0, 6.0))
