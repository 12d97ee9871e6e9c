"""Images whose material and gaps have the same grey value, so that bright rims alone tell them.

No threshold separates the phases there. Rims cut the image into basins, and whoever crosses a rim
changes phase: two colours do for all basins. Which colour is the material shows at the rims: they
belong to it and fall off slowly into it, while the gap beside them lies in their shadow. Nothing
is filled, so holes in frames stay holes.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree
from skimage.filters import threshold_otsu
from skimage.segmentation import watershed

from segsem.core.types import FloatArray, FloatImage, LabelArray, MaskArray
from segsem.segmentation.rims import smoothed_noise
from segsem.segmentation.sauvola import smooth

SMOOTHINGS_PX = (1.0, 1.5, 2.0, 3.0)
GOOD_CONTRAST_NOISE = 12.0
"""Rims this many sigma of the remaining noise above the rest are smooth enough."""

MIN_CONTRAST_NOISE = 6.0

RIM_SHARE = (0.01, 0.45)
MAX_RIM_PX = 16.0
"""Wider bright stripes are features, not rims."""

CORE_PX = 2.0
"""Basins are told by their pixels this far from rims: so wide may half a gap in a rim be."""

MIN_RIDGE = 0.5
"""Two basins are one where the rim between them is, on the mean, lower than this share of it."""

MAX_PLATEAU = 0.5
"""Phases whose plateaus differ by more of the rim's height need no rims to be told apart. Rims
reach far: with equal plateaus too, what lies 4 px from them differs by up to 0.45."""

MIN_SIDES = 0.04
"""The rim's two sides differ by at least this share of its height, or it is no rim."""

SIDE_PX = (1.0, 4.0)
MAX_ODD = 0.1
"""Share of the rims' length that two colours may leave unexplained."""


@dataclass(frozen=True, slots=True)
class RimScene:
    """Phases of an image that shows nothing but rims.

    Attributes
    ----------
    material : (H, W) bool
        The material's basins and its rims.
    basins : (H, W) bool
        The material's side of the rims' crests.
    rim_share : float
        Share of the image that rims cover.
    contrast : float
        Height of the rims above the rest, in grey levels.
    smooth_px : float
        Gaussian sigma of the image in which they were found.
    """

    material: MaskArray
    basins: MaskArray
    rim_share: float
    contrast: float
    smooth_px: float


@dataclass(frozen=True, slots=True)
class _Rims:
    smoothed: FloatImage
    mask: MaskArray
    level: float
    floor: float
    contrast: float
    sigma: float


def find_rim_scene(grey: FloatImage, noise: float) -> RimScene | None:
    """Divide an image by its rims, if nothing else divides it.

    Parameters
    ----------
    grey : (H, W) float32
        Normalised grey values (0-255).
    noise : float
        Standard deviation of the pixel noise.

    Returns
    -------
    RimScene or None
        None where there are no rims, where the plateaus differ, or where rims contradict one
        another.
    """
    rims = _find_rims(grey, noise)
    if rims is None:
        return None
    depth = _depth(~rims.mask)
    cores, count = ndi.label(depth > CORE_PX)
    if count < 2:
        return None
    basins = np.asarray(watershed(rims.smoothed, cores), dtype=np.int32) - 1
    colour = _two_colours(basins, count, rims)
    if colour is None:
        return None
    first = colour[basins]
    near = (depth >= SIDE_PX[0]) & (depth <= SIDE_PX[1])
    plateaus, sides = _step(rims, first, depth > SIDE_PX[1]), _step(rims, first, near)
    # Where one phase has no plateau the comparison is NaN and says nothing.
    if not abs(plateaus) <= MAX_PLATEAU or not abs(sides) >= MIN_SIDES:
        return None
    inside = first if sides > 0 else ~first
    return RimScene(
        inside | rims.mask, inside, float(np.mean(rims.mask)), rims.contrast, rims.sigma
    )


def rim_field(margin: FloatImage, scene: RimScene, bright: bool) -> FloatImage:
    """Turn the margin of rims over their threshold into one that is positive inside features.

    Parameters
    ----------
    margin : (H, W) float32
        Positive on rims.
    scene : RimScene
        Which side of them is material.
    bright : bool
        Whether features are material.

    Returns
    -------
    (H, W) float32
        Its zero level runs along the rims' outer flank only.
    """
    least = np.float32(0.05 * scene.contrast)
    field = np.where(scene.basins, np.maximum(np.abs(margin), least), margin)
    return field if bright else -field


def _find_rims(grey: FloatImage, noise: float) -> _Rims | None:
    best: _Rims | None = None
    for sigma in SMOOTHINGS_PX:
        smoothed = smooth(grey, sigma)
        if float(np.ptp(smoothed)) <= 0:
            return None
        level = float(threshold_otsu(smoothed))
        mask = smoothed > level
        floor = float(np.median(smoothed[~mask]))
        contrast = float(np.median(smoothed[mask])) - floor
        ratio = contrast / max(smoothed_noise(noise, sigma), 1e-6)
        if ratio >= MIN_CONTRAST_NOISE and _are_thin(mask):
            best = _Rims(smoothed, mask, level, floor, contrast, sigma)
        if ratio >= GOOD_CONTRAST_NOISE:  # what is no rim now is none after more smoothing
            break
    return best


def _are_thin(mask: MaskArray) -> bool:
    share = float(np.mean(mask))
    return RIM_SHARE[0] < share < RIM_SHARE[1] and _mean_width(mask) <= MAX_RIM_PX


def _mean_width(mask: MaskArray) -> float:
    """Four times the mean depth: that of a stripe is a quarter of its width."""
    return 4.0 * float(np.mean(_depth(mask)[mask])) - 2.0


def _depth(mask: MaskArray) -> FloatImage:
    """Distance of each pixel of a mask to the nearest one outside it."""
    return np.asarray(
        cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    )


def _two_colours(basins: LabelArray, count: int, rims: _Rims) -> npt.NDArray[np.bool_] | None:
    """Colour of each basin, so that rims lie between unequal ones; None where that cannot be."""
    pairs, heights = _neighbours(basins, rims.smoothed)
    length, height = _by_pair(pairs, heights, count)
    row, col = length.nonzero()
    lengths = np.asarray(length[row, col]).ravel()
    ridge = np.asarray(height[row, col]).ravel() / lengths
    low = ridge < rims.floor + MIN_RIDGE * rims.contrast
    joined = coo_matrix((np.ones(int(low.sum())), (row[low], col[low])), shape=(count, count))
    parts, part = connected_components(joined, directed=False)
    row, col, lengths = part[row[~low]], part[col[~low]], lengths[~low]
    if parts < 2 or len(row) == 0:
        return None
    colour = _coloured(row, col, lengths, parts)
    odd = float(lengths[colour[row] == colour[col]].sum())
    if odd > MAX_ODD * float(lengths.sum()):
        return None
    return np.asarray(colour[part])


def _neighbours(
    basins: LabelArray, smoothed: FloatImage
) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """Pairs (2, P) of basins that meet between two pixels, and the crest there (P,)."""
    found, heights = [], []
    for a, b in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        across = basins[a] != basins[b]
        one, other = basins[a][across], basins[b][across]
        found.append(np.stack([np.minimum(one, other), np.maximum(one, other)]))
        heights.append(np.maximum(smoothed[a][across], smoothed[b][across]))
    return np.concatenate(found, axis=1).astype(np.intp), np.concatenate(heights).astype(float)


def _by_pair(
    pairs: npt.NDArray[np.intp], heights: FloatArray, count: int
) -> tuple[coo_matrix, coo_matrix]:
    shape = (count, count)
    length = coo_matrix((np.ones(pairs.shape[1]), tuple(pairs)), shape=shape).tocsr()
    return length, coo_matrix((heights, tuple(pairs)), shape=shape).tocsr()


def _coloured(
    row: npt.NDArray[np.intp], col: npt.NDArray[np.intp], lengths: FloatArray, count: int
) -> npt.NDArray[np.bool_]:
    """Colour along the longest rims first; parts that no rim joins begin anew."""
    graph = coo_matrix((-lengths, (row, col)), shape=(count, count)).tocsr()
    tree = minimum_spanning_tree(graph)
    colour: npt.NDArray[np.bool_] = np.zeros(count, dtype=bool)
    _, group = connected_components(tree, directed=False)
    for number in np.unique(group):
        start = int(np.flatnonzero(group == number)[0])
        order, before = breadth_first_order(tree, start, directed=False)
        for basin in order[1:]:
            colour[basin] = not colour[before[basin]]
    return colour


def _step(rims: _Rims, first: MaskArray, where: MaskArray) -> float:
    """How much brighter the first colour is, over the rim's height; NaN where one is missing."""
    one, other = rims.smoothed[where & first], rims.smoothed[where & ~first]
    if len(one) == 0 or len(other) == 0:
        return float("nan")
    return (float(np.median(one)) - float(np.median(other))) / rims.contrast
