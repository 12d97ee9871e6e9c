"""Matched placement: the whole flank of an edge says where it is, not one crossing.

Where a profile crosses a level, only the few grey values at the crossing count. Comparing the
profile with the mean profile of its neighbourhood uses all values of the flank: the best that
white noise allows. The edge definition is applied to the mean profile, so it stays what it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segsem.contours.chains import IndexArray
from segsem.contours.edge_definition import EdgeLevels, falls
from segsem.core.types import FloatArray, FloatImage

ROUNDS = 3
MAX_SHIFT_PX = 2.0

FLANK = 0.1
"""The flank is where the slope is more than this share of its steepest."""


@dataclass(frozen=True, slots=True)
class Template:
    """Mean profiles along contours, one for each block of points.

    Attributes
    ----------
    profiles : (B, T) float32 array
        Material left.
    offsets_px : (T,) array
        Evenly spaced, `fineness` times as fine as the profiles that are compared.
    fineness : int
    levels : EdgeLevels
        Their local extremes.
    edge_px : (B,) array
        Where the edge definition puts the edge.
    slope : (B,) array
        Fall per px there.
    reach_px : (B,) array
        Extent of the flank on either side of the edge.
    """

    profiles: FloatImage
    offsets_px: FloatArray
    fineness: int
    levels: EdgeLevels
    edge_px: FloatArray
    slope: FloatArray
    reach_px: FloatArray


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


def match(profiles: FloatImage, template: Template, of_profile: IndexArray) -> Match:
    """Least-squares shift of profiles against their template (Gauss-Newton).

    Parameters
    ----------
    profiles : (K, T') float32 array
        Material left; NaN outside the image. Samples are every `fineness`-th of the template's.
    template : Template
        Mean profiles.
    of_profile : (K,) array
        Number of each profile's template.

    Returns
    -------
    Match
    """
    fine = template.fineness
    step = float(template.offsets_px[1] - template.offsets_px[0])
    levels = template.levels
    scale = np.where(levels.contrast > 0, levels.contrast, np.nan).astype(np.float32)[:, None]
    floor = levels.floor.astype(np.float32)[:, None]
    wanted = (template.profiles - floor) / scale
    fall = falls(wanted, template.offsets_px)
    flank = _flank(fall, template) & np.isfinite(wanted)
    weights = np.where(flank, fall, np.float32(0))[:, ::fine]
    window = _windows(template, fine, profiles.shape[1])
    weight = np.take_along_axis(weights, window, axis=1)
    start = window[:, 0][of_profile]
    views = np.lib.stride_tricks.sliding_window_view(profiles, window.shape[1], axis=1)
    seen = (views[np.arange(len(profiles)), start] - floor[of_profile]) / scale[of_profile]
    known = np.isfinite(seen)
    row = of_profile
    if not known.all():  # then each profile has weights of its own
        weight, window = np.where(known, weight[row], np.float32(0)), window[row]
        wanted, seen = wanted[row], np.where(known, seen, np.float32(0))
        row = np.arange(len(profiles))
    wanted[~np.isfinite(wanted)] = 0
    # The weight is the fall itself, so its square is the slope's energy.
    energy = (np.einsum("kw,kw->k", weight, weight).astype(np.float64) * step * fine)[row]
    weighted = np.einsum("kw,kw->k", weight[row], seen).astype(np.float64)
    expected = _expected(wanted, weight, window * fine, MAX_SHIFT_PX / step)
    usable = energy > 1e-6
    shift = np.zeros(len(profiles))
    for _ in range(ROUNDS):
        residual = (weighted - _at(expected, row, shift / step)) * step * fine
        change = np.zeros(len(profiles))
        np.divide(residual, energy, out=change, where=usable)
        shift = np.clip(shift + change, -MAX_SHIFT_PX, MAX_SHIFT_PX)
    # Weights stay where the template's flank is: moving them with the profile would follow noise.
    return Match(np.where(usable, shift, np.nan), energy)


def _flank(fall: FloatImage, template: Template) -> npt.NDArray[np.bool_]:
    """Samples on the flank that the edge lies on: near it, and as steep as it, in its sense."""
    edge = np.nan_to_num(template.edge_px)
    away = np.abs(template.offsets_px[None, :] - edge[:, None])
    near = away <= template.reach_px[:, None]
    at_edge = np.argmin(away, axis=1)
    sense = np.where(fall[np.arange(len(fall)), at_edge] >= 0, 1, -1).astype(np.float32)
    directed = np.where(near, fall * sense[:, None], 0)
    return np.asarray(directed > FLANK * directed.max(axis=1, keepdims=True))


def _windows(template: Template, fine: int, count: int) -> IndexArray:
    """Columns (B, W) of the profiles that a flank may lie on."""
    first, step = template.offsets_px[0], template.offsets_px[1] - template.offsets_px[0]
    half = int(np.ceil(float(template.reach_px.max(initial=0.0)) / (step * fine))) + 1
    width = min(2 * half + 1, count)
    centre = np.rint((np.nan_to_num(template.edge_px) - first) / (step * fine)).astype(np.intp)
    start = np.clip(centre - half, 0, count - width)
    return np.asarray(start[:, None] + np.arange(width))


def _expected(
    wanted: FloatImage, weight: FloatImage, column: IndexArray, most: float
) -> FloatArray:
    """Weighted sums (B, 2 S + 1) of templates moved to the right by -S to S samples."""
    steps = np.arange(-int(np.ceil(most)), int(np.ceil(most)) + 1)
    last = wanted.shape[1] - 1
    moved = [
        np.einsum(
            "bw,bw->b", weight, np.take_along_axis(wanted, np.clip(column - s, 0, last), axis=1)
        )
        for s in steps
    ]
    return np.stack(moved, axis=1).astype(np.float64)


def _at(expected: FloatArray, row: IndexArray, steps: FloatArray) -> FloatArray:
    """Sums at fractions of samples: interpolating templates, or sums of them, is the same."""
    place = steps + expected.shape[1] // 2
    left = np.clip(np.floor(place).astype(np.intp), 0, expected.shape[1] - 2)
    low, high = expected[row, left], expected[row, left + 1]
    return np.asarray(low + (place - left) * (high - low))
