"""The Cramér-Rao bound per row of a synthetic image, from what it was made with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from segsem.metrics.bound import row_bound_px
from segsem.synth.detector import Detector, DoseNoise
from segsem.synth.edge_response import EdgeResponse
from segsem.synth.render import Beam, blurred_profile

_STEP_PX = 0.05
_ROUNDING = 1 / 12
"""Variance of rounding to whole grey levels."""


def bound_of_edge_px(response: EdgeResponse, sigma_px: float, detector: Detector) -> float:
    """Bound on the position of a straight edge from one px of its length.

    Parameters
    ----------
    response : EdgeResponse
        Yield across the edge.
    sigma_px : float
        Of the beam across the edge.
    detector : Detector
        Gain and noise.

    Returns
    -------
    float
        See :func:`segsem.metrics.bound.row_bound_px`.
    """
    reach = 4 * sigma_px + 4 * max(response.rim_px, response.shadow_px) + 4
    at: np.ndarray[Any, np.dtype[np.float64]] = np.arange(-reach, reach, _STEP_PX)
    yield_ = blurred_profile(response, sigma_px, at)
    variance = np.array([detector.grey_noise(float(y)) ** 2 for y in yield_])
    quiet = detector.noise is DoseNoise.NONE and detector.read_noise == 0
    noise = np.sqrt(variance + (0.0 if quiet else _ROUNDING))
    return row_bound_px(detector.gain * yield_, noise, _STEP_PX)


def bound_of_settings_px(settings: Mapping[str, Any]) -> float:
    """Bound of an image by its `settings.json`; NaN where that does not tell all it takes.

    A beam that is not round is taken by its mean square over all directions.
    """
    try:
        response = EdgeResponse(**settings["response"])
        beam = Beam(**settings["beam"])
        fields = dict(settings["detector"])
        detector = Detector(**{**fields, "noise": DoseNoise(fields["noise"])})
    except (KeyError, TypeError, ValueError):
        return math.nan
    return bound_of_edge_px(response, beam.sigma_px * math.sqrt((1 + beam.ratio**2) / 2), detector)
