"""Matched placement: the whole flank of an edge says where it is, not one crossing.

Where a profile crosses a level, only the few grey values at the crossing count. Comparing the
profile with the mean profile of its neighbourhood uses all values of the flank: the best that
white noise allows. The edge definition is applied to the mean profile, so it stays what it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segsem.contours.edge_definition import EdgeLevels
from segsem.core.types import FloatArray

ROUNDS = 3
MAX_SHIFT_PX = 2.0

FLANK = 0.1
"""The flank is where the slope is more than this share of its steepest."""


@dataclass(frozen=True, slots=True)
class Template:
    """Mean profile around each contour point.

    Attributes
    ----------
    profiles : (K, T) array
        Material left.
    levels : EdgeLevels
        Its local extremes.
    edge_px : (K,) array
        Where the edge definition puts its edge.
    """

    profiles: FloatArray
    levels: EdgeLevels
    edge_px: FloatArray


@dataclass(frozen=True, slots=True)
class Match:
    """Shift of each profile against its template.

    Attributes
    ----------
    shift_px : (K,) array
        Positive to the right; NaN where there is nothing to compare.
    precision : (K,) array
        Slope energy of the flank in 1/px: the shift's variance is that of the noise over the
        contrast squared, divided by this.
    """

    shift_px: FloatArray
    precision: FloatArray


def match(
    profiles: FloatArray, template: Template, offsets_px: FloatArray, reach_px: float
) -> Match:
    """Least-squares shift of profiles against their template (Gauss-Newton).

    Parameters
    ----------
    profiles : (K, T) array
        Material left; NaN outside the image.
    template : Template
        Mean profiles.
    offsets_px : (T,) array
        Evenly spaced.
    reach_px : float
        Extent of the flank on either side of the edge.

    Returns
    -------
    Match
    """
    step = float(offsets_px[1] - offsets_px[0])
    wanted = _normalised(template.profiles, template.levels)
    seen = _normalised(profiles, template.levels)
    fall = np.nan_to_num(-np.gradient(wanted, step, axis=1))
    flank = _flank(fall, offsets_px, template.edge_px, reach_px)
    known = np.isfinite(seen) & np.isfinite(wanted)
    weight = np.where(flank & known, fall, 0.0)
    energy = np.sum(weight * fall, axis=1) * step
    usable = energy > 1e-6
    shift = np.zeros(len(profiles))
    for _ in range(ROUNDS):
        residual = np.nan_to_num(seen - _shifted(wanted, shift / step))
        change = np.zeros(len(profiles))
        np.divide(np.sum(weight * residual, axis=1) * step, energy, out=change, where=usable)
        shift = np.clip(shift + change, -MAX_SHIFT_PX, MAX_SHIFT_PX)
    # Weights stay where the template's flank is: moving them with the profile would follow noise.
    return Match(np.where(usable, shift, np.nan), energy)


def _normalised(profiles: FloatArray, levels: EdgeLevels) -> FloatArray:
    contrast = np.where(levels.contrast > 0, levels.contrast, np.nan)
    return np.asarray((profiles - levels.floor[:, None]) / contrast[:, None])


def _flank(
    fall: FloatArray, offsets_px: FloatArray, edge_px: FloatArray, reach_px: float
) -> npt.NDArray[np.bool_]:
    """Samples on the flank that the edge lies on: near it, and as steep as it, in its sense."""
    near = np.abs(offsets_px[None, :] - edge_px[:, None]) <= reach_px
    rows = np.arange(len(fall))
    at_edge = np.argmin(np.abs(offsets_px[None, :] - np.nan_to_num(edge_px)[:, None]), axis=1)
    sense = np.where(fall[rows, at_edge] >= 0, 1.0, -1.0)
    directed = np.where(near, fall * sense[:, None], 0.0)
    return np.asarray(directed > FLANK * directed.max(axis=1, keepdims=True))


def _shifted(profiles: FloatArray, steps: FloatArray) -> FloatArray:
    """Move each row to the right by a fraction of samples, linearly interpolated."""
    count = profiles.shape[1]
    source = np.arange(count)[None, :] - steps[:, None]
    left = np.clip(np.floor(source).astype(int), 0, count - 2)
    fraction = np.clip(source - left, 0.0, 1.0)
    rows = np.arange(len(profiles))[:, None]
    return np.asarray(profiles[rows, left] * (1 - fraction) + profiles[rows, left + 1] * fraction)
