"""Many contours in one array: what each needs along itself is done for all of them at once.

A contour of 100 points costs as much in calls as in arithmetic, so points of many contours lie one
after the other, and filters along them see each contour continued past its ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from segsem.contours.trace import Polyline
from segsem.core.coordinates import unit
from segsem.core.types import FloatArray, PointsRC

IndexArray = npt.NDArray[np.intp]
Scalar = TypeVar("Scalar", bound=np.generic)
Real = TypeVar("Real", np.float32, np.float64)


class Ends(StrEnum):
    """How open contours go on past their ends; closed ones wrap around."""

    NEAREST = "nearest"
    MIRROR = "mirror"
    POINT = "point"
    """Point reflection: a straight line stays where it is."""


class Chains:
    """Where each of several contours lies in arrays that hold the points of all.

    Parameters
    ----------
    counts : (N,) array of int
        Points of each contour.
    closed : (N,) array of bool
        Whether its last point is the first one's neighbour.
    """

    def __init__(self, counts: npt.ArrayLike, closed: npt.ArrayLike) -> None:
        self.counts: IndexArray = np.asarray(counts, dtype=np.intp)
        self.closed: npt.NDArray[np.bool_] = np.asarray(closed, dtype=bool)
        self.starts: IndexArray = np.concatenate([[0], np.cumsum(self.counts)]).astype(np.intp)
        #: Number of the contour that each point belongs to.
        self.owner: IndexArray = np.repeat(np.arange(len(self.counts)), self.counts)
        self._pads: dict[tuple[int, Ends], _Padding] = {}

    @classmethod
    def of(cls, lines: Sequence[Polyline]) -> tuple[Chains, PointsRC]:
        """Put contours after one another; also gives their vertices, (K, 2)."""
        chains = cls([len(line.vertices_rc) for line in lines], [line.closed for line in lines])
        return chains, np.concatenate([line.vertices_rc for line in lines])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def slices(self) -> Iterator[slice]:
        """Rows of each contour."""
        for start, stop in zip(self.starts[:-1], self.starts[1:], strict=True):
            yield slice(int(start), int(stop))

    def lines(self, vertices_rc: PointsRC) -> list[Polyline]:
        """Give the contours with these vertices."""
        return [
            Polyline(vertices_rc[rows], bool(closed))
            for rows, closed in zip(self.slices(), self.closed, strict=True)
        ]

    def resampled(self, vertices_rc: PointsRC, step_px: float) -> tuple[Chains, PointsRC]:
        """Set vertices at equal arc length, as `segsem.contours.trace.resample`."""
        # Closed contours come back to their first vertex.
        extra = self.counts + self.closed
        ends = np.cumsum(extra)
        starts = ends - extra
        at = np.arange(int(ends[-1])) - np.repeat(starts, extra)
        count, base = np.repeat(self.counts, extra), np.repeat(self.starts[:-1], extra)
        points = vertices_rc[base + at % count]
        steps = np.hypot(*np.diff(points, axis=0, prepend=points[:1]).T)
        # Contours lie one after the other, with gaps, on one long line.
        steps[starts] = 1.0
        arc = np.cumsum(steps)
        first, length = arc[starts], arc[ends - 1] - arc[starts]
        intervals = np.maximum(np.rint(length / step_px).astype(np.intp), 4)
        chains = Chains(intervals + ~self.closed, self.closed)
        number = np.arange(len(chains)) - chains.starts[:-1][chains.owner]
        share = number / intervals[chains.owner]
        wanted = first[chains.owner] + share * length[chains.owner]
        new = [np.interp(wanted, arc, points[:, axis]) for axis in (0, 1)]
        return chains, np.stack(new, axis=1)

    def next_to(self, step: int) -> IndexArray:
        """Index (K,) of the point `step` further; open contours stop at their ends."""
        return self._padding(abs(step), Ends.NEAREST).shifted(step)

    def normals_rc(self, vertices_rc: PointsRC) -> PointsRC:
        """Unit normals from feature to background, as `segsem.contours.trace.normals_rc`."""
        tangents = vertices_rc[self.next_to(1)] - vertices_rc[self.next_to(-1)]
        return unit(np.stack([tangents[:, 1], -tangents[:, 0]], axis=1))

    def curvature(self, vertices_rc: PointsRC, normals_sigma: float) -> FloatArray:
        """Turn of the smoothed normal per px (K,), 1/px; positive turns angle with (row, col)."""
        normals = self.smooth(self.normals_rc(vertices_rc), normals_sigma)
        ahead, behind = self.next_to(1), self.next_to(-1)
        last, first = normals[ahead], normals[behind]
        cross = first[:, 1] * last[:, 0] - first[:, 0] * last[:, 1]
        turn = np.arctan2(cross, np.einsum("kj,kj->k", first, last))
        span = np.linalg.norm(vertices_rc[ahead] - vertices_rc[behind], axis=1)
        return np.asarray(turn / np.maximum(span, 1e-6), dtype=np.float64)

    def smooth(
        self,
        values: npt.NDArray[Real],
        sigma_points: float,
        ends: Ends = Ends.POINT,
        truncate: float = 4.0,
    ) -> npt.NDArray[Real]:
        """Gaussian smoothing along each contour.

        Parameters
        ----------
        values : (K, ...) array
            float32 stays float32.
        sigma_points : float
            Sigma in points; 0 changes nothing.
        ends : Ends
            What open contours are continued by.
        truncate : float
            Where the Gaussian ends, in sigma.
        """
        if sigma_points <= 0 or len(values) == 0:
            return values.copy()
        weights = _gaussian(sigma_points, truncate)
        padding = self._padding(len(weights) // 2, ends)
        padded = _filtered(padding.take(values), weights)
        return np.asarray(padded[padding.inner])

    def padded(self, values: FloatArray, pad: int, ends: Ends) -> tuple[FloatArray, IndexArray]:
        """Contours continued by `pad` points at either end, and where their own points lie."""
        padding = self._padding(pad, ends)
        return padding.take(values), padding.inner

    def blocks(self, size: int) -> Blocks:
        """Group neighbouring points; no group reaches over a contour's end."""
        counts = np.maximum(-(-self.counts // size), np.minimum(self.counts, 1))
        chains = Chains(counts, self.closed)
        # Evenly: of 9 points, blocks of 4 have 3 each.
        at = np.arange(len(chains)) - chains.starts[:-1][chains.owner]
        first = self.starts[:-1][chains.owner] + at * self.counts[chains.owner] // np.maximum(
            counts[chains.owner], 1
        )
        sizes = np.diff(np.append(first, len(self)))
        return Blocks(chains, first.astype(np.intp), sizes)

    def _padding(self, pad: int, ends: Ends) -> _Padding:
        if (pad, ends) not in self._pads:
            self._pads[pad, ends] = _Padding.of(self, pad, ends)
        return self._pads[pad, ends]


@dataclass(frozen=True, slots=True)
class Blocks:
    """Groups of neighbouring points.

    Attributes
    ----------
    chains : Chains
        The groups in place of the points.
    first, sizes : (B,) arrays of int
        First point, and number of points, of each.
    """

    chains: Chains
    first: IndexArray
    sizes: IndexArray

    def mean(self, values: npt.NDArray[Real]) -> npt.NDArray[Real]:
        """Mean of each group, (B, ...)."""
        # Row by row: `reduceat` takes several times as long.
        total = values[self.first]
        for number in range(1, int(self.sizes.max(initial=0))):
            some = np.flatnonzero(self.sizes > number)
            if len(some) == len(self.sizes):
                total += values[self.first + number]
            else:
                total[some] += values[self.first[some] + number]
        total /= self.sizes.reshape(-1, *[1] * (values.ndim - 1)).astype(values.dtype)
        return total

    def spread(self, values: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """Each group's value for each of its points, (K, ...)."""
        return np.repeat(values, self.sizes, axis=0)

    @property
    def of_point(self) -> IndexArray:
        """Number (K,) of each point's group."""
        return np.repeat(np.arange(len(self.first)), self.sizes)


@dataclass(frozen=True, slots=True)
class _Padding:
    """Contours continued by `pad` points at either end.

    Attributes
    ----------
    pad : int
    source : (P,) array
        Which point each padded one repeats.
    inner : (K,) array
        Where the points themselves lie.
    pivot : (P,) array or None
        End that a point is reflected at; -1 where it is not.
    """

    pad: int
    source: IndexArray
    inner: IndexArray
    pivot: IndexArray | None

    @classmethod
    def of(cls, chains: Chains, pad: int, ends: Ends) -> _Padding:
        lengths = chains.counts + 2 * pad
        owner = np.repeat(np.arange(len(lengths)), lengths)
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        local = np.arange(len(owner)) - starts[owner] - pad
        count, base = chains.counts[owner], chains.starts[:-1][owner]
        wrapped = local % np.maximum(count, 1)
        pivot = None
        if ends is Ends.MIRROR:
            folded = local % np.maximum(2 * count, 1)
            ended = np.where(folded < count, folded, 2 * count - 1 - folded)
        elif ends is Ends.NEAREST:
            ended = np.clip(local, 0, count - 1)
        else:
            ended = np.clip(np.where(local < 0, -local, local), 0, count - 1)
            over = local > count - 1
            ended = np.where(over, np.maximum(2 * (count - 1) - local, 0), ended)
            at = np.where(local < 0, base, np.where(over, base + count - 1, -1))
            pivot = np.where(chains.closed[owner], -1, at)
        source = base + np.where(chains.closed[owner], wrapped, ended)
        inner = np.flatnonzero((local >= 0) & (local < count))
        return cls(pad, source, inner, pivot)

    def shifted(self, step: int) -> IndexArray:
        return self.source[self.inner + step]

    def take(self, values: npt.NDArray[Real]) -> npt.NDArray[Real]:
        padded = values[self.source]
        if self.pivot is not None:
            turned = np.flatnonzero(self.pivot >= 0)
            padded[turned] = 2 * values[self.pivot[turned]] - padded[turned]
        return padded


def _gaussian(sigma: float, truncate: float) -> FloatArray:
    radius = int(truncate * sigma + 0.5)
    at = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (at / sigma) ** 2)
    return np.asarray(weights / weights.sum())


def _filtered(values: npt.NDArray[Real], weights: FloatArray) -> npt.NDArray[Real]:
    """Correlate along axis 0; OpenCV is the quicker one, but knows no float64 of many columns."""
    if values.dtype != np.float32 or values.ndim != 2:
        return np.asarray(ndi.correlate1d(values, weights, axis=0, mode="nearest"))
    once = np.ones(1, dtype=np.float32)
    return np.asarray(
        cv2.sepFilter2D(
            values, cv2.CV_32F, once, weights.astype(np.float32), borderType=cv2.BORDER_REPLICATE
        )
    )
