"""What an inverse line scan reads from the image: profiles with the part that is their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.spatial import cKDTree

from segsem.contours.chains import Chains
from segsem.contours.profiles import EdgeImage, sample_profiles
from segsem.contours.trace import Polyline, resample
from segsem.core.types import FloatArray, FloatImage, MaskArray, PointsRC

STEP_PX = 0.5
"""The model is smooth on this scale, so nothing is gained by finer samples."""

REACH_PX = 10.0
"""Edges show this far: beyond, profiles are plateau whatever the blur."""

SEARCH_PX = 3.0

NEIGHBOUR_PROBES_PX: FloatArray = np.arange(3.0, REACH_PX + SEARCH_PX + 1.0, 2.0, dtype=np.float64)
NEIGHBOUR_MARGIN_PX = 1.0
NEIGHBOUR_POINTS = 4
"""Neighbours are looked for at one of so many points."""

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
    lines : sequence of Polyline
        All edges near those that are to be placed.
    """

    def __init__(self, lines: Sequence[Polyline]) -> None:
        points = [resample(line, 1.0).vertices_rc for line in lines]
        self._tree = cKDTree(np.vstack(points), leafsize=32)

    def limits(self, vertices_rc: PointsRC, normals: PointsRC) -> FloatArray:
        """How far (2, K) from contours along their normals, and against them, no edge is nearer."""
        probes = NEIGHBOUR_PROBES_PX
        either = np.concatenate([probes, -probes])
        points = vertices_rc[:, None] + either[None, :, None] * normals[:, None]
        nearest = self._tree.query(points.reshape(-1, 2))[0].reshape(len(vertices_rc), 2, -1)
        off = self._tree.query(vertices_rc)[0]
        foreign = nearest < probes - off[:, None, None] - 1.0
        first = np.argmax(foreign, axis=2)
        # The border between two edges lies half-way from where the other one was met.
        at = np.take_along_axis(nearest, first[..., None], axis=2)[..., 0]
        met = 0.5 * (probes[first] + at) - NEIGHBOUR_MARGIN_PX
        return np.asarray(np.where(foreign.any(axis=2), met, np.inf).T)


@dataclass(frozen=True, slots=True)
class Scan:
    """Profiles across contours, material left.

    Attributes
    ----------
    grey : (K, T) float32 array
        Grey values at `OFFSETS_PX`; 0 where unknown.
    known : (K, T) bool
        In the image, and nearer to this edge than to any other.
    """

    grey: FloatImage
    known: MaskArray

    def around(self, edge_px: FloatArray) -> tuple[FloatImage, MaskArray, FloatArray]:
        """Profiles about an edge position, to the nearest sample.

        Parameters
        ----------
        edge_px : (K,) array
            Positions within `SEARCH_PX`.

        Returns
        -------
        grey : (K, W) float32 array
            At `WINDOW_PX`; 0 where unknown.
        known : (K, W) bool
        rest_px : (K,) array
            What the nearest sample left of the position.
        """
        half = len(OFFSETS_PX) // 2
        most = half - len(WINDOW_PX) // 2
        steps = np.clip(np.rint(edge_px / STEP_PX), -most, most).astype(np.intp)
        rows, start = np.arange(len(steps)), half - len(WINDOW_PX) // 2 + steps
        grey = sliding_window_view(self.grey, len(WINDOW_PX), axis=1)[rows, start]
        known = sliding_window_view(self.known, len(WINDOW_PX), axis=1)[rows, start]
        return grey, known, edge_px - steps * STEP_PX


@dataclass(frozen=True, slots=True)
class Stretches:
    """Coarsely placed contours with their profiles.

    Attributes
    ----------
    chains : Chains
        The contours.
    scanned : Scan
        Their profiles.
    bend_px : (K,) array
        How far they stand off a smooth course, against which edges are regularised.
    step_px : float
        Distance of points.
    """

    chains: Chains
    scanned: Scan
    bend_px: FloatArray
    step_px: float


def scan(
    image: EdgeImage, chains: Chains, base: PointsRC, bright: bool, neighbours: Neighbours
) -> Scan:
    """Sample the profiles of contours."""
    normals = chains.normals_rc(base)
    grey = sample_profiles(image, base, normals, OFFSETS_PX)
    some = chains.blocks(NEIGHBOUR_POINTS)
    middle = some.first + some.sizes // 2
    outward, inward = neighbours.limits(base[middle], normals[middle]).astype(np.float32)
    offsets = OFFSETS_PX.astype(np.float32)
    own = some.spread((outward[:, None] >= offsets) & (inward[:, None] >= -offsets))
    known = np.isfinite(grey) & own
    grey[~known] = 0
    if not bright:
        grey, known = grey[:, ::-1], known[:, ::-1]
    return Scan(np.ascontiguousarray(grey), np.ascontiguousarray(known))
