"""Touching blobs apart: the watershed of the distance to the background.

The distance is highest in the middle of a blob and low in a neck between two, so water that
rises from the middles meets in the necks.

References
----------
F. Meyer, "Topographic distance and watershed lines", Signal Processing 38(1), 1994.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage as ndi
from skimage.morphology import local_maxima
from skimage.segmentation import watershed

from segsem.core.types import FloatArray, LabelArray, MaskArray
from segsem.editing.errors import EditError
from segsem.editing.parts import by_size

NECK_SHARE = 0.8
"""Blobs are two where the neck between them is narrower than this share of the smaller one."""


def divide_at_necks(mask: MaskArray, neck_share: float = NECK_SHARE) -> LabelArray:
    """Number the blobs of a mask.

    Parameters
    ----------
    mask : (h, w) bool
        Where it reaches the window's edge it goes on beyond it.
    neck_share : float
        A neck narrower than this share of the smaller of two blobs parts them.

    Returns
    -------
    (h, w) int32
        Numbers from 1 by falling size, 0 outside; every pixel of the mask belongs to a blob.
    """
    distance = _distance(mask)
    peaks, count = ndi.label(_tops(mask, distance))
    if count < 2:
        return mask.astype(np.int32)
    basins = np.asarray(watershed(-distance, peaks, mask=mask), dtype=np.int32)
    heights = ndi.maximum(distance, basins, np.arange(count + 1))
    joined = _joined(basins, distance, np.asarray(heights, dtype=np.float64), neck_share)
    return by_size(joined[basins], int(joined.max()))


def divide_between(
    mask: MaskArray, first_rc: tuple[int, int], second_rc: tuple[int, int]
) -> LabelArray:
    """Part a mask in two between two of its pixels, at the narrowest place.

    Parameters
    ----------
    mask : (h, w) bool
        Where it reaches the window's edge it goes on beyond it.
    first_rc, second_rc : (int, int)
        A pixel of each part. Where no neck lies between them, they are parted half way.

    Returns
    -------
    (h, w) int32
        1 the part with the first pixel, 2 that with the second; pieces of the mask that hold
        neither stay with the first.

    Raises
    ------
    EditError
        If the pixels are not two of one connected piece.
    """
    pieces, _ = ndi.label(mask)
    if pieces[first_rc] == 0 or pieces[first_rc] != pieces[second_rc]:
        msg = "Expected two places in one connected object: start and end the line inside it"
        raise EditError(msg)
    if first_rc == second_rc:
        msg = "Expected two places, but got one: drag from one part to the other"
        raise EditError(msg)
    piece = np.asarray(pieces == pieces[first_rc])
    distance = _distance(mask)
    first, second = _climb(distance, first_rc), _climb(distance, second_rc)
    height = -distance
    if first[-1] == second[-1]:
        first, second, height = [first_rc], [second_rc], np.zeros_like(distance)
    markers = np.zeros(mask.shape, dtype=np.int32)
    for number, way in ((1, first), (2, second)):
        markers[tuple(np.transpose(way))] = number
    parted = np.asarray(watershed(height, markers, mask=piece), dtype=np.int32)
    return np.where(mask & ~piece, np.int32(1), parted)


def _tops(mask: MaskArray, distance: FloatArray) -> MaskArray:
    """Middles of blobs; every connected piece has one, or water would never reach it."""
    tops = np.asarray(local_maxima(distance) & mask)
    pieces, count = ndi.label(mask)
    # What only touches a higher place at a corner has no middle of its own.
    bare = np.asarray(ndi.maximum(tops, pieces, np.arange(count + 1))) == 0
    bare[0] = False
    return np.asarray(tops | bare[pieces])


def _distance(mask: MaskArray) -> FloatArray:
    if mask.all():
        return np.ones(mask.shape)
    return np.asarray(ndi.distance_transform_edt(mask), dtype=np.float64)


def _climb(distance: FloatArray, start_rc: tuple[int, int]) -> list[tuple[int, int]]:
    """Pixels of the steepest way up from a pixel to the middle of its blob."""
    way = [start_rc]
    while True:
        row, col = way[-1]
        row0, col0 = max(row - 1, 0), max(col - 1, 0)
        around = distance[row0 : row + 2, col0 : col + 2]
        best = np.unravel_index(int(np.argmax(around)), around.shape)
        if around[best] <= distance[row, col]:
            return way
        way.append((row0 + int(best[0]), col0 + int(best[1])))


def _joined(
    basins: LabelArray, distance: FloatArray, heights: FloatArray, neck_share: float
) -> LabelArray:
    """Blob of each basin: basins whose neck is wide are one blob, widest necks first."""
    owner = np.arange(len(heights))

    def find(basin: int) -> int:
        while owner[basin] != basin:
            basin = int(owner[basin])
        return basin

    for width, first, second in _necks(basins, distance):
        one, other = find(first), find(second)
        if one != other and width >= neck_share * min(heights[one], heights[other]):
            low, high = sorted((one, other), key=lambda basin: heights[basin])
            owner[low] = high
    roots = np.array([find(basin) for basin in range(len(owner))])
    kept = np.unique(roots[1:])
    number = np.zeros(len(owner), dtype=np.int32)
    number[1:] = np.searchsorted(kept, roots[1:]) + 1
    return number


def _necks(basins: LabelArray, distance: FloatArray) -> list[tuple[float, int, int]]:
    """Half width of the widest place where two basins meet, widest first."""
    widest: dict[tuple[int, int], float] = {}
    for axis in (0, 1):
        ahead = [slice(None), slice(None)]
        behind = [slice(None), slice(None)]
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        one, other = basins[tuple(behind)], basins[tuple(ahead)]
        meet = (one != other) & (one > 0) & (other > 0)
        low = np.minimum(distance[tuple(behind)], distance[tuple(ahead)])[meet]
        pairs = np.sort(np.stack([one[meet], other[meet]], axis=1), axis=1)
        for (first, second), width in zip(pairs.tolist(), low.tolist(), strict=True):
            widest[first, second] = max(width, widest.get((first, second), 0.0))
    return sorted(((w, a, b) for (a, b), w in widest.items()), reverse=True)
