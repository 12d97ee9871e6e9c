"""The trail of charging: what bright and dark areas leave behind along the fast scan direction.

A trail that decays within a few tens of px lies under one flank of an edge and not under the
other, so that edges which face the scan and edges which it leaves seem to move apart. One share
and one length hold for a whole image. They are read far from the edges: of two pixels that are
equally far from the nearest edge, on the same side of it, the one behind bright ground differs.
Where edges lie exactly, and what they look like, has no say in it. The trail is then taken out of
the rows of the image by the inverse of its filter, with all that earlier features left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi
from scipy.signal import lfilter

from segsem.contours.profiles import EdgeImage
from segsem.contours.trace import Polyline, normals_rc
from segsem.core.types import FloatArray, MaskArray

LENGTHS_PX = (7.0, 12.0, 20.0, 35.0)

MOST_PIXELS = 50_000
"""So many pixels, whole rows evenly spread, tell the trail."""

MOST_DRAWN = 2_000_000
"""Of a larger image no more than so many pixels, from its middle, are looked at."""

NEAR_PX = 3
"""Pixels nearer to an edge than this do not count: there its place decides on grey values."""

FAR_PX = 30
"""Farther off, distance makes no difference."""

MIN_SIGNIFICANCE = 6.0
MODEL_ERROR = 0.02
"""Of the contrast: distance to the edge never explains grey values better than this."""

MIN_SHARE = 0.01
MAX_SHARE = 0.5

PER_PX = 4
BIN_PX = 1.0 / PER_PX
"""Pixels within so much of a distance are equally far."""

MIN_ACROSS = 0.5
"""Cosine of an edge's normal to the rows: below it a trail is little but a shift of the edge."""

PASSES = 2

END_POINTS = 3
BESIDE_PX = 1.5

_BINS = 2 * FAR_PX * PER_PX + 1

Pixels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Trail:
    """An exponential memory of the grey value along the rows, to the right.

    Attributes
    ----------
    share : float
        Of a lasting step of grey values; negative where bright ground darkens what comes after.
    length_px : float
        Decay length.
    """

    share: float
    length_px: float

    def removed_from(self, image: EdgeImage) -> EdgeImage:
        """Give the image as it was before the trail was laid on it."""
        keep = float(np.exp(-1.0 / self.length_px))
        usual = np.float32(np.median(image.grey[::3, ::3]))
        left = keep - self.share * (1.0 - keep)
        grey = lfilter([1.0, -keep], [1.0, -left], image.grey - usual, axis=1) + usual
        grey = np.ascontiguousarray(grey, dtype=np.float32)
        coefficients = ndi.spline_filter(grey, order=3, output=np.float32, mode="mirror")
        return EdgeImage(grey, np.asarray(coefficients), image.noise)


def find_trail(image: EdgeImage, lines: Sequence[Polyline]) -> Trail | None:
    """Estimate the trail in an image.

    Parameters
    ----------
    image : EdgeImage
        The image.
    lines : sequence of Polyline
        All its traced edges.

    Returns
    -------
    Trail or None
        None where the image does not ask for one.
    """
    height, width = image.grey.shape
    rows = min(height, max(1, MOST_DRAWN // width))
    top = (height - rows) // 2
    every = max(1, rows * width // MOST_PIXELS)
    ground, usable = _ground(lines, top, (rows, width), every)
    grey = image.grey[top : top + rows : every].astype(np.float64)
    look = _mean_by(grey, ground)[ground]
    counts = usable & (np.abs(ground - FAR_PX * PER_PX) > NEAR_PX * PER_PX)
    if counts.sum() < FAR_PX * FAR_PX:
        return None
    slow = _slow(look, ground, counts)
    rest = _without(_unexplained(grey - look, ground, counts), slow)
    floor = MODEL_ERROR * float(np.ptp(look[counts]))
    columns = [laid(look - np.median(look), length) for length in LENGTHS_PX]
    found = [
        _share(rest, _without(_unexplained(column, ground, counts), slow), counts, floor, length)
        for column, length in zip(columns, LENGTHS_PX, strict=True)
    ]
    significance, trail = max(found, key=lambda each: each[0])
    asked = significance > MIN_SIGNIFICANCE and MIN_SHARE < abs(trail.share) < MAX_SHARE
    return trail if asked else None


def _share(
    rest: FloatArray,
    column: FloatArray,
    counts: MaskArray,
    floor: float,
    length_px: float,
) -> tuple[float, Trail]:
    """Least-squares share of a trail of one length, and how many standard errors it is."""
    energy = max(float(np.sum(column**2)), 1e-12)
    share = float(np.sum(column * rest)) / energy
    noise = float(np.sum((rest - share * column) ** 2)) / int(counts.sum()) + floor**2
    return abs(share) * np.sqrt(energy / max(noise, 1e-12)), Trail(share, length_px)


def _slow(look: FloatArray, ground: Pixels, counts: MaskArray) -> list[FloatArray]:
    """What a slope of brightness along the rows would change, orthonormal."""
    ramp = np.linspace(-1.0, 1.0, look.shape[1]) + np.zeros((len(look), 1))
    found: list[FloatArray] = []
    for values in (ramp, ramp * look):
        rest = _without(_unexplained(values, ground, counts), found)
        found.append(rest / max(float(np.sqrt(np.sum(rest**2))), 1e-9))
    return found


def _without(values: FloatArray, directions: Sequence[FloatArray]) -> FloatArray:
    """Values (H, W) less their share of orthonormal directions."""
    for direction in directions:
        values = values - float(np.sum(values * direction)) * direction
    return values


def laid(grey: FloatArray, length_px: float) -> FloatArray:
    """What ground of these grey values (H, W) leaves along its rows, at a share of 1."""
    keep = float(np.exp(-1.0 / length_px))
    return np.asarray(lfilter([0.0, 1.0 - keep], [1.0, -keep], grey, axis=1))


def _unexplained(values: FloatArray, ground: Pixels, counts: MaskArray) -> FloatArray:
    """What neither the distance to the edge nor the row explains; 0 where it does not count."""
    left = np.where(counts, values, 0.0)
    for _ in range(PASSES):
        left = np.where(counts, left - _mean_by(left, ground)[ground], 0.0)
        of_row = left.sum(axis=1) / np.maximum(counts.sum(axis=1), 1)
        left = np.where(counts, left - of_row[:, None], 0.0)
    return left


def _mean_by(values: FloatArray, ground: Pixels) -> FloatArray:
    total = np.bincount(ground.ravel(), values.ravel(), minlength=_BINS)
    count = np.bincount(ground.ravel(), minlength=_BINS)
    return np.asarray(total / np.maximum(count, 1))


def _ground(
    lines: Sequence[Polyline], top: int, shape: tuple[int, int], every: int
) -> tuple[Pixels, MaskArray]:
    """Signed distance to the nearest edge as the number of a bin, one in `every` rows.

    And where that tells something: not where the nearest edge goes on outside the image, or runs
    along the rows.
    """
    vertices = np.concatenate([line.vertices_rc for line in lines]) - (top, 0.0)
    normals = np.concatenate([normals_rc(line) for line in lines])
    ends = np.concatenate([_ends(line) for line in lines])
    at = np.rint(vertices).astype(np.intp)
    inside = np.all((at >= 0) & (at < shape), axis=1)
    if not inside.any():
        nowhere = np.zeros((-(-shape[0] // every), shape[1]), dtype=np.int64)
        return nowhere, nowhere > 0
    vertices, normals, ends, at = vertices[inside], normals[inside], ends[inside], at[inside]
    drawn = np.ones(shape, dtype=np.uint8)
    drawn[at[:, 0], at[:, 1]] = 0
    _, label = cv2.distanceTransformWithLabels(
        drawn, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    vertex = np.zeros(int(label.max()) + 1, dtype=np.intp)
    vertex[label[at[:, 0], at[:, 1]]] = np.arange(len(at))
    # From the vertex itself, not from its pixel, and along its normal where it is nearly the
    # nearest point: pixels and vertices would beat with a tilted edge.
    nearest = vertex[label[::every]]
    off_row = np.arange(0, shape[0], every)[:, None] - vertices[nearest, 0]
    off_col = np.arange(shape[1])[None, :] - vertices[nearest, 1]
    outward = off_row * normals[nearest, 0] + off_col * normals[nearest, 1]
    distance = np.hypot(off_row, off_col)
    along = np.sqrt(np.maximum(distance**2 - outward**2, 0.0))
    distance = np.where(along < BESIDE_PX, np.abs(outward), distance)
    whole = np.rint(distance / BIN_PX).astype(np.int64)
    whole = np.minimum(whole, FAR_PX * PER_PX)
    usable = ~ends & (np.abs(normals[:, 1]) > MIN_ACROSS)
    return np.where(outward > 0, -whole, whole) + FAR_PX * PER_PX, usable[nearest]


def _ends(line: Polyline) -> MaskArray:
    """Which vertices an open line ends in."""
    ends = np.zeros(len(line.vertices_rc), dtype=bool)
    if not line.closed:
        ends[:END_POINTS] = ends[-END_POINTS:] = True
    return ends
