"""What an inverse line scan reads from the image: profiles with the part that is their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from segsem.contours.profiles import EdgeImage, sample_profiles
from segsem.contours.trace import Polyline, normals_rc, resample
from segsem.core.types import FloatArray, MaskArray, PointsRC

STEP_PX = 0.5
"""The model is smooth on this scale, so nothing is gained by finer samples."""

REACH_PX = 10.0
"""Edges show this far: beyond, profiles are plateau whatever the blur."""

SEARCH_PX = 3.0

NEIGHBOUR_PROBES_PX: FloatArray = np.arange(3.0, REACH_PX + SEARCH_PX + 1.0, 2.0, dtype=np.float64)
NEIGHBOUR_MARGIN_PX = 1.0

_REACH = round(REACH_PX / STEP_PX)
WINDOW_PX: FloatArray = STEP_PX * np.arange(-_REACH, _REACH + 1, dtype=np.float64)
"""Distances from the edge that the model is compared at."""

_HALF = round((REACH_PX + SEARCH_PX) / STEP_PX)
OFFSETS_PX: FloatArray = STEP_PX * np.arange(-_HALF, _HALF + 1, dtype=np.float64)
"""Distances from the contour that the image is sampled at."""


class Neighbours:
    """The traced edges of an image, to tell where a profile leaves its own edge's ground.

    Parameters
    ----------
    lines : list of Polyline
        All edges near those that are to be placed.
    """

    def __init__(self, lines: list[Polyline]) -> None:
        points = [resample(line, 1.0).vertices_rc for line in lines]
        self._tree = cKDTree(np.vstack(points), leafsize=32)

    def limits(self, vertices_rc: PointsRC, normals: PointsRC) -> FloatArray:
        """How far (K,) from a contour along its normals no other edge is nearer."""
        probes = NEIGHBOUR_PROBES_PX
        points = vertices_rc[:, None] + probes[None, :, None] * normals[:, None]
        nearest = self._tree.query(points.reshape(-1, 2))[0].reshape(len(vertices_rc), -1)
        off = self._tree.query(vertices_rc)[0]
        foreign = nearest < probes - off[:, None] - 1.0
        first = np.argmax(foreign, axis=1)
        # The border between two edges lies half-way from where the other one was met.
        met = 0.5 * (probes[first] + nearest[np.arange(len(first)), first])
        free = ~foreign.any(axis=1)
        return np.where(free, np.inf, met - NEIGHBOUR_MARGIN_PX)


@dataclass(frozen=True, slots=True)
class Scan:
    """Profiles across one contour, material left.

    Attributes
    ----------
    grey : (K, T) array
        Grey values at `OFFSETS_PX`; 0 where unknown.
    known : (K, T) bool
        In the image, and nearer to this edge than to any other.
    """

    grey: FloatArray
    known: MaskArray

    def around(self, edge_px: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Profiles about an edge position, to the nearest sample.

        Parameters
        ----------
        edge_px : (K,) array
            Positions within `SEARCH_PX`.

        Returns
        -------
        grey, known : (K, W) arrays
            At `WINDOW_PX`; `known` as 0 and 1.
        rest_px : (K,) array
            What the nearest sample left of the position.
        """
        half = len(OFFSETS_PX) // 2
        most = half - len(WINDOW_PX) // 2
        steps = np.clip(np.rint(edge_px / STEP_PX), -most, most).astype(np.intp)
        index = half - len(WINDOW_PX) // 2 + steps[:, None] + np.arange(len(WINDOW_PX))[None, :]
        grey = np.take_along_axis(self.grey, index, axis=1)
        known = np.take_along_axis(self.known, index, axis=1).astype(np.float64)
        return grey, known, edge_px - steps * STEP_PX


def scan(image: EdgeImage, base: Polyline, bright: bool, neighbours: Neighbours) -> Scan:
    """Sample the profiles of one contour."""
    normals = normals_rc(base)
    grey = sample_profiles(image, base.vertices_rc, normals, OFFSETS_PX)
    outward = neighbours.limits(base.vertices_rc, normals)
    inward = neighbours.limits(base.vertices_rc, -normals)
    own = (outward[:, None] >= OFFSETS_PX) & (inward[:, None] >= -OFFSETS_PX)
    known = np.isfinite(grey) & own
    grey = np.where(known, grey, 0.0)
    if not bright:
        grey, known = grey[:, ::-1], known[:, ::-1]
    return Scan(grey, known)
