"""Evidence that a region which came out is right, read where its contours were placed.

Parts are judged before their outline is placed and before they meet their neighbours. What is
reported is judged here, on the contour itself: does the image show an edge all along it, did
placement have to move it, does Sauvola's threshold see the same piece, and is there an edge inside
or beside the region that no contour follows (a bridge, a filled hole, a missing part)?
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from segsem.core.contour import Contour, PointFlag, Region
from segsem.core.types import FloatArray, FloatImage, MaskArray
from segsem.segmentation.bands import with_halo
from segsem.segmentation.canvas import HybridResult
from segsem.segmentation.edge_traces import unfollowed_edges

WEAK_SHARE = 0.4
"""A contour point is weak where contrast or slope is less than this share of the image's median."""

RUN_PX = 16.0
"""Weak or deviating stretches, and unexplained px, count against this length."""

NEAR_PX = 2
BESIDE_PX = 20
FIELD_AT_PX = 3.0
NOISE_HALF = 4.0
MOVE_PX = 2.0
BLUR_PX = 4.0
MOST_BLUR_PX = 20.0
SIGMA_PX = 0.3
ROOM = 4.0
"""Edges this many times nearer to each other than their blur shift each other."""

_RISE = float(np.sqrt(2 * np.pi))
"""Height over steepest slope of a step under a Gaussian, in its sigma."""

LENGTH_PX = 150.0
NOT_RATED = np.uint8(PointFlag.BORDER)
LOST = np.uint8(PointFlag.LOW_SLOPE | PointFlag.OUTLIER)

REGION_EVIDENCE = (
    "edge",
    "edge_run",
    "contrast",
    "slope",
    "visible",
    "steady",
    "sharp",
    "room",
    "straight",
    "precise",
    "inside",
    "outside",
    "agreement",
    "agreement_run",
    "same_piece",
    "explained",
    "size",
)
"""Names of the figures of every region; each is in [0, 1], more is better but for `size`."""

PART_EVIDENCE = ("sam2_iou_pred", "sam2_stability", "sam2_decided", "sam2_agreement", "sam2_edge")
"""Mean figures of a region's parts that SAM2 was asked for."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What regions of an image are judged against.

    Attributes
    ----------
    field : (H, W) float32
        Of the router.
    sauvola : (H, W) bool
        Features as Sauvola sees them.
    unfollowed : (H, W) bool
        Edges that no contour follows.
    contrast, slope, shift_px : float
        Medians over all contour points; the shift is from the traced to the placed point.
    noise : float
        Standard deviation of the pixel noise.
    """

    field: FloatImage
    sauvola: MaskArray
    unfollowed: MaskArray
    contrast: float
    slope: float
    shift_px: float
    noise: float


def look_around(
    regions: Sequence[Region],
    routed: HybridResult,
    sauvola: MaskArray,
    grey: FloatImage,
    noise: float,
) -> Surroundings:
    """Collect what regions are judged against.

    Parameters
    ----------
    regions : sequence of Region
        All of an image.
    routed : HybridResult
        From the router.
    sauvola : (H, W) bool
        Sauvola's candidates.
    grey : (H, W) float32
        Normalised grey values, data bar cut off.
    noise : float
        Of the pixels.
    """
    contours = [contour for region in regions for contour in region.contours]
    points = [_Points.of([contour]) for contour in contours]
    contrast = _median([each.contrast for each in points])
    return Surroundings(
        field=routed.field,
        sauvola=sauvola,
        unfollowed=unfollowed_edges(grey, noise, contours),
        contrast=contrast,
        slope=_median([each.slope for each in points]),
        shift_px=_median([each.shift_px for each in points]),
        noise=noise,
    )


def region_evidence(region: Region, around: Surroundings) -> dict[str, float]:
    """Figures of one region; see the module.

    Returns
    -------
    dict
        `REGION_EVIDENCE`, rounded for files.
    """
    points = _Points.of(region.contours)
    if len(points.contrast) == 0:
        return dict.fromkeys(REGION_EVIDENCE, 0.5)
    contrast = points.contrast / max(around.contrast, 1e-6)
    slope = points.slope / max(around.slope, 1e-6)
    good = ~points.lost & (contrast >= WEAK_SHARE) & (slope >= WEAK_SHARE)
    near = _near_sauvola(points.at_rc, around.sauvola)
    z = _low(points.contrast) / max(around.noise, 1e-6)
    moved = float(np.quantile(np.abs(points.shift_px - around.shift_px), 0.95))
    piece, leftover = _same_piece(region, around)
    blur = _blur_px(points)
    width = 2.0 * region.area_px / max(points.all_px, 1.0)
    sigma = points.sigma_px[np.isfinite(points.sigma_px)]
    figures = {
        "edge": float(np.mean(good)),
        "edge_run": np.exp(-_longest(~good, points) / RUN_PX),
        "contrast": _low(contrast) / 1.5,
        "slope": _low(slope) / 1.5,
        "visible": z / (z + NOISE_HALF),
        "steady": np.exp(-moved / MOVE_PX),
        "sharp": np.exp(-blur / BLUR_PX),
        "room": np.exp(-ROOM * blur / max(width, 1.0)),
        "straight": float(np.mean(~points.corner)),
        "precise": np.exp(-float(np.quantile(sigma, 0.9)) / SIGMA_PX) if len(sigma) else 0.0,
        "inside": _low(_field_at(points, around.field, -FIELD_AT_PX)),
        "outside": _low(-_field_at(points, around.field, FIELD_AT_PX)),
        "agreement": float(np.mean(near)),
        "agreement_run": np.exp(-_longest(~near, points) / RUN_PX),
        "same_piece": piece,
        "explained": np.exp(-leftover / RUN_PX),
        "size": points.length_px / (points.length_px + LENGTH_PX),
    }
    return {name: round(float(np.clip(value, 0.0, 1.0)), 4) for name, value in figures.items()}


@dataclass(frozen=True, slots=True)
class _Points:
    """Contour points that are not at the border, contour by contour."""

    at_rc: FloatArray
    normals_rc: FloatArray
    contrast: FloatArray
    slope: FloatArray
    shift_px: FloatArray
    lost: MaskArray
    corner: MaskArray
    sigma_px: FloatArray
    contour: npt.NDArray[np.intp]
    step_px: float
    all_px: float

    @classmethod
    def of(cls, contours: Sequence[Contour]) -> _Points:
        inner = [(c.flags & NOT_RATED) == 0 for c in contours]
        steps = [np.linalg.norm(np.diff(c.vertices_rc, axis=0), axis=1) for c in contours]
        step = np.concatenate(steps) if steps else np.empty(0)

        def joined(name: str) -> FloatArray:
            values = [getattr(c, name)[kept] for c, kept in zip(contours, inner, strict=True)]
            return np.concatenate(values) if values else np.empty(0)

        at, raw, normals = (
            joined(name).reshape(-1, 2) for name in ("vertices_rc", "raw_vertices_rc", "normals_rc")
        )
        shift = np.sum((at - raw) * normals, axis=1)
        flags = joined("flags").astype(np.uint8)
        return cls(
            at,
            normals,
            joined("contrast"),
            joined("slope"),
            shift,
            np.asarray(flags & LOST != 0),
            np.asarray(flags & np.uint8(PointFlag.CORNER) != 0),
            joined("sigma_px"),
            np.repeat(np.arange(len(inner)), [np.count_nonzero(kept) for kept in inner]),
            float(step.mean()) if len(step) else 1.0,
            float(step.sum()),
        )

    @property
    def length_px(self) -> float:
        """Length that the points stand for."""
        return len(self.contrast) * self.step_px


def _blur_px(points: _Points) -> float:
    """Blur of the edge from its height over its slope; where it does not rise, as bad as any."""
    rises = (points.contrast > 0) & (points.slope > 0)
    blur = np.full(len(rises), MOST_BLUR_PX)
    blur[rises] = points.contrast[rises] / points.slope[rises] / _RISE
    return float(min(np.median(blur), MOST_BLUR_PX))


def _median(values: list[FloatArray]) -> float:
    joined = np.concatenate(values) if values else np.empty(0)
    return float(np.median(joined)) if len(joined) else 0.0


def _low(values: FloatArray) -> float:
    """A region is as doubtful as its worst twentieth."""
    return float(np.quantile(values, 0.05))


def _longest(bad: MaskArray, points: _Points) -> float:
    """Length in px of the longest stretch of bad points in a row, gaps of two points bridged."""
    longest = 0
    for number in np.unique(points.contour):
        own = ndi.binary_closing(bad[points.contour == number], np.ones(3))
        runs, count = ndi.label(own)
        if count:
            longest = max(longest, int(np.bincount(runs)[1:].max()))
    return longest * points.step_px


def _pixels(points_rc: FloatArray, shape: tuple[int, ...]) -> tuple[npt.NDArray[np.intp], ...]:
    at = np.clip(np.rint(points_rc), 0, np.asarray(shape) - 1).astype(np.intp)
    return at[:, 0], at[:, 1]


def _field_at(points: _Points, field: FloatImage, offset_px: float) -> FloatArray:
    return np.asarray(
        field[_pixels(points.at_rc + offset_px * points.normals_rc, field.shape)], dtype=np.float64
    )


def _near_sauvola(points_rc: FloatArray, sauvola: MaskArray) -> MaskArray:
    """Which points have Sauvola's outline within 2 px: both phases show around them."""
    rows, cols = _pixels(points_rc, sauvola.shape)
    reach = np.arange(-NEAR_PX, NEAR_PX + 1)
    at_r = np.clip(rows[:, None, None] + reach[:, None], 0, sauvola.shape[0] - 1)
    at_c = np.clip(cols[:, None, None] + reach, 0, sauvola.shape[1] - 1)
    seen = sauvola[at_r, at_c].reshape(len(rows), -1)
    return np.asarray(seen.any(axis=1) & ~seen.all(axis=1))


def _same_piece(region: Region, around: Surroundings) -> tuple[float, float]:
    """Agreement with Sauvola's pieces beyond the outline's width, and px of unfollowed edge."""
    row0, col0, row1, col1 = region.bbox_rc
    window = (slice(row0, row1), slice(col0, col1))
    mask = region.mask
    pieces, _ = ndi.label(around.sauvola[window])
    met = np.bincount(pieces[mask], minlength=int(pieces.max()) + 1)
    met[0] = 0
    theirs = np.isin(pieces, np.flatnonzero(met > NEAR_PX * RUN_PX)) if met.any() else pieces > 0
    kernel = np.ones((2 * NEAR_PX + 1, 2 * NEAR_PX + 1), dtype=np.uint8)
    different = cv2.erode((mask ^ theirs).astype(np.uint8), kernel, borderValue=1)
    same = float(np.exp(-np.count_nonzero(different) / RUN_PX))
    return same, _unfollowed_beside(region, around.unfollowed)


def _unfollowed_beside(region: Region, unfollowed: MaskArray) -> float:
    """Pixels of unfollowed edge in a region or beside it, where a missing part would be."""
    row0, col0, row1, col1 = region.bbox_rc
    rows = with_halo(slice(row0, row1), BESIDE_PX, unfollowed.shape[0])
    cols = with_halo(slice(col0, col1), BESIDE_PX, unfollowed.shape[1])
    seen = unfollowed[rows, cols]
    if not seen.any():
        return 0.0
    mask = np.zeros(seen.shape, dtype=np.uint8)
    mask[row0 - rows.start : row1 - rows.start, col0 - cols.start : col1 - cols.start] = region.mask
    reach = np.ones((2 * BESIDE_PX + 1, 2 * BESIDE_PX + 1), dtype=np.uint8)
    return float(np.count_nonzero(seen & (cv2.dilate(mask, reach) > 0)))
